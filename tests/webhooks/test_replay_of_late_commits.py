"""Changes that an endpoint missed, and whose records are not where a replay would look for them.

One began while the endpoint was disabled, and is committed after somebody has asked for what was missed; or it was
recorded by a server whose clock is ahead of the one that was asked.
"""

import threading
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from django.db import connection, transaction
from django.utils import timezone

from audit.models import AuditEvent, first_id_at
from audit.services import record
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from projects.events import PROJECT_RESTORED
from tests.database import OWNER_URL, named
from tests.webhooks.conftest import Webhooks
from webhooks import replaying
from webhooks.fan_out import fan_out
from webhooks.models import Endpoint
from webhooks.services import deliveries, endpoints


class Change:
    """One in a thread of its own, which is recorded and not committed until `commit`."""

    def __init__(self, webhooks: Webhooks) -> None:
        self.webhooks = webhooks
        self._recorded, self._may_end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._recorded.wait(10)

    def _run(self) -> None:
        try:
            with tenant_scope(self.webhooks.cast.acme.id), transaction.atomic():
                self.id = record(PROJECT_RESTORED, actor=SYSTEM).id
                self._recorded.set()
                self._may_end.wait(30)
        finally:
            connection.close()

    def commit(self) -> None:
        self._may_end.set()
        self._thread.join(10)


@pytest.fixture
def webhooks(committed_cast) -> Webhooks:
    return Webhooks(committed_cast)


@pytest.fixture
def missed(webhooks: Webhooks) -> Iterator[tuple[Endpoint, Change]]:
    """An endpoint that was disabled, is enabled again and is to get what it missed, and a change that is not ended."""
    endpoint, since = webhooks.endpoint("http://127.0.0.1:9/"), timezone.now()
    of_it = {"actor": webhooks.cast.principal(webhooks.cast.owner), "endpoint_id": endpoint.id}
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.disable_endpoint(**of_it)
        change = Change(webhooks)
        endpoints.enable_endpoint(**of_it)
        deliveries.replay_since(**of_it, since=since)
    yield endpoint, change
    change.commit()


def replay(endpoint: Endpoint) -> str:
    with tenant_scope(endpoint.org_id):
        return replaying.replay(endpoint.id)


def test_a_replay_waits_for_a_change_that_is_about_to_be_committed(webhooks: Webhooks, missed):
    endpoint, change = missed
    threading.Timer(0.3, change.commit).start()
    assert replay(endpoint) == "done"
    assert [row.event_id for row in webhooks.deliveries(endpoint)] == [change.id]


def test_a_replay_is_asked_for_again_while_a_change_takes_long(webhooks: Webhooks, missed, clock, monkeypatch):
    monkeypatch.setattr(replaying, "LOOKS", 3)
    endpoint, change = missed
    assert replay(endpoint) == "waits"
    assert webhooks.deliveries(endpoint) == []
    clock.shift(replaying.STALE)
    assert replaying.tend_replays() == 1
    change.commit()
    assert replay(endpoint) == "done"
    assert [row.event_id for row in webhooks.deliveries(endpoint)] == [change.id]


def test_a_replay_does_not_wait_for_what_began_after_it(webhooks: Webhooks, missed, monkeypatch):
    monkeypatch.setattr(replaying, "LOOKS", 3)
    endpoint, change = missed
    change.commit()
    other = Change(webhooks)
    try:
        assert replay(endpoint) == "done"
    finally:
        other.commit()
    assert [row.event_id for row in webhooks.deliveries(endpoint)] == [change.id]


def test_a_replay_does_not_wait_for_what_others_do_in_another_database(webhooks: Webhooks, missed, monkeypatch):
    monkeypatch.setattr(replaying, "LOOKS", 3)
    with psycopg.connect(named(OWNER_URL, "postgres")) as elsewhere:
        # It began before another replay that is asked for, and goes on.
        elsewhere.execute("SELECT pg_current_xact_id()")
        endpoint, change = missed
        change.commit()
        with tenant_scope(webhooks.cast.acme.id):
            since = timezone.now() - timedelta(minutes=1)
            deliveries.replay_since(actor=SYSTEM, endpoint_id=endpoint.id, since=since)
        assert replay(endpoint) == "done"
        elsewhere.rollback()
    assert [row.event_id for row in webhooks.deliveries(endpoint)] == [change.id]


def test_a_replay_finds_what_a_server_recorded_whose_clock_is_ahead(webhooks: Webhooks):
    endpoint, since = webhooks.endpoint("http://127.0.0.1:9/"), timezone.now()
    of_it = {"actor": webhooks.cast.principal(webhooks.cast.owner), "endpoint_id": endpoint.id}
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.disable_endpoint(**of_it)
    moment = timezone.now() + timedelta(seconds=5)
    with tenant_scope(webhooks.cast.acme.id):
        event = AuditEvent.objects.create(
            id=first_id_at(moment),
            created_at=moment,
            event=PROJECT_RESTORED.name,
            actor_kind="system",
            actor_id="system",
        )
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.enable_endpoint(**of_it)
        deliveries.replay_since(**of_it, since=since)
    assert event.id > webhooks.recorded("webhook_endpoint.replayed")[0].id
    (other,) = webhooks.happen()
    assert replay(endpoint) == "done"
    fan_out()
    # What comes by itself comes once.
    assert [row.event_id for row in webhooks.deliveries(endpoint)] == [other.id, event.id]
