"""When an endpoint is disabled because of how it answers, and what is held against one that has moved."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from config.kernel.tenancy.scope import tenant_scope
from orgs.services.organizations import disable_organization, enable_organization
from tests.webhooks.conftest import end, taken
from webhooks import tasks
from webhooks.delivery import Delivering
from webhooks.ladder import RETRY_SECONDS
from webhooks.models import Delivery, Endpoint
from webhooks.services import endpoints

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
# libcurl tells of no longer patience than six hours.
LONGEST = 6 * 3600


def test_gone_disables_at_once_and_tells_the_managers(webhooks, receiver, clock, delivering, mailoutbox):
    """A developer and a viewer do not manage webhooks, and are not told."""
    receiver.script = [500, 410]
    endpoint, other = webhooks.endpoint(receiver.url("scripted")), webhooks.endpoint(receiver.url())
    (event,) = webhooks.happen()
    webhooks.deliver()
    webhooks.happen(1)
    webhooks.deliver()
    with delivering():
        tasks.tend()
    row = webhooks.again(endpoint)
    assert (row.state, row.disabled_cause, row.disabled_at) == (Endpoint.State.DISABLED, "gone", timezone.now())
    assert {(each.state, each.due_at) for each in webhooks.deliveries(endpoint)} == {(Delivery.State.FAILED, None)}
    (told,) = webhooks.recorded("webhook_endpoint.disabled", since=event.id)
    assert (told.actor_kind, told.target_id, told.data["cause"]) == ("system", endpoint.public_id, "gone")
    assert {address for message in mailoutbox for address in message.to} == {
        webhooks.cast.owner.email, webhooks.cast.admin.email,
    }  # fmt: skip
    before = len(receiver.got("scripted"))
    webhooks.happen(2)
    clock.shift(3 * DAY)
    webhooks.deliver()
    assert len(receiver.got("scripted")) == before
    assert webhooks.again(other).is_enabled


def fail_for(webhooks, clock, until: datetime) -> None:
    """An event each twelve hours, and every retry when it is due."""
    while timezone.now() < until:
        webhooks.happen()
        webhooks.deliver()
        clock.move_to(min(timezone.now() + timedelta(hours=12), until))
        webhooks.deliver()


def test_five_days_without_a_success_disable_and_tell_the_managers(webhooks, receiver, clock, delivering, mailoutbox):
    endpoint = webhooks.endpoint(receiver.url("status/500"))
    began = timezone.now()
    with delivering():
        fail_for(webhooks, clock, began + 5 * DAY - timedelta(minutes=1))
        tasks.tend()
    assert webhooks.again(endpoint).is_enabled
    assert began - SECOND < webhooks.again(endpoint).failing_since <= began
    assert mailoutbox == []
    clock.move_to(began + 5 * DAY)
    webhooks.happen()
    webhooks.deliver()
    with delivering():
        tasks.tend()
    row = webhooks.again(endpoint)
    assert (row.state, row.disabled_cause, row.disabled_at) == (Endpoint.State.DISABLED, "failing", timezone.now())
    assert {(each.state, each.due_at) for each in webhooks.deliveries(endpoint)} == {(Delivery.State.FAILED, None)}
    (told,) = webhooks.recorded("webhook_endpoint.disabled")
    assert told.data["cause"] == "failing"
    assert told.data["pending"] > 0
    assert {address for message in mailoutbox for address in message.to} == {
        webhooks.cast.owner.email, webhooks.cast.admin.email,
    }  # fmt: skip
    tried = len(receiver.requests)
    webhooks.happen()
    clock.shift(DAY)
    webhooks.deliver()
    assert len(receiver.requests) == tried


def test_one_success_in_five_days_keeps_it_enabled(webhooks, receiver, clock):
    receiver.script = [500] * 3
    endpoint = webhooks.endpoint(receiver.url("scripted"))
    webhooks.happen()
    webhooks.deliver()
    began = webhooks.again(endpoint).failing_since
    clock.move_to(began + 4 * DAY)
    receiver.script = [200, 200]
    webhooks.happen()
    webhooks.deliver()
    assert webhooks.again(endpoint).failing_since is None
    clock.move_to(began + 6 * DAY)
    receiver.script = [500]
    webhooks.happen()
    webhooks.deliver()
    row = webhooks.again(endpoint)
    assert row.is_enabled
    assert timezone.now() - SECOND < row.failing_since <= timezone.now()


def test_two_failures_with_nothing_between_them_are_not_five_days_of_failing(webhooks, receiver, clock):
    """A quiet endpoint: one event that never arrived, and weeks later another one whose first attempt fails."""
    endpoint = webhooks.endpoint(receiver.url("status/500"))
    webhooks.happen()
    while webhooks.deliver():
        clock.move_to(webhooks.delivery(endpoint).due_at or timezone.now())
    began = webhooks.again(endpoint).failing_since
    clock.move_to(began + 30 * DAY)
    webhooks.happen()
    webhooks.deliver()
    row = webhooks.again(endpoint)
    assert (row.is_enabled, row.failing_since) == (True, began)
    (pending,) = [each for each in webhooks.deliveries(endpoint) if each.due_at]
    clock.move_to(pending.due_at)
    again = timezone.now()
    fail_for(webhooks, clock, again + 5 * DAY - timedelta(hours=2))
    assert webhooks.again(endpoint).is_enabled
    fail_for(webhooks, clock, again + 5 * DAY + timedelta(hours=13))
    assert webhooks.again(endpoint).disabled_cause == "failing"


def test_one_event_on_its_ladder_and_then_another_fail_for_five_days_together(webhooks, receiver, clock):
    endpoint = webhooks.endpoint(receiver.url("status/500"))
    began = timezone.now()
    webhooks.happen()
    for _ in RETRY_SECONDS:
        webhooks.deliver()
        clock.move_to(webhooks.delivery(endpoint).due_at)
    webhooks.deliver()
    webhooks.happen()
    while timezone.now() < began + 5 * DAY:
        assert webhooks.again(endpoint).is_enabled
        webhooks.deliver()
        clock.move_to(min(each.due_at for each in webhooks.deliveries(endpoint) if each.due_at))
    webhooks.deliver()
    assert webhooks.again(endpoint).disabled_cause == "failing"


def test_a_disabled_organization_waits_and_goes_on(webhooks, receiver, clock, cast):
    endpoint = webhooks.endpoint(receiver.url())
    (event,) = webhooks.happen()
    with tenant_scope(cast.acme.id):
        disable_organization(actor=cast.staff_principal(), reason="unpaid")
    assert webhooks.deliver() == 0
    clock.shift(6 * DAY)
    assert webhooks.deliver() == 0
    with tenant_scope(cast.acme.id):
        enable_organization(actor=cast.staff_principal())
    assert webhooks.deliver() == 1
    assert receiver.ids() == [event.public_id]
    assert webhooks.again(endpoint).is_enabled


@pytest.mark.parametrize(("status", "state"), [(200, Delivery.State.DELIVERED), (500, Delivery.State.FAILED)])
def test_an_endpoint_that_is_disabled_during_an_attempt_gets_no_other(
    webhooks, receiver, clock, by_owner, *, status, state
):
    endpoint = webhooks.endpoint(receiver.url(f"status/{status}"))
    webhooks.happen()
    run = taken()
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.disable_endpoint(**by_owner, endpoint_id=endpoint.id)
    end(run)
    row = webhooks.delivery(endpoint)
    assert (row.state, row.due_at, row.claimed_until, row.last_status) == (state, None, None, status)
    clock.shift(DAY)
    assert webhooks.deliver() == 0
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("answer", [410, (503, {"retry-after": "600"}), 500, 200])
def test_what_the_old_address_answers_is_not_held_against_one_that_moved(webhooks, receiver, start, by_owner, answer):
    """Nor is it a success of the new one."""
    receiver.script, moved = [answer], start()
    endpoint = webhooks.endpoint(receiver.url("scripted"))
    webhooks.happen(2)
    run = Delivering(10)
    run.desk.turn()
    run.desk.unsent.append(run.desk.ready.pop())
    run.begin()
    failing = timezone.now() - timedelta(hours=1) if answer == 200 else None
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.update_endpoint(**by_owner, endpoint_id=endpoint.id, url=moved.url())
    webhooks.set(endpoint, failing_since=failing)
    end(run)
    row = webhooks.again(endpoint)
    assert (row.is_enabled, row.failing_since, row.held_until) == (True, failing, None)
    assert webhooks.deliver() == 1
    states = [each.state for each in webhooks.deliveries(endpoint)]
    assert sorted(states) == ["delivered", "delivered" if answer == 200 else "pending"]
    with tenant_scope(webhooks.cast.acme.id):
        assert Delivery.objects.pending().count() == (answer != 200)


def test_a_moved_endpoint_inherits_neither_hold_nor_failures(webhooks, receiver, start, by_owner):
    """It keeps both while its address stays."""
    endpoint, moved = webhooks.endpoint(receiver.url("status/503", retry_after="600")), start()
    (event,) = webhooks.happen()
    webhooks.deliver()
    held = webhooks.again(endpoint)
    assert held.held_until > timezone.now()
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.update_endpoint(**by_owner, endpoint_id=endpoint.id, description="Held", url=endpoint.url)
    kept = webhooks.again(endpoint)
    assert (kept.description, kept.held_until, kept.failing_since) == ("Held", held.held_until, held.failing_since)
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.update_endpoint(**by_owner, endpoint_id=endpoint.id, url=moved.url())
    row = webhooks.again(endpoint)
    assert (row.held_until, row.failing_since) == (None, None)
    (other,) = webhooks.happen()
    assert webhooks.deliver() == 1
    assert moved.ids() == [other.public_id]
    with tenant_scope(webhooks.cast.acme.id):
        assert Delivery.objects.pending().get().event_id == event.id
