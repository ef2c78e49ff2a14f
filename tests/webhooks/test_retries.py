"""When deliveries are tried again, and when no more: with a moved clock and a receiver that answers what it is told."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Event

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from config.kernel.tenancy.scope import tenant_scope
from tests.at_once import at_once
from tests.webhooks.conftest import Webhooks, end, taken
from webhooks import claiming
from webhooks.delivery import Delivering
from webhooks.ladder import RETRY_SECONDS, next_attempt
from webhooks.models import Delivery
from webhooks.services import deliveries, endpoints, secrets

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
# libcurl tells of no longer patience than six hours.
LONGEST = 6 * 3600


def waits(delivery: Delivery) -> float:
    """In how many seconds it is due."""
    return (delivery.due_at - timezone.now()).total_seconds()


def assert_on_rung(delivery: Delivery, number: int) -> None:
    wanted = RETRY_SECONDS[number - 1]
    assert 0.9 * wanted - 1 <= waits(delivery) <= 1.1 * wanted + 1


def test_the_ladder_takes_three_days_and_its_waits_scatter():
    now = timezone.now()
    assert [*RETRY_SECONDS] == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    for tries, wanted in enumerate(RETRY_SECONDS, start=1):
        found = [(next_attempt(tries, now) - now).total_seconds() for _ in range(200)]
        assert min(found) >= 0.9 * wanted
        assert max(found) <= 1.1 * wanted
        assert min(found) < 0.96 * wanted < 1.04 * wanted < max(found)
        assert len({round(each, 3) for each in found}) > 50
    assert next_attempt(len(RETRY_SECONDS) + 1, now) is None


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        (None, 0), (0, 0), (-5.0, 0), (600.0, 600), (21600.0, 21600), (21601.0, 21600), (1e18, 21600),
        (float("inf"), 21600),
    ],
)  # fmt: skip
def test_what_a_receiver_asks_for_is_waited_for_up_to_six_hours(asked, waited):
    now = timezone.now()
    found = (next_attempt(1, now, asked) - now).total_seconds()
    assert found == waited if waited else 4.5 <= found <= 5.5
    assert (next_attempt(9, now, asked) - now).total_seconds() >= max(0.9 * 86400, waited)


def test_a_delivery_climbs_the_whole_ladder_and_is_then_given_up(webhooks, receiver, clock):
    endpoint = webhooks.endpoint(receiver.url("status/500"))
    (event,) = webhooks.happen()
    began = timezone.now()
    for number in range(1, len(RETRY_SECONDS) + 1):
        assert webhooks.deliver() == 1
        row = webhooks.delivery(endpoint)
        assert (row.state, row.tries, row.attempts, row.last_status) == (Delivery.State.PENDING, number, number, 500)
        assert_on_rung(row, number)
        assert began - SECOND < webhooks.again(endpoint).failing_since <= began
        clock.move_to(row.due_at - SECOND)
        assert webhooks.deliver() == 0
        clock.move_to(row.due_at)
    assert webhooks.deliver() == 1
    row = webhooks.delivery(endpoint)
    assert (row.state, row.due_at, row.tries, row.finished_at) == (Delivery.State.FAILED, None, 10, timezone.now())
    clock.shift(10 * DAY)
    assert webhooks.deliver() == 0
    attempts = webhooks.attempts(endpoint)
    assert [attempt.number for attempt in attempts] == list(range(1, 11))
    assert [attempt.created_at for attempt in attempts] == sorted(attempt.created_at for attempt in attempts)
    assert receiver.ids() == [event.public_id] * 10
    assert len({received.body for received in receiver.requests}) == 1
    stamps = [int(received.headers["webhook-timestamp"]) for received in receiver.requests]
    assert stamps == [int(attempt.created_at.timestamp()) for attempt in attempts]
    assert len({received.headers["webhook-signature"] for received in receiver.requests}) == 10


def test_one_that_recovers_is_delivered_once_and_fails_no_more(webhooks, receiver, clock):
    receiver.script = [500, 503]
    endpoint = webhooks.endpoint(receiver.url("scripted"))
    webhooks.happen()
    for tries in (1, 2, 3):
        assert webhooks.deliver() == 1
        row = webhooks.delivery(endpoint)
        assert row.tries == tries
        if row.due_at:
            assert webhooks.again(endpoint).failing_since is not None
            clock.move_to(row.due_at)
    assert (row.state, row.due_at, row.last_outcome) == (Delivery.State.DELIVERED, None, "delivered")
    assert webhooks.again(endpoint).failing_since is None
    clock.shift(DAY)
    assert webhooks.deliver() == 0
    assert [attempt.status for attempt in webhooks.attempts(endpoint)] == [500, 503, 200]


@pytest.mark.parametrize(
    ("status", "value", "waited"),
    [
        (503, "600", 600), (429, "600", 600), (500, "600", 600), (404, "600", 600), (302, "600", 600),
        (503, "0", None), (503, "-600", None), (503, "soon", None), (503, "", None),
        (503, "Wed, 21 Oct 2015 07:28:00 GMT", None), (503, "x" * 300, None),
        (503, "86400", LONGEST), (503, "999999999", LONGEST), (503, "Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
        (429, "9" * 18, LONGEST), (429, "9" * 19, LONGEST), (429, "9" * 200, LONGEST), (429, "0" * 30, None),
    ],
)  # fmt: skip
def test_retry_after_is_obeyed_as_far_as_it_makes_sense(webhooks, receiver, *, status, value, waited):
    endpoint = webhooks.endpoint(receiver.url(f"status/{status}", retry_after=value))
    webhooks.happen()
    webhooks.deliver()
    row = webhooks.delivery(endpoint)
    assert row.last_status == status
    if waited is None:
        assert 3 < waits(row) <= 6
    else:
        assert waited - 3 < waits(row) <= waited
    held = webhooks.again(endpoint).held_until
    assert (held is not None) == (waited is not None and status in (429, 503))


def test_retry_after_may_be_a_date(webhooks, receiver):
    wanted = timezone.now() + timedelta(minutes=20)
    endpoint = webhooks.endpoint(receiver.url("status/503", retry_after=format_datetime(wanted, usegmt=True)))
    webhooks.happen()
    webhooks.deliver()
    assert abs(webhooks.delivery(endpoint).due_at - wanted) < 3 * SECOND
    assert abs(webhooks.again(endpoint).held_until - wanted) < 3 * SECOND


def test_a_busy_endpoint_is_left_in_peace_and_no_other_with_it(webhooks, receiver, clock):
    receiver.script = [(503, {"retry-after": "600"})]
    busy, other = webhooks.endpoint(receiver.url("scripted")), webhooks.endpoint(receiver.url())
    webhooks.happen()
    assert webhooks.deliver() == 2
    held = webhooks.again(busy).held_until
    assert held == timezone.now() + timedelta(seconds=600)
    webhooks.happen(3)
    assert webhooks.deliver() == 3
    assert [len(receiver.got("scripted")), len(receiver.got("fine"))] == [1, 4]
    clock.move_to(held - SECOND)
    assert webhooks.deliver() == 0
    clock.move_to(held)
    assert webhooks.deliver() == 4
    assert {row.state for row in webhooks.deliveries(busy)} == {Delivery.State.DELIVERED}
    assert webhooks.again(other).held_until is None


def test_a_replay_climbs_the_ladder_anew(webhooks, receiver, clock, by_owner):
    endpoint = webhooks.endpoint(receiver.url("scripted"))
    receiver.script = [500, 500, 200]
    webhooks.happen()
    webhooks.deliver()
    webhooks.deliver()
    with tenant_scope(webhooks.cast.acme.id):
        deliveries.replay_delivery(**by_owner, delivery_id=webhooks.delivery(endpoint).id)
    assert webhooks.deliver() == 1
    row = webhooks.delivery(endpoint)
    assert (row.state, row.tries, row.attempts) == (Delivery.State.PENDING, 1, 2)
    assert_on_rung(row, 1)
    clock.move_to(row.due_at)
    webhooks.deliver()
    # One that arrived is sent again when somebody wants it, under the same id.
    with tenant_scope(webhooks.cast.acme.id):
        deliveries.replay_delivery(**by_owner, delivery_id=row.id)
    assert webhooks.deliver() == 1
    assert [attempt.number for attempt in webhooks.attempts(endpoint)] == [1, 2, 3, 4]
    assert len(set(receiver.ids())) == 1
    assert webhooks.delivery(endpoint).state == Delivery.State.DELIVERED


def test_all_that_was_missed_while_it_was_disabled_is_replayed(webhooks, receiver, clock, delivering, by_owner):
    endpoint = webhooks.endpoint(receiver.url("scripted"))
    began = timezone.now()
    receiver.script = [500]
    (failed,) = webhooks.happen()
    webhooks.deliver()
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.disable_endpoint(**by_owner, endpoint_id=endpoint.id)
    missed = webhooks.happen(3)
    clock.shift(DAY)
    assert webhooks.deliver() == 0
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.enable_endpoint(**by_owner, endpoint_id=endpoint.id)
        with delivering():
            deliveries.replay_since(**by_owner, endpoint_id=endpoint.id, since=began)
    webhooks.deliver()
    assert set(receiver.ids()) == {failed.public_id, *(event.public_id for event in missed)}
    assert {row.state for row in webhooks.deliveries(endpoint)} == {Delivery.State.DELIVERED}
    assert len(receiver.requests) == 5


def test_events_arrive_in_their_order_as_long_as_they_do(webhooks, receiver, clock):
    endpoint = webhooks.endpoint(receiver.url())
    events = []
    for _ in range(5):
        events += webhooks.happen()
        clock.shift(SECOND)
        webhooks.deliver()
    assert receiver.ids() == [event.public_id for event in events]
    assert [row.event_public_id for row in webhooks.deliveries(endpoint)] == receiver.ids()


def test_the_longest_due_is_tried_first(webhooks, receiver, clock):
    """After a pause of the workers, with room for one at a time."""
    endpoint = webhooks.endpoint(receiver.url())
    events = webhooks.happen(4)
    run = Delivering(1)
    run.desk.take(has_written=False)
    with tenant_scope(webhooks.cast.acme.id):
        for number, event in enumerate(reversed(events)):
            Delivery.objects.filter(event_id=event.id).update(
                due_at=timezone.now() + number * SECOND, claimed_until=None
            )
    clock.shift(10 * SECOND)
    for _ in events:
        claim = claiming.Claims().take(1, room=1)
        assert len(claim) == 1
        with tenant_scope(webhooks.cast.acme.id):
            Delivery.objects.filter(id=claim[0].id).update(due_at=timezone.now() + DAY)
        receiver.requests.append(claim[0])
    assert [claim.message.id for claim in receiver.requests] == [event.public_id for event in reversed(events)]
    run.sender.close()
    assert len(webhooks.deliveries(endpoint)) == 4


def test_an_endpoint_that_is_deleted_during_an_attempt_leaves_nothing(webhooks, receiver, clock, by_owner):
    endpoint, other = webhooks.endpoint(receiver.url("slow/0.2")), webhooks.endpoint(receiver.url("fine"))
    webhooks.happen()
    run = Delivering(10)
    run.desk.turn()
    run.send(0)
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.delete_endpoint(**by_owner, endpoint_id=endpoint.id)
    end(run)
    assert (webhooks.deliveries(endpoint), webhooks.attempts(endpoint)) == ([], [])
    assert webhooks.delivery(other).state == Delivery.State.DELIVERED
    clock.shift(DAY)
    assert webhooks.deliver() == 0


def test_a_replay_during_an_attempt_that_fails_is_not_lost(webhooks, receiver, clock, by_owner):
    """Somebody wants it now, not when the old ladder says."""
    endpoint = webhooks.endpoint(receiver.url("scripted"))
    receiver.script = [500] * 6
    webhooks.happen()
    for _ in range(5):
        webhooks.deliver()
        clock.move_to(webhooks.delivery(endpoint).due_at)
    run = taken()
    with tenant_scope(webhooks.cast.acme.id):
        deliveries.replay_delivery(**by_owner, delivery_id=webhooks.delivery(endpoint).id)
    end(run)
    row = webhooks.delivery(endpoint)
    assert row.state == Delivery.State.PENDING
    assert waits(row) <= 6
    assert row.tries <= 1
    clock.shift(6 * SECOND)
    assert webhooks.deliver() == 1
    assert webhooks.delivery(endpoint).state == Delivery.State.DELIVERED


def test_a_killed_workers_deliveries_are_due_again_when_its_lease_is_over(webhooks, receiver, clock):
    endpoint = webhooks.endpoint(receiver.url())
    (event,) = webhooks.happen()
    killed = Delivering(10)
    killed.desk.turn()
    killed.sender.close()
    assert webhooks.deliver() == 0
    clock.shift(claiming.LEASE - SECOND)
    assert webhooks.deliver() == 0
    clock.shift(SECOND)
    assert webhooks.deliver() == 1
    assert receiver.ids() == [event.public_id]
    assert webhooks.attempt(endpoint).number == 1


def test_each_attempt_is_signed_by_what_signs_then(webhooks, receiver, clock, by_owner):
    """A worker remembers secrets, and notices a rotation all the same."""
    receiver.script = [500] * 3
    endpoint = webhooks.endpoint(receiver.url("scripted"))
    webhooks.happen()
    run = Delivering(10)
    old = endpoint.plaintext
    for number in range(4):
        if number == 1:
            with tenant_scope(webhooks.cast.acme.id):
                _, new = secrets.rotate_secret(**by_owner, endpoint_id=endpoint.id, overlap=timedelta(minutes=30))
        while not run.desk.turn() and len(receiver.requests) <= number:
            run.send(0.05)
        while len(webhooks.attempts(endpoint)) <= number:
            run.send(0.05)
            run.desk.turn()
        if due := webhooks.delivery(endpoint).due_at:
            clock.move_to(due)
    run.sender.close()
    signed_by = [
        {name for name, secret in (("old", old), ("new", new)) if is_signed_by(secret, received)}
        for received in receiver.requests
    ]
    # After 5 s, 5 min and 30 min: the overlap has ended before the last.
    assert signed_by == [{"old"}, {"old", "new"}, {"old", "new"}, {"new"}]


def is_signed_by(secret: str, received) -> bool:
    at = datetime.fromtimestamp(int(received.headers["webhook-timestamp"]), UTC)
    wanted = Webhook(secret).sign(received.id, at, received.body.decode())
    return wanted in received.headers["webhook-signature"].split()


def test_what_is_pending_goes_where_the_endpoint_points_then(webhooks, receiver, start, clock, by_owner):
    endpoint, moved = webhooks.endpoint(receiver.url("status/500")), start()
    (event,) = webhooks.happen()
    webhooks.deliver()
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.update_endpoint(**by_owner, endpoint_id=endpoint.id, url=moved.url(), headers={"X-Team": "blue"})
    clock.shift(6 * SECOND)
    webhooks.deliver()
    assert (len(receiver.requests), moved.ids()) == (1, [event.public_id])
    assert moved.requests[0].headers["x-team"] == "blue"
    assert moved.requests[0].body == receiver.requests[0].body
    assert json.loads(moved.requests[0].body)["data"]["id"] == event.public_id


def test_two_workers_at_once_deliver_each_event_once(committed_cast, receiver):
    webhooks = Webhooks(committed_cast)
    several = [webhooks.endpoint(receiver.url(f"fine/{number}")) for number in range(3)]
    events = webhooks.happen(30)
    assert sum(at_once([webhooks.deliver] * 2)) == 90
    for number, endpoint in enumerate(several):
        assert sorted(receiver.ids(f"fine/{number}")) == sorted(event.public_id for event in events)
        assert [row.attempts for row in webhooks.deliveries(endpoint)] == [1] * 30


def test_what_is_taken_when_a_run_ends_is_let_go(committed_cast, receiver, monkeypatch):
    """Its desk was taking it while the connections had run empty already."""
    webhooks = Webhooks(committed_cast)
    endpoint = webhooks.endpoint(receiver.url())
    webhooks.happen(3)
    run = Delivering(10)
    has_ended, take = Event(), run.desk.take
    monkeypatch.setattr(run.desk, "take", lambda **given: has_ended.wait(5) and take(**given))
    run_empty = run._run_empty

    def end_of_run(*given):
        run_empty(*given)
        run._has_ended = True
        has_ended.set()

    monkeypatch.setattr(run, "_run_empty", end_of_run)
    assert run.run(seconds=0, stopped=lambda: False) == 0
    assert {(row.state, row.claimed_until) for row in webhooks.deliveries(endpoint)} == {("pending", None)}
    assert len(webhooks.deliveries(endpoint)) == 3
    assert webhooks.deliver() == 3
