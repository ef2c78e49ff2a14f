"""What must come of a replay and of a mail although the broker was away, forgot, or a process was killed."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from audit.models import first_id_at
from config.kernel.tasks import send_waiting
from config.kernel.tenancy.scope import tenant_scope
from tests.brokers import Broker
from tests.cast import Cast
from tests.conftest import JSONClient
from tests.database import ROOT
from tests.webhooks.conftest import Webhooks
from webhooks import replaying
from webhooks.mail import TAKEN_FOR
from webhooks.models import Endpoint
from webhooks.services import deliveries
from webhooks.services.addresses import FitUrl
from webhooks.services.endpoints import disable_endpoint, disable_for, enable_endpoint
from webhooks.tasks import tend

URL = FitUrl("https://hooks.acme.example/here")
LATER = max(replaying.STALE, TAKEN_FOR) + timedelta(seconds=1)

KILLED = """
import os, signal, sys
from datetime import datetime
from uuid import UUID
import django
django.setup()
from django.db import transaction
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from webhooks.services.deliveries import replay_since
organization, endpoint, since = sys.argv[1:]
with tenant_scope(UUID(organization)), transaction.atomic():
    transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    replay_since(actor=SYSTEM, endpoint_id=UUID(endpoint), since=datetime.fromisoformat(since))
"""


@pytest.fixture
def webhooks(committed_cast: Cast) -> Webhooks:
    return Webhooks(committed_cast)


@pytest.fixture
def clock():
    """The time, which may be moved."""
    with time_machine.travel(timezone.now(), tick=True) as moved:
        yield moved


def missed_by(webhooks: Webhooks, endpoint: Endpoint, count: int = 3) -> set:
    """What happens while it is disabled; it is enabled again then. Ids of the events."""
    actor = webhooks.cast.principal(webhooks.cast.owner)
    with tenant_scope(webhooks.cast.acme.id):
        disable_endpoint(actor=actor, endpoint_id=endpoint.id)
        events = webhooks.happen(count)
        enable_endpoint(actor=actor, endpoint_id=endpoint.id)
    return {event.id for event in events}


def replay_since(webhooks: Webhooks, endpoint: Endpoint, since) -> None:
    with tenant_scope(webhooks.cast.acme.id):
        deliveries.replay_since(
            actor=webhooks.cast.principal(webhooks.cast.owner), endpoint_id=endpoint.id, since=since
        )


def assert_made_up_for(webhooks: Webhooks, endpoint: Endpoint, missed: set, broker: Broker, clock) -> None:
    """Nothing is on its way; minutes later it is, once."""
    assert broker.work() == []
    assert webhooks.deliveries(endpoint) == []
    assert tend() == "sent off 0, asked 0", "it may be on its way yet"
    clock.shift(LATER)
    assert tend() == "sent off 0, asked 1"
    assert tend() == "sent off 0, asked 0"
    assert broker.work() == [("webhooks.replay", "done")]
    assert {row.event_id for row in webhooks.deliveries(endpoint)} == missed
    clock.shift(LATER)
    assert tend() == "sent off 0, asked 0"


def assert_sent_off_and_done(webhooks: Webhooks, endpoint: Endpoint, missed: set, broker: Broker, clock) -> None:
    """What waits is sent off once, and done; nobody needs to look after it minutes later."""
    assert broker.work() == []
    assert send_waiting() == "sent 1"
    assert send_waiting() == "sent 0"
    outcomes = [outcome for _, outcome in broker.work()]
    assert (set(outcomes[:-1]) <= {"more"}, outcomes[-1]) == (True, "done")
    assert {row.event_id for row in webhooks.deliveries(endpoint)} == missed
    clock.shift(LATER)
    assert tend() == "sent off 0, asked 0"


def test_a_replay_asked_for_while_the_broker_is_away_comes(webhooks: Webhooks, broker: Broker, clock):
    endpoint, since = webhooks.endpoint(URL), timezone.now()
    missed = missed_by(webhooks, endpoint)
    program = JSONClient(webhooks.cast.token(webhooks.cast.owner))
    broker.kill()
    address = f"/api/v1/orgs/acme/webhook-endpoints/{endpoint.public_id}/replay"
    answer = program.post(address, {"since": since.isoformat()})
    assert answer.status_code == 202, answer.content
    assert len(webhooks.recorded("webhook_endpoint.replayed")) == 1
    broker.start()
    assert_sent_off_and_done(webhooks, endpoint, missed, broker, clock)


def test_a_replay_that_the_broker_forgot_comes(webhooks: Webhooks, broker: Broker, clock):
    endpoint, since = webhooks.endpoint(URL), timezone.now()
    missed = missed_by(webhooks, endpoint)
    replay_since(webhooks, endpoint, since)
    broker.kill()
    broker.start()
    assert_made_up_for(webhooks, endpoint, missed, broker, clock)


def test_a_replay_comes_whose_process_was_killed_when_it_was_committed(webhooks: Webhooks, broker: Broker, clock):
    endpoint, since = webhooks.endpoint(URL), timezone.now()
    missed = missed_by(webhooks, endpoint)
    url = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**connection.settings_dict)
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(webhooks.cast.acme.id), str(endpoint.id), since.isoformat()],
        cwd=ROOT, env={**os.environ, "DATABASE_URL": url, "TENANTRY_DEBUG": "true"}, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL
    assert len(webhooks.recorded("webhook_endpoint.replayed")) == 1
    assert_sent_off_and_done(webhooks, endpoint, missed, broker, clock)


def test_a_replay_goes_on_where_the_broker_was_lost(webhooks: Webhooks, broker: Broker, clock, monkeypatch):
    monkeypatch.setattr(replaying, "CHUNK", 2)
    monkeypatch.setattr(replaying, "CHUNKS_A_TASK", 2)
    endpoint, since = webhooks.endpoint(URL), timezone.now()
    missed = missed_by(webhooks, endpoint, 6)
    replay_since(webhooks, endpoint, since)
    broker.kill()
    with tenant_scope(webhooks.cast.acme.id):
        assert replaying.replay(endpoint.id) == "more"
    some = {row.event_id for row in webhooks.deliveries(endpoint)}
    assert some < missed
    assert some
    broker.start()
    assert_sent_off_and_done(webhooks, endpoint, missed, broker, clock)


def test_a_second_replay_and_the_one_in_progress_become_one(webhooks: Webhooks, broker: Broker):
    endpoint, now = webhooks.endpoint(URL), timezone.now()
    for hours, expected in ((2, 2), (1, 2), (3, 3)):
        replay_since(webhooks, endpoint, now - timedelta(hours=hours))
        row = webhooks.again(endpoint)
        assert row.replay_from == first_id_at(now - timedelta(hours=expected))
        assert row.replay_until == webhooks.recorded("webhook_endpoint.replayed")[-1].id
    assert [outcome for _, outcome in broker.work()] == ["done", "gone", "gone"]


def test_a_replay_ends_with_an_endpoint_that_is_disabled(webhooks: Webhooks, broker: Broker, clock):
    endpoint, since = webhooks.endpoint(URL), timezone.now()
    missed_by(webhooks, endpoint)
    replay_since(webhooks, endpoint, since)
    with tenant_scope(webhooks.cast.acme.id):
        disable_endpoint(actor=webhooks.cast.principal(webhooks.cast.owner), endpoint_id=endpoint.id)
    assert broker.work() == [("webhooks.replay", "gone")]
    clock.shift(LATER)
    assert tend() == "sent off 0, asked 0"
    assert webhooks.deliveries(endpoint) == []


def test_managers_are_mailed_once_of_an_endpoint_that_was_disabled_while_the_broker_was_away(
    webhooks: Webhooks, broker: Broker, clock, mailoutbox
):
    endpoint = webhooks.endpoint(URL)
    broker.kill()
    with tenant_scope(webhooks.cast.acme.id):
        assert disable_for(endpoint_id=endpoint.id, cause=Endpoint.Cause.GONE)
    assert tend() == "sent off 2, asked 0"
    broker.start()
    assert send_waiting() == "sent 2"
    clock.shift(LATER)
    assert tend() == "sent off 0, asked 0"
    assert broker.work() == [("webhooks.mail_disabled", "sent")] * 2
    assert sorted(mail.to[0] for mail in mailoutbox) == [webhooks.cast.admin.email, webhooks.cast.owner.email]
