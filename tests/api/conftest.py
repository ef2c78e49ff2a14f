"""Fixtures of the REST tests."""

from collections.abc import Iterator

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.services.keys import create_key
from keys.services.tokens import create_token
from tests.cast import Cast


class Makers:
    """Makes credentials of every shape through the services."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast

    def secret_key(self, *permissions: str, **options: object) -> tuple[str, str]:
        """A secret key of Acme's project: its id and plaintext."""
        with tenant_scope(self.cast.acme.id):
            key, plaintext = create_key(
                actor=self.cast.principal(self.cast.owner),
                holder=ROLE_PERMISSIONS[Role.OWNER],
                project_id=self.cast.project.id,
                kind="secret",
                mode=options.pop("mode", "live"),
                name="Made for a test",
                permissions=list(permissions),
                **options,
            )
        return key.public_id, plaintext

    def token(self, user: object, **options: object) -> str:
        """A personal token, narrowed by `organization` or `permissions`."""
        _, plaintext = create_token(actor=self.cast.principal(user), user=user, name="Made for a test", **options)
        return plaintext


@pytest.fixture
def make(cast: Cast) -> Makers:
    """Makes credentials."""
    return Makers(cast)


@pytest.fixture(autouse=True)
def _tokens(request: pytest.FixtureRequest) -> None:
    """Everybody has their token before a test begins to look for changes."""
    if "cast" in request.fixturenames:
        cast = request.getfixturevalue("cast")
        for user in (cast.owner, cast.admin, cast.developer, cast.viewer, cast.outsider, cast.staff):
            cast.token(user)


@pytest.fixture
def one_transaction() -> Iterator[None]:
    """Requests to the WSGI application itself leave the test's connection open, as Django's test client does."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)
