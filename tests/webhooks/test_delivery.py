"""Deliveries on their whole way: an event happens, and a receiver has it."""

import json
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from standardwebhooks import Webhook

from audit.models import AuditEvent
from audit.services import Target, record
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from orgs.encryption import unseal
from projects.events import PROJECT_ARCHIVED, PROJECT_UPDATED
from tests.cast import Cast
from tests.receivers import receiving
from webhooks.delivery import Delivering, deliver_due
from webhooks.models import Attempt, Delivery, Endpoint, EndpointHour, OutboxEntry
from webhooks.services.endpoints import create_endpoint


def happen(cast: Cast, name: str = "Rocket", **changes: object):
    """An event of Acme."""
    with tenant_scope(cast.acme.id), transaction.atomic():
        return record(
            PROJECT_UPDATED,
            actor=SYSTEM,
            target=Target("project", cast.project.public_id, name),
            data={"changes": changes},
        )


def listen(cast: Cast, url: str, *events: str, **options) -> Endpoint:
    """An endpoint of Acme, which gets no news of itself."""
    with tenant_scope(cast.acme.id):
        endpoint, _ = create_endpoint(
            actor=cast.principal(cast.owner), url=url, events=list(events or ["project.*"]), **options
        )
        OutboxEntry.objects.all().delete()
    return endpoint


def test_an_event_reaches_its_endpoint_signed_so_that_the_stock_library_verifies_it(cast: Cast):
    with receiving() as receiver:
        endpoint = listen(cast, receiver.url(), headers={"Authorization": "Bearer x"})
        happened = happen(cast)
        assert deliver_due() == 1
        (request,) = receiver.requests
    verified = Webhook(unseal(endpoint, "secret")).verify(request.body, request.headers)
    assert request.id == happened.public_id
    assert request.headers["authorization"] == "Bearer x"
    assert verified == json.loads(request.body)
    assert verified["type"] == "project.updated"
    with tenant_scope(cast.acme.id):
        delivery, attempt, hour = Delivery.objects.get(), Attempt.objects.get(), EndpointHour.objects.get()
    assert (delivery.state, delivery.due_at, delivery.claimed_until, delivery.attempts) == ("delivered", None, None, 1)
    assert (attempt.outcome, attempt.status, attempt.response, attempt.number) == ("delivered", 200, "fine", 1)
    assert (hour.delivered, hour.failed) == (1, 0)


PLANS = "SELECT COALESCE(sum(generic_plans), 0), COALESCE(sum(custom_plans), 0) FROM pg_prepared_statements"


@pytest.mark.parametrize("threshold", [0, None], ids=["prepared", "not prepared"])
def test_deliveries_are_made_with_and_without_prepared_statements(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, threshold: int | None
):
    """TENANTRY_PREPARED_STATEMENTS. Prepared ones are planned once, whatever their parameters are."""
    with connection.cursor() as cursor, receiving() as receiver:
        monkeypatch.setattr(connection.connection, "prepare_threshold", threshold)
        listen(cast, receiver.url())
        cursor.execute(PLANS)
        [(generic, custom)] = cursor.fetchall()
        for number in (1, 2):
            happen(cast)
            assert (deliver_due(), len(receiver.requests)) == (1, number)
        cursor.execute(PLANS)
        [(generic_since, custom_since)] = cursor.fetchall()
    assert (generic_since > generic, custom_since) == (threshold == 0, custom)


@pytest.mark.parametrize("number", [10**23, -(10**23), 2**64, 2**64 - 1, -(2**63), 10**18, 0.1, 1e-300])
def test_a_number_arrives_as_it_was_recorded_and_as_rest_shows_it(api, cast: Cast, number: float):
    """Whatever an older version declared: the ledger keeps its records."""
    with receiving() as receiver:
        endpoint = listen(cast, receiver.url())
        with tenant_scope(cast.acme.id):
            AuditEvent.objects.create(event=PROJECT_UPDATED.name, actor_kind="system", data={"limit": number})
        assert deliver_due() == 1
        (request,) = receiver.requests
    assert json.loads(request.body)["data"]["data"]["limit"] == number
    with tenant_scope(cast.acme.id):
        delivery = Delivery.objects.get(endpoint=endpoint)
    shown = api(cast.admin).get(f"/api/v1/orgs/acme/webhook-deliveries/{delivery.public_id}").json()
    assert shown["payload"] == request.body.decode()


def work(run: Delivering, until: Callable[[], bool]) -> float:
    """As a worker does, until it holds; how many seconds that took."""
    start = time.monotonic()
    while not until():
        assert time.monotonic() < start + 60
        run.desk.turn()
        run.send(0.01)
    return time.monotonic() - start


def test_one_that_was_quick_and_hangs_now_holds_the_others_up_for_a_second_only(webhooks, start):
    """Whatever it has on its way keeps its connections until its time is over, 15 seconds later."""
    hanging, fine = start(), start()
    webhooks.endpoint(hanging.url("hangs-after/300"), events=(PROJECT_ARCHIVED.name,))
    other = webhooks.endpoint(fine.url("slow/0.05"))
    webhooks.happen(400, event=PROJECT_ARCHIVED)
    run = Delivering(20)
    try:
        work(run, lambda: len(hanging.requests) >= 315)
        webhooks.happen(200)
        took = work(run, lambda: len(fine.requests) >= 200)
    finally:
        run.sender.close()
    assert took < 5
    assert {row.outcome for row in webhooks.attempts(other)} == {"delivered"}


def test_many_endpoints_that_never_answer_hold_the_others_up_for_a_second_only(webhooks, start):
    """A worker that begins knows none of them, and each of their calls keeps its connection for 15 seconds."""
    hanging, fine = start(), start()
    for number in range(15):
        webhooks.endpoint(hanging.url(f"hangs/{number}"), events=(PROJECT_ARCHIVED.name,))
    other = webhooks.endpoint(fine.url("fine"))
    webhooks.happen(5, event=PROJECT_ARCHIVED)
    run = Delivering(10)
    try:
        work(run, lambda: len(hanging.requests) >= 9)
        webhooks.happen(20)
        took = work(run, lambda: len(webhooks.attempts(other)) == 20)
    finally:
        run.sender.close()
    assert took < 5
    assert {row.outcome for row in webhooks.attempts(other)} == {"delivered"}
    assert len(hanging.requests) <= 15
