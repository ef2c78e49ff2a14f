"""From a stranger to a key that another program verifies, and a colleague beside them."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Inbox, NewContext
from tests.browser.inspection import Inspector
from tests.browser.walkthrough import heading, make_project, make_secret_key, sign_up, verify

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CONFIRMATION = r"http://127\.0\.0\.1:\d+/confirm-email/[-:\w]+/"
INVITATION = r"http://127\.0\.0\.1:\d+/invitations/[-\w]{43}/"


def confirm_address(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_role("button", name="Yes, confirm it").click()


def test_a_stranger_gets_to_a_verified_key_and_a_colleague(
    committed: None, worker: None, inbox: Inbox, new_context: NewContext, address: str
):
    context = new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    inspector = Inspector(page, address)

    # Signing up, with a mail to confirm the address.
    page.goto("/")
    page.get_by_role("link", name="Create an account").click()
    sign_up(page, name="Susan Stranger", email="susan@newco.example")
    assert inspector.faults(thoroughly=False) == []
    confirm_address(page, inbox.link("susan@newco.example", CONFIRMATION))
    heading(page, "Welcome, Susan Stranger")
    assert inspector.faults(thoroughly=False) == []

    # The guide: organization, project, key.
    page.get_by_label("Name", exact=True).fill("New Company")
    page.get_by_role("button", name="Create organization").click()
    heading(page, "New Company")
    page.get_by_role("link", name="Create a project").first.click()
    make_project(page, "Web shop")
    secret = make_secret_key(page, "Backend")
    assert secret.startswith("sk_live_")
    assert inspector.faults(thoroughly=False) == []
    page.get_by_role("button", name="Copy secret key").click()
    assert page.evaluate("navigator.clipboard.readText()") == secret

    # Another program verifies it.
    status, answer = verify(address, credential=secret, key=secret)
    assert (status, answer["valid"], answer["code"], answer["mode"]) == (200, True, "valid", "live")

    # It was shown once.
    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("heading", name="Backend", level=2).wait_for()
    assert secret not in page.content()
    page.goto("/")
    heading(page, "New Company")
    assert "TENANTRY_KEY" in page.locator("#guide").inner_text()

    # A colleague is invited by mail, makes an account and joins.
    page.get_by_role("link", name="Invite people").click()
    page.get_by_label("E-mail address").fill("carl@newco.example")
    page.get_by_label("Role").select_option("developer")
    page.get_by_role("button", name="Send invitation").click()
    heading(page, "Invitations")
    assert "carl@newco.example" in page.locator("main").inner_text()
    invitation = inbox.link("carl@newco.example", INVITATION)
    colleague = new_context().new_page()
    colleague.goto(invitation)
    heading(colleague, "Join New Company")
    colleague.get_by_role("link", name="Create an account").click()
    sign_up(colleague, name="Carl Colleague", email="carl@newco.example")
    confirm_address(colleague, inbox.link("carl@newco.example", CONFIRMATION))
    heading(colleague, "Join New Company")
    colleague.get_by_role("button", name="Accept and join").click()
    heading(colleague, "New Company")
    colleague.goto(invitation)
    heading(colleague, "This invitation is not valid")

    page.get_by_role("link", name="Members").first.click()
    heading(page, "Members")
    row = page.get_by_role("row", name="Carl Colleague")
    assert "Developer" in row.inner_text()

    # A key is revoked, and refused from then on.
    page.get_by_role("link", name="Projects", exact=True).first.click()
    page.get_by_role("link", name="Web shop").first.click()
    partner = make_secret_key(page, "Partner")
    assert verify(address, credential=secret, key=partner)[1]["code"] == "valid"
    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("link", name="Revoke…").click()
    page.get_by_role("button", name="Revoke key").click()
    page.get_by_text("Revoked").first.wait_for()
    status, answer = verify(address, credential=secret, key=partner)
    assert (status, answer["valid"], answer["code"]) == (200, False, "revoked")
    assert verify(address, credential=partner, key=secret)[0] == 401

    # The audit log tells all of it.
    page.get_by_role("link", name="Audit log").first.click()
    heading(page, "Audit log")
    told = page.locator("#records").inner_text()
    for event in (
        "organization.created", "project.created", "key.created", "invitation.created", "invitation.accepted",
        "key.revoked",
    ):  # fmt: skip
        assert event in told, event
    assert secret not in page.content()
    assert partner not in page.content()
