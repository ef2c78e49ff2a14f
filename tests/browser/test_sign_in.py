"""Signing in with a browser: the address first, a mail, a command line."""

import json
import re
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Inbox, NewContext
from tests.browser.inspection import Inspector
from tests.browser.walkthrough import heading, sign_in
from tests.cast import PASSWORD, Cast, make_cast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

LINK = r"http://127\.0\.0\.1:\d+/login/link/[-\w]+/"
CODE = r"(?m)^[B-Z]{4}-[B-Z]{4}$"


@pytest.fixture(scope="module")
def cast(committed: None) -> Cast:
    return make_cast()


def address_step(page: Page, email: str, next_path: str = "") -> None:
    page.goto(f"/login/?next={next_path}" if next_path else "/login")
    page.get_by_label("Email").fill(email)
    page.keyboard.press("Enter")
    page.wait_for_url("**/login/ways/**")


def test_both_steps_are_sound_and_the_back_button_goes_to_the_first(cast: Cast, new_context: NewContext, address: str):
    page = new_context().new_page()
    inspector = Inspector(page, address)
    inspector.open("/login/?next=/profile/")
    expect(page.get_by_label("Email")).to_be_focused()
    assert inspector.faults() == []
    address_step(page, cast.owner.email, "/profile/")
    assert inspector.faults() == []
    expect(page.get_by_label("Email")).to_have_value(cast.owner.email)
    expect(page.get_by_label("Email")).not_to_be_editable()
    page.go_back()
    expect(page.get_by_label("Email")).to_be_editable()
    page.go_forward()
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_text("not correct").wait_for()
    assert inspector.faults() == []
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/profile/")
    page.goto("/login")
    heading(page, "Acme")


@pytest.mark.parametrize("scripts", [True, False])
def test_a_mail_signs_in_by_its_code_here_and_by_its_link_elsewhere(
    cast: Cast, worker: None, inbox: Inbox, new_context: NewContext, address: str, *, scripts: bool
):
    asking = new_context(java_script_enabled=scripts).new_page()
    address_step(asking, cast.developer.email, "/profile/")
    asking.get_by_role("button", name="Mail me a link and a code").click()
    heading(asking, "Look into your mailbox")
    if scripts:
        assert Inspector(asking, address).faults() == []
    asking.get_by_label("Code").fill(inbox.link(cast.developer.email, CODE).lower())
    asking.get_by_role("button", name="Sign in", exact=True).click()
    asking.wait_for_url("**/profile/")

    inbox.messages.clear()
    other = new_context(java_script_enabled=scripts).new_page()
    address_step(other, cast.admin.email)
    other.get_by_role("button", name="Mail me a link and a code").click()
    link = inbox.link(cast.admin.email, LINK)
    elsewhere = new_context(java_script_enabled=scripts).new_page()
    elsewhere.goto(link)
    heading(elsewhere, "Sign in to Tenantry")
    if scripts:
        assert Inspector(elsewhere, address).faults() == []
    elsewhere.get_by_role("button", name="Sign in", exact=True).click()
    heading(elsewhere, "Acme")
    other.goto(link)
    heading(other, "This link does not work")
    if scripts:
        assert Inspector(other, address).faults() == []


def call(address: str, path: str, body: dict[str, str]) -> dict[str, Any]:
    """What a command line is answered."""
    request = urllib.request.Request(
        f"{address}/api/v1/{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "User-Agent": "acme-cli/3.1"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize("scripts", [True, False])
def test_a_command_line_is_let_in(cast: Cast, new_context: NewContext, address: str, *, scripts: bool):
    device = call(address, "auth/device", {"client_name": "acme CLI on build-7"})
    page = new_context(java_script_enabled=scripts).new_page()
    sign_in(page, cast.owner.email)
    page.goto("/device/")
    if scripts:
        assert Inspector(page, address).faults() == []
    page.get_by_label("Code").fill(device["user_code"].replace("-", "").lower())
    page.get_by_role("button", name="Continue").click()
    heading(page, "Let this command line in?")
    if scripts:
        assert Inspector(page, address).faults() == []
    page.get_by_label("It may work in").select_option("Acme")
    page.get_by_role("button", name="Let it in").click()
    heading(page, "acme CLI on build-7 is let in")
    if scripts:
        assert Inspector(page, address).faults() == []
    tokens = call(address, "auth/device/token", {"device_code": device["device_code"]})
    assert re.fullmatch(r"rft_\w{32}", tokens["refresh_token"])
