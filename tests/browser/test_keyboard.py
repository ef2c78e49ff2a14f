"""Without a mouse."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import NewContext
from tests.cast import PASSWORD, Cast, make_cast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

FOCUSED = """() => { const it = document.activeElement;
    if (it === document.body) return 'BODY';
    const named = it.getAttribute('aria-label') || [...(it.labels || [])].map(label => label.innerText).join(' ');
    return (named || it.innerText || it.name || it.tagName).trim().replace(/\\s+/g, ' '); }"""
OUTLINED = """() => { const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none'; }"""
MOST_STEPS = 60


@pytest.fixture(scope="module")
def cast(committed: None) -> Cast:
    return make_cast()


def tab_to(page: Page, name: str, *, key: str = "Tab") -> None:
    """Goes on by the keyboard until something of that name has the focus, which must be visible at each step."""
    passed = []
    for _ in range(MOST_STEPS):
        page.keyboard.press(key)
        passed.append(page.evaluate(FOCUSED))
        if passed[-1] != "BODY":
            assert page.evaluate(OUTLINED), f"the focus is not visible on {passed[-1]}"
        if name in passed[-1]:
            return
    raise AssertionError(f"{name} is not reached: {passed}")


def test_sign_in_switch_organization_and_send_a_form(cast: Cast, new_context: NewContext):
    page = new_context().new_page()
    page.goto("/login/")
    tab_to(page, "Email")
    page.keyboard.type(cast.owner.email)
    page.keyboard.press("Enter")
    page.wait_for_url("**/login/ways/")
    tab_to(page, "Password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/orgs/acme/")

    tab_to(page, "Skip to the content")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"

    tab_to(page, "Acme Switch organization", key="Shift+Tab")
    page.keyboard.press("Enter")
    tab_to(page, "New organization", key="ArrowDown")
    page.keyboard.press("Escape")
    assert "Acme Switch organization" in page.evaluate(FOCUSED)
    assert page.locator("details[open]").count() == 0
    page.keyboard.press("Enter")
    tab_to(page, "New organization", key="ArrowDown")
    page.keyboard.press("Enter")

    page.wait_for_url("**/orgs/new/")
    tab_to(page, "Name")
    page.keyboard.type("By Keyboard")
    page.keyboard.press("Enter")
    page.wait_for_url("**/orgs/by-keyboard/")


def test_the_menu_of_a_phone_opens_and_closes_by_the_keyboard(cast: Cast, new_context: NewContext):
    page = new_context(cast.owner, viewport={"width": 390, "height": 800}).new_page()
    page.goto("/orgs/acme/")
    tab_to(page, "Open the menu")
    page.keyboard.press("Enter")
    page.locator("#sidebar").get_by_role("link", name="Members").wait_for()
    tab_to(page, "Members")
    page.keyboard.press("Escape")
    assert not page.locator("#sidebar").is_visible()
