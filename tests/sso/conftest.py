"""The identity providers, started once for all tests of a worker."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.identity_providers.running import OpenIDProvider, SamlProvider, openid_providers, saml_provider


@pytest.fixture(scope="session")
def _openid_providers() -> Iterator[tuple[OpenIDProvider, OpenIDProvider]]:
    with openid_providers() as both:
        yield both


@pytest.fixture(scope="session")
def _saml_provider(tmp_path_factory: Any) -> Iterator[SamlProvider]:
    with saml_provider(tmp_path_factory.mktemp("saml")) as provider:
        yield provider


@pytest.fixture
def openid(_openid_providers: tuple[OpenIDProvider, OpenIDProvider]) -> OpenIDProvider:
    """An OpenID provider that speaks the truth and knows nobody."""
    provider = _openid_providers[0]
    provider.accounts = {}
    provider.say()
    return provider


@pytest.fixture
def other_openid(_openid_providers: tuple[OpenIDProvider, OpenIDProvider]) -> OpenIDProvider:
    """Another one."""
    provider = _openid_providers[1]
    provider.accounts = {}
    provider.say()
    return provider


@pytest.fixture
def saml(_saml_provider: SamlProvider) -> SamlProvider:
    """A SAML provider that speaks the truth and knows nobody."""
    _saml_provider.say()
    return _saml_provider
