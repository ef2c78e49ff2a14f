"""Without JavaScript: everything is forms and links."""

import pytest

from tests.browser.conftest import NewContext
from tests.browser.walkthrough import heading, make_project, make_secret_key, sign_in, verify
from tests.cast import Cast, make_cast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def cast(committed: None) -> Cast:
    return make_cast()


def test_sign_in_make_a_project_and_a_key_and_switch_the_theme(cast: Cast, new_context: NewContext, address: str):
    page = new_context(java_script_enabled=False).new_page()
    sign_in(page, cast.owner.email)
    heading(page, "Acme")
    page.get_by_role("link", name="Show the projects").click()
    heading(page, "Projects")
    page.get_by_role("link", name="New project").first.click()
    make_project(page, "Unscripted")
    secret = make_secret_key(page, "By hand")
    assert verify(address, credential=secret, key=secret)[1]["valid"] is True
    page.goto("/orgs/acme/members/")
    page.locator("summary[aria-label=Theme]").click()
    page.get_by_role("button", name="Dark").click()
    page.wait_for_url("**/orgs/acme/members/")
    heading(page, "Members")
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.locator("summary", has_text="Switch organization").click()
    page.get_by_role("link", name="New organization").click()
    heading(page, "New organization")


def test_ask_for_an_archive_and_see_it_by_loading_again(cast: Cast, new_context: NewContext):
    page = new_context(cast.owner, java_script_enabled=False).new_page()
    page.goto("/orgs/acme/settings/")
    page.get_by_role("link", name="Archives").click()
    page.get_by_role("button", name="Make an archive").click()
    page.get_by_text("Load this page again").wait_for()
    page.reload()
    page.get_by_text("Being made").wait_for()
