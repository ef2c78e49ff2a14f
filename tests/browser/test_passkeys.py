"""Passkeys and authenticators in a real browser, with an authenticator that Chromium makes up."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page

from orgs.models import Passkey, TOTPDevice
from tests.authenticators import code_of
from tests.browser.conftest import NewContext
from tests.browser.inspection import Inspector
from tests.browser.walkthrough import give_password, heading, sign_in
from tests.cast import Cast, make_cast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

OPTIONS = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def cast(committed: None) -> Cast:
    return make_cast()


@pytest.fixture
def named(address: str) -> str:
    """The product under a host name, since browsers make no passkeys for an IP address."""
    return address.replace("127.0.0.1", "localhost")


@pytest.fixture
def page(new_context: NewContext, named: str) -> Iterator[Page]:
    context = new_context(base_url=named)
    yield context.new_page()
    context.clear_cookies()


def authenticator(page: Page) -> tuple[CDPSession, str]:
    """A device of this page's person, which verifies them by itself."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    made: dict[str, Any] = session.send("WebAuthn.addVirtualAuthenticator", {"options": OPTIONS})
    return session, made["authenticatorId"]


def open_security(page: Page) -> None:
    page.goto("/profile/security/")
    heading(page, "Security")


def sign_out(page: Page) -> None:
    page.locator("summary[aria-label='Your account']").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login/**")


def add_passkey(page: Page, name: str) -> None:
    open_security(page)
    page.get_by_role("link", name="Add a passkey").click()
    heading(page, "Add a passkey")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Add the passkey").click()


def test_a_passkey_is_made_signs_in_and_is_a_second_factor(cast: Cast, page: Page, named: str):
    device, identity = authenticator(page)
    sign_in(page, cast.owner.email)
    open_security(page)
    page.get_by_role("link", name="Add a passkey").click()
    heading(page, "Add a passkey")
    page.get_by_role("button", name="Add the passkey").click()
    assert not device.send("WebAuthn.getCredentials", {"authenticatorId": identity})["credentials"], "made nameless"
    add_passkey(page, "Laptop")
    heading(page, "Keep your recovery codes")
    assert page.locator("#codes li").count() == 10
    assert Inspector(page, named).faults() == []
    page.get_by_role("link", name="I have stored them").click()
    heading(page, "Security")
    page.get_by_role("rowheader", name="Laptop").wait_for()
    kept = device.send("WebAuthn.getCredentials", {"authenticatorId": identity})["credentials"]
    assert [credential["isResidentCredential"] for credential in kept] == [True]
    sign_out(page)

    page.goto("/login/passkey/?next=/orgs/acme/members/")
    heading(page, "Sign in with a passkey")
    assert Inspector(page, named).faults() == []
    page.get_by_role("button", name="Use a passkey").click()
    heading(page, "Members")
    assert Passkey.objects.get().last_used_at is not None
    sign_out(page)

    page.goto("/login/passkey/")
    device.send("WebAuthn.setUserVerified", {"authenticatorId": identity, "isUserVerified": False})
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("Nothing was chosen, or it took too long.").first.wait_for()
    device.send("WebAuthn.setUserVerified", {"authenticatorId": identity, "isUserVerified": True})
    sign_in_to_stage(page, cast.owner.email)
    assert Inspector(page, named).faults() == []
    page.get_by_role("button", name="Use a passkey").click()
    heading(page, "Acme")


def sign_in_to_stage(page: Page, email: str) -> None:
    """By password, as far as the second factor."""
    give_password(page, email)
    heading(page, "Enter your second factor")


def test_an_authenticator_is_set_up_and_asked_for(cast: Cast, page: Page, named: str):
    sign_in(page, cast.admin.email)
    open_security(page)
    page.get_by_role("link", name="Set up").click()
    heading(page, "Set up an authenticator")
    assert Inspector(page, named).faults() == []
    device = TOTPDevice.objects.get(user=cast.admin)
    page.get_by_label("Code").fill(code_of(device))
    page.get_by_role("button", name="Confirm").click()
    heading(page, "Keep your recovery codes")
    code = page.locator("#codes code").first.inner_text()
    assert re.fullmatch(r"[0-9a-z]{4}(-[0-9a-z]{4}){3}", code)
    page.get_by_role("link", name="I have stored them").click()
    sign_out(page)
    sign_in_to_stage(page, cast.admin.email)
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Continue").click()
    page.locator("[aria-invalid=true]").wait_for()
    assert Inspector(page, named).faults() == []
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Continue").click()
    heading(page, "Acme")


def test_under_an_ip_address_the_page_says_where_passkeys_work(cast: Cast, new_context: NewContext):
    page = new_context(cast.viewer).new_page()
    authenticator(page)
    page.goto("/profile/security/passkeys/add/")
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add the passkey").click()
    page.get_by_text("Passkeys do not work under this address.").first.wait_for()
    assert not Passkey.objects.filter(user=cast.viewer).exists()


def test_without_scripts_passkeys_say_what_they_need(new_context: NewContext):
    page = new_context(java_script_enabled=False).new_page()
    page.goto("/login/passkey/")
    page.get_by_text("Passkeys need JavaScript").wait_for()
    assert page.get_by_role("button", name="Use a passkey").is_disabled()
