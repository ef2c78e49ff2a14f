"""Following the audit log: new records come up by themselves, unless it is paused or nobody sees the page."""

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from audit.services import Target, record
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from projects.events import PROJECT_RESTORED
from tests.browser.conftest import NewContext
from tests.browser.inspection import Inspector
from tests.cast import Cast, make_cast

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def cast(committed: None) -> Cast:
    return make_cast()


def write(cast: Cast, label: str) -> None:
    with tenant_scope(cast.acme.id), transaction.atomic():
        record(PROJECT_RESTORED, actor=SYSTEM, target=Target("project", "prj_1", label))


def hide(page: Page, *, hidden: bool) -> None:
    """As if another tab lay in front."""
    page.evaluate(
        "hidden => Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true})", hidden
    )


def test_new_records_come_up_while_they_are_followed(
    cast: Cast, served: dict[str, str], new_context: NewContext, address: str
):
    page = new_context(cast.viewer).new_page()
    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if "shown=" in request.url else None)
    inspector = Inspector(page, address)
    inspector.open("/orgs/acme/audit/?event=project.*")
    assert polls == []
    page.get_by_role("link", name="Follow new records").click()
    page.get_by_text("Following", exact=True).wait_for()
    page.evaluate("window.loadedOnce = true")
    write(cast, "Falcon")
    page.get_by_role("link", name="Falcon").wait_for()
    expect(page.locator("#announcements")).to_contain_text("New records.")
    hide(page, hidden=True)
    page.wait_for_function("() => !document.querySelector('.htmx-request')")
    before = len(polls)
    write(cast, "Heron")
    page.wait_for_timeout(4500)  # two polls would have been due
    assert len(polls) == before
    hide(page, hidden=False)
    page.get_by_role("link", name="Heron").wait_for()
    assert page.evaluate("window.loadedOnce") is True
    assert inspector.faults(thoroughly=False) == []
    page.get_by_role("link", name="Pause").click()
    page.get_by_role("link", name="Follow new records").wait_for()
    assert "event=project.*" in page.url.replace("%2A", "*")
    assert "follow" not in page.url
