"""Single sign-on in a real browser, at providers on another site."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from config.kernel.tenancy.scope import tenant_scope
from sso.addresses import acs_url, sp_entity_id
from sso.models import Configuration, Connection
from tests.browser.conftest import NewContext
from tests.browser.inspection import Inspector
from tests.browser.walkthrough import heading
from tests.cast import Cast, make_cast
from tests.identity_providers.connecting import connect_openid, connect_saml, prove_domain
from tests.identity_providers.running import OpenIDProvider, SamlProvider, openid_providers, saml_provider

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

NORA = {"id": "nora@acme.example", "attributes": {"displayName": "Nora Newcomer", "groups": "staff"}}
MAX = {"id": "max@other.example", "attributes": {"displayName": "Max"}}


@pytest.fixture(scope="module")
def cast(committed: None) -> Cast:
    made = make_cast()
    prove_domain(made.acme, "acme.example")
    return made


@pytest.fixture(scope="module")
def _openid() -> Iterator[OpenIDProvider]:
    with openid_providers() as (provider, _):
        yield provider


@pytest.fixture
def openid(_openid: OpenIDProvider) -> OpenIDProvider:
    """It knows two people, one of them with an address of another company."""
    _openid.say(accounts={"sub-otto": {"email": "otto@acme.example"}, "sub-max": {"email": "max@other.example"}})
    return _openid


@pytest.fixture(scope="module")
def saml(tmp_path_factory: Any) -> Iterator[SamlProvider]:
    with saml_provider(tmp_path_factory.mktemp("saml")) as provider:
        yield provider


@pytest.fixture
def here(address: str, settings: Any) -> str:
    """The rows name the product's own address."""
    settings.TENANTRY_URL = address
    return address


def sign_in_there(page: Page, login: str) -> None:
    """At the OpenID provider: the form for signing in, then the one of consent."""
    page.locator("input[name=login]").fill(login)
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.get_by_role("button", name="Continue").click()


def test_openid_connect(cast: Cast, openid: OpenIDProvider, here: str, new_context: NewContext):
    connection = connect_openid(cast.acme, openid, name="OpenID in Chromium")
    page = new_context().new_page()
    page.goto(f"/sso/{connection.public_id}/start?next=/orgs/acme/")
    sign_in_there(page, "sub-otto")
    heading(page, "Acme")
    assert page.url == f"{here}/orgs/acme/"
    # Somebody whose address the organization does not speak for.
    again = new_context().new_page()
    again.goto(f"/sso/{connection.public_id}/start?next=/orgs/acme/")
    sign_in_there(again, "sub-max")
    heading(again, "You are not signed in")
    assert "outside the domains of your organization" in again.locator("main").inner_text()
    assert Inspector(again, here).faults() == []


def test_saml_whose_answer_is_posted_from_another_site(
    cast: Cast, saml: SamlProvider, here: str, new_context: NewContext
):
    connection = connect_saml(cast.acme, saml, name="SAML in Chromium", fields={"allow_idp_initiated": True})
    saml.say(acs=acs_url(connection), people={"nora": NORA})
    context = new_context()
    page = context.new_page()
    page.goto(f"/sso/{connection.public_id}/start?next=/orgs/acme/")
    page.get_by_label("Login").fill("nora")
    page.get_by_role("button", name="Sign in").click()
    heading(page, "Acme")
    assert page.url == f"{here}/orgs/acme/"

    # Begun at the provider: the person is asked first.
    saml.say(acs=acs_url(connection), people={"nora": NORA}, audience=sp_entity_id(connection))
    stranger = new_context().new_page()
    stranger.goto(saml.sso_url)
    stranger.get_by_label("Login").fill("nora")
    stranger.get_by_role("button", name="Sign in").click()
    heading(stranger, "Sign in as nora@acme.example?")
    assert Inspector(stranger, here).faults() == []
    stranger.get_by_role("button", name="Sign in as nora@acme.example").click()
    stranger.wait_for_url(f"{here}/**")
    stranger.goto("/orgs/acme/")
    heading(stranger, "Acme")


def test_an_admin_tests_a_connection(cast: Cast, openid: OpenIDProvider, here: str, new_context: NewContext):
    connection = connect_openid(cast.acme, openid, name="To be tested", fields={"is_enabled": False})
    with tenant_scope(cast.acme.id):
        Configuration.objects.filter(connection=connection).update(state="draft")
    page = new_context(cast.admin).new_page()
    page.goto(f"/orgs/acme/sign-in/connections/{connection.public_id}/test/")
    heading(page, "Test To be tested")
    page.get_by_role("button", name="Test now").click()
    sign_in_there(page, "sub-max")
    expect(page.get_by_text("The test failed")).to_be_visible()
    assert "other.example is no proven e-mail domain" in page.locator("main").inner_text()
    assert Inspector(page, here).faults() == []
    openid.say(accounts={"sub-max": {"email": "max@acme.example"}})
    page.get_by_role("button", name="Test now").click()
    page.wait_for_url("**/test/?outcome=*")
    expect(page.get_by_text("The test passed")).to_be_visible()
    assert Inspector(page, here).faults() == []
    with tenant_scope(cast.acme.id):
        assert Configuration.objects.get(connection=connection).state == "live"
        assert not Connection.objects.get(id=connection.id).is_enabled
