"""The end of a session is its end."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import NewContext
from tests.browser.walkthrough import heading, sign_in
from tests.cast import Cast, make_cast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PRIVATE = ["/orgs/acme/", "/orgs/acme/members/", "/orgs/acme/nowhere/", "/profile/", "/email/", "/password/change/"]


@pytest.fixture(scope="module")
def cast(committed: None) -> Cast:
    return make_cast()


def sign_out(page: Page) -> None:
    page.locator("summary[aria-label='Your account']").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login/")


def test_after_signing_out_the_back_button_shows_nothing_private(cast: Cast, new_context: NewContext):
    page = new_context().new_page()
    sign_in(page, cast.owner.email)
    page.goto("/orgs/acme/members/")
    assert cast.viewer.email in page.content()
    sign_out(page)
    for _ in range(2):
        page.go_back()
        page.wait_for_load_state()
        assert cast.viewer.email not in page.content()
    page.goto("/orgs/acme/members/")
    heading(page, "Sign in")


def test_the_old_cookie_opens_nothing(cast: Cast, new_context: NewContext):
    context = new_context()
    page = context.new_page()
    sign_in(page, cast.owner.email)
    cookies = context.cookies()
    assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in cookies)
    sign_out(page)
    thief = new_context()
    thief.add_cookies([cookie for cookie in cookies if cookie["name"] == "session"])  # type: ignore[misc] # as Playwright gave them
    stolen = thief.new_page()
    stolen.goto("/orgs/acme/members/")
    heading(stolen, "Sign in")


@pytest.mark.parametrize("path", PRIVATE)
def test_no_cache_keeps_a_private_page(cast: Cast, new_context: NewContext, path: str):
    answer = new_context(cast.owner).request.get(path)
    assert "no-store" in answer.headers["cache-control"]
    assert "private" in answer.headers["cache-control"]


def test_the_style_sheet_may_be_kept(cast: Cast, new_context: NewContext):
    answer = new_context(cast.owner).request.get("/static/tenantry/app.js")
    assert "no-store" not in answer.headers.get("cache-control", "")
