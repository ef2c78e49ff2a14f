"""A test event on its way: its page shows by itself what became of it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.tenancy.scope import tenant_scope
from tests.browser.conftest import NewContext
from tests.browser.inspection import Inspector
from tests.cast import Cast, make_cast
from tests.receivers import receiving
from tests.webhooks.rows import endpoint_rows
from webhooks.delivery import deliver_due
from webhooks.models import Delivery, Endpoint

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def cast(committed: None) -> Cast:
    return make_cast()


def test_an_endpoint_is_made_and_its_test_shown_as_it_is_delivered(cast: Cast, new_context: NewContext, address: str):
    page = new_context(cast.owner).new_page()
    inspector = Inspector(page, address)
    inspector.open("/orgs/acme/webhooks/new/")
    with receiving() as receiver:
        page.locator("#id_url").fill(receiver.url())
        page.locator("details:has(input[value='export.*']) > summary").click()
        page.locator("input[value='export.*']").check()
        page.get_by_role("button", name="Create endpoint").click()
        assert page.locator("#secret").inner_text().startswith("whsec_")
        assert inspector.faults(thoroughly=False) == []
        page.get_by_role("button", name="Send a test event").click()
        page.get_by_text("Waiting for its turn", exact=True).wait_for()
        page.evaluate("window.loadedOnce = true")
        assert deliver_due() == 1
        page.get_by_text("Attempt 1", exact=True).wait_for()
    assert page.evaluate("window.loadedOnce") is True
    assert page.locator("#announcements").inner_text() == "It is delivered."
    page.get_by_text("What it answered").click()
    page.get_by_text("fine", exact=True).wait_for()
    assert inspector.faults(thoroughly=False) == []


def test_a_name_without_spaces_stays_inside_its_pages(cast: Cast, new_context: NewContext, address: str):
    long, page = "L" * 200, new_context(cast.owner).new_page()
    with tenant_scope(cast.acme.id):
        rows = endpoint_rows(url=f"https://hooks.acme.example/{'a' * 200}", description=long)
        record = AuditEvent.objects.filter(target_label=long).latest("id")
    home = f"/orgs/acme/webhooks/{rows.endpoint.public_id}/"
    inspector = Inspector(page, address)
    paths = (home, f"{home}settings/", f"{home}disable/", f"/orgs/acme/audit/{record.public_id}/")
    for path in paths:
        inspector.open(path)
        assert inspector.faults(thoroughly=False) == [], path
    inspector.open(f"/orgs/acme/audit/?target={rows.endpoint.public_id}")
    table = page.locator(".table-region")
    assert table.evaluate("region => region.scrollWidth <= region.clientWidth")


def test_what_somebody_reads_of_an_attempt_stays_open_and_in_focus_while_the_next_one_is_awaited(
    cast: Cast, new_context: NewContext, address: str
):
    page = new_context(cast.owner).new_page()
    with tenant_scope(cast.acme.id):
        rows = endpoint_rows(url="https://still.acme.example/")
        Endpoint.objects.filter(id=rows.endpoint.id).update(held_until=None)
        # Soon, so that the page asks every two seconds; there is no worker that would send it.
        Delivery.objects.filter(id=rows.delivered.id).update(
            state="pending", due_at=timezone.now() + timedelta(seconds=15), finished_at=None
        )
    endpoint, delivery = rows.endpoint.public_id, rows.delivered.public_id
    Inspector(page, address).open(f"/orgs/acme/webhooks/{endpoint}/deliveries/{delivery}/")
    summary = page.locator("#answer-2-summary")
    summary.focus()
    page.keyboard.press("Enter")
    with page.expect_response(lambda response: response.status == 204):
        pass
    state = "[document.querySelector('#answer-2').open, document.activeElement.id]"
    assert page.evaluate(state) == [True, "answer-2-summary"]
    with tenant_scope(cast.acme.id):
        Delivery.objects.filter(id=rows.delivered.id).update(claimed_until=timezone.now() + timedelta(minutes=1))
    page.get_by_text("Being sent now", exact=True).wait_for()
    assert page.evaluate(state) == [True, "answer-2-summary"]
