"""Writing what attempts came to: by several workers, late, of deliveries that are gone, and with how many queries."""

import time
from dataclasses import replace
from datetime import timedelta
from threading import Thread
from uuid import UUID

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import tenant_scope
from tests.webhooks.conftest import Webhooks, locked
from webhooks import claiming, recording
from webhooks.answers import Answer, Call
from webhooks.delivery import Delivering
from webhooks.desk import ASIDE_SECONDS
from webhooks.fan_out import fan_out
from webhooks.models import Attempt, Delivery, Endpoint
from webhooks.recording import Result, record_results
from webhooks.services import endpoints

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
# libcurl tells of no longer patience than six hours.
LONGEST = 6 * 3600


def answered(claim: claiming.Claim, status: int, retry_after: float = 0) -> Result:
    """An attempt that failed just now."""
    now = timezone.now()
    call = Call(claim.target.url, [], b"", None)
    answer = Answer(call, Attempt.Outcome.REFUSED, status, 10, "Refused.", "", retry_after)
    return Result(claim, answer, new_id(), now - SECOND, now)


def claims_of(webhooks, endpoint: Endpoint, count: int) -> list[claiming.Claim]:
    """So many deliveries of an endpoint, which one worker has."""
    webhooks.happen(count)
    fan_out()
    return claiming.Claims().take(count, room=count)


def test_two_workers_that_write_of_one_endpoint_at_once_lose_nothing(committed_cast, monkeypatch):
    """One has read how the endpoint fares when the other, who was asked for patience, writes."""
    webhooks = Webhooks(committed_cast)
    endpoint = webhooks.endpoint("http://127.0.0.1:9/")
    first, second = claims_of(webhooks, endpoint, 2)
    others, read = [], recording._farings

    def write_other():
        record_results([answered(second, 429, 600)])
        connection.close()

    def read_and_wait(*arguments):
        found = read(*arguments)
        monkeypatch.setattr(recording, "_farings", read)
        others.append(Thread(target=write_other))
        others[0].start()
        others[0].join(1)
        return found

    monkeypatch.setattr(recording, "_farings", read_and_wait)
    record_results([answered(first, 500)])
    others[0].join(10)
    row = webhooks.again(endpoint)
    assert row.held_until is not None
    assert row.failing_since is not None


def test_a_result_that_comes_late_leaves_the_delivery_to_who_has_it_now(webhooks, clock):
    endpoint = webhooks.endpoint("http://127.0.0.1:9/")
    (old,) = claims_of(webhooks, endpoint, 1)
    clock.shift(claiming.LEASE)
    (new,) = claiming.Claims().take(1, room=1)
    record_results([answered(old, 500)])
    assert webhooks.delivery(endpoint).claimed_until == new.until
    record_results([answered(new, 500)])
    assert webhooks.delivery(endpoint).claimed_until is None


def test_every_attempt_counts_and_has_its_own_number_however_late_it_is_written(webhooks, clock):
    """A worker that stood still writes after another one has taken its delivery twice, and arrived."""
    endpoint = webhooks.endpoint("http://127.0.0.1:9/")
    (old,) = claims_of(webhooks, endpoint, 1)
    late = answered(old, 500)
    clock.shift(claiming.LEASE)
    for outcome, status in (("refused", 503), ("delivered", 200)):
        (new,) = claiming.Claims().take(1, room=1)
        ended = answered(new, status)
        record_results([ended._replace(answer=ended.answer._replace(outcome=Attempt.Outcome(outcome)))])
        clock.shift(6 * SECOND)
    record_results([late])
    record_results([late])  # as if the answer to its commit had been lost
    row = webhooks.delivery(endpoint)
    assert (row.state, row.attempts, row.last_outcome, row.last_status) == ("delivered", 3, "delivered", 200)
    assert sorted(attempt.number for attempt in webhooks.attempts(endpoint)) == [1, 2, 3]


def test_results_of_many_endpoints_are_written_with_as_many_queries_as_of_one(webhooks):
    for _ in range(4):
        webhooks.endpoint("http://127.0.0.1:9/")
    webhooks.happen(2)
    fan_out()
    claims = claiming.Claims().take(8, room=2)
    assert len({claim.target.id for claim in claims}) == 4
    with CaptureQueriesContext(connection) as of_one:
        record_results([answered(claims[0], 500)])
    with CaptureQueriesContext(connection) as of_many:
        record_results([answered(claim, 503, 600) for claim in claims[1:]])
    assert len(of_many) == len(of_one)


def test_attempts_go_with_their_delivery_whoever_deletes_it(webhooks):
    endpoint = webhooks.endpoint("http://127.0.0.1:9/")
    claims = claims_of(webhooks, endpoint, 3)
    record_results([answered(claim, 500) for claim in claims])
    with tenant_scope(webhooks.cast.acme.id):
        assert Attempt.objects.count() == 3
        Delivery.objects.filter(id=claims[0].id).delete_all()
        assert {str(row.delivery_id) for row in Attempt.objects.all()} == {claim.id for claim in claims[1:]}
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM webhook_delivery WHERE id = %s", [claims[1].id])
        assert [str(row.delivery_id) for row in Attempt.objects.all()] == [claims[2].id]
        endpoints.delete_endpoint(actor=webhooks.cast.principal(webhooks.cast.owner), endpoint_id=endpoint.id)
        assert Attempt.objects.count() == 0


def test_a_result_that_is_written_while_its_delivery_is_deleted_leaves_nothing(committed_cast):
    """The deletion waits for the worker's lock, and sees then what the worker has written."""
    webhooks = Webhooks(committed_cast)
    endpoint = webhooks.endpoint("http://127.0.0.1:9/")
    (claim,) = claims_of(webhooks, endpoint, 1)

    def delete():
        with tenant_scope(committed_cast.acme.id):
            Delivery.objects.filter(id=claim.id).delete_all()
        connection.close()

    with transaction.atomic():
        record_results([answered(claim, 500)])
        deleting = Thread(target=delete)
        deleting.start()
        deleting.join(0.5)
        assert deleting.is_alive()
    deleting.join(10)
    with tenant_scope(committed_cast.acme.id):
        assert (Delivery.objects.count(), Attempt.objects.count()) == (0, 0)


def test_an_attempt_belongs_to_the_organization_of_its_delivery(webhooks):
    """Whatever a worker took the delivery's organization to be."""
    endpoint = webhooks.endpoint("http://127.0.0.1:9/")
    (claim,) = claims_of(webhooks, endpoint, 1)
    mistaken = claim._replace(target=replace(claim.target, org_id=str(webhooks.cast.globex.id)))
    record_results([answered(mistaken, 500)])
    with tenant_scope(webhooks.cast.acme.id):
        assert Attempt.objects.get().delivery_id == UUID(claim.id)
    with tenant_scope(webhooks.cast.globex.id):
        assert Attempt.objects.count() == 0


def test_results_of_an_endpoint_that_is_being_changed_wait_and_no_others_with_them(committed_cast, receiver):
    webhooks = Webhooks(committed_cast)
    changed, another = webhooks.endpoint(receiver.url("status/500")), webhooks.endpoint(receiver.url("fine"))
    webhooks.happen(2)
    run = Delivering(10)
    run.desk.turn()
    run.begin()
    with locked(changed):
        while run.sender.calls:
            run.send(0.1)
        began = time.monotonic()
        for _ in range(3):
            run.desk.write()
            time.sleep(ASIDE_SECONDS)
        assert time.monotonic() - began < 5
        assert [row.state for row in webhooks.deliveries(another)] == ["delivered"] * 2
        assert [row.attempts for row in webhooks.deliveries(changed)] == [0, 0]
        assert (run.desk.is_clear, run.desk.taken, run.desk.written) == (False, 2, 2)
    run.run_here()
    assert (run.desk.is_clear, run.desk.taken, run.desk.written) == (True, 0, 4)
    for endpoint, state in ((changed, "pending"), (another, "delivered")):
        rows = webhooks.deliveries(endpoint)
        assert {(row.state, row.attempts, row.claimed_until) for row in rows} == {(state, 1, None)}
        assert len(webhooks.attempts(endpoint)) == 2
    assert webhooks.again(changed).failing_since is not None


def test_letting_go_does_not_wait_for_who_has_a_delivery_locked(committed_cast):
    webhooks = Webhooks(committed_cast)
    endpoint = webhooks.endpoint("http://127.0.0.1:9/")
    first, second = claims_of(webhooks, endpoint, 2)
    with tenant_scope(committed_cast.acme.id):
        row = Delivery.objects.get(id=first.id)
    with locked(row):
        began = time.monotonic()
        claiming.Claims().release([first, second])
        assert time.monotonic() - began < 5
    taken = {str(row.id): row.claimed_until for row in webhooks.deliveries(endpoint)}
    assert taken == {first.id: first.until, second.id: None}
