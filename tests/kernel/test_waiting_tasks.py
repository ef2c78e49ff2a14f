"""What services ask of workers while the broker is away, says nothing, or their process is killed after its commit."""

import os
import signal
import subprocess
import sys
import time
from datetime import date

import pytest
from celery.exceptions import NotRegistered
from django.db import connection, transaction
from django.utils import timezone

from audit.models import AuditExport
from config.kernel import tasks
from config.kernel.models import WaitingTask
from config.kernel.tasks import AWAY_SECONDS, enqueue, send_waiting
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import DataExport, Invitation
from projects.mail import announce_usage_warnings
from projects.models import UsageMonth
from tests.brokers import Broker
from tests.cast import Cast
from tests.conftest import JSONClient
from tests.database import ROOT

ACME = "/api/v1/orgs/acme"

KILLED = """
import os, signal
import django
django.setup()
from django.db import transaction
from projects import mail
with transaction.atomic():
    transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    print(mail.announce_usage_warnings(), flush=True)
"""


@pytest.fixture
def owner(committed_cast: Cast) -> JSONClient:
    return JSONClient(committed_cast.token(committed_cast.owner))


def names() -> list[str]:
    return [*WaitingTask.objects.order_by("id").values_list("name", flat=True)]


def warned(cast: Cast) -> None:
    """A month of which 80 % are used."""
    with tenant_scope(cast.acme.id):
        UsageMonth.objects.create(month=date(2031, 5, 1), count=8000, warned_80_at=timezone.now())


def test_what_is_asked_for_while_the_broker_is_away_is_answered_as_ever_and_done_later(
    owner: JSONClient, committed_cast: Cast, broker: Broker, mailoutbox
):
    broker.kill()
    invited = owner.post(f"{ACME}/invitations", {"email": "new@example.com", "role": "viewer"})
    asked = owner.post(f"{ACME}/audit-exports", {"format": "jsonl"}), owner.post(f"{ACME}/exports")
    assert [answer.status_code for answer in (invited, *asked)] == [201] * 3
    assert names() == ["orgs.send_invitation", "audit.make_export", "orgs.make_export"]
    with pytest.raises(tasks.UNSENT):
        send_waiting()
    assert len(names()) == 3
    broker.start()
    assert (send_waiting(), send_waiting(), names()) == ("sent 3", "sent 0", [])
    assert broker.work() == [
        ("orgs.send_invitation", "sent"), ("audit.make_export", "ready"), ("orgs.make_export", "ready"),
    ]  # fmt: skip
    assert [mail.to for mail in mailoutbox] == [["new@example.com"]]
    with tenant_scope(committed_cast.acme.id):
        assert Invitation.objects.get().sent_at is not None
        assert {row.state for row in (AuditExport.objects.get(), DataExport.objects.get())} == {"ready"}


def test_tasks_are_sent_at_once_while_the_broker_is_there(committed_cast: Cast, broker: Broker):
    enqueue("orgs.tidy")
    assert names() == []
    assert [name for name, _ in broker.work()] == ["orgs.tidy"]


def test_the_broker_is_asked_again_after_a_while_and_at_once_when_it_has_taken_something(
    committed_cast: Cast, broker: Broker
):
    broker.kill()
    enqueue("orgs.tidy")
    broker.start()
    enqueue("orgs.tidy")
    assert names() == ["orgs.tidy"] * 2
    tasks._Broker.away_until = time.monotonic()
    enqueue("orgs.tidy")
    assert names() == ["orgs.tidy"] * 2
    tasks._Broker.away_until = time.monotonic() + AWAY_SECONDS
    assert send_waiting() == "sent 2"
    enqueue("orgs.tidy")
    assert names() == []
    assert len(broker.work()) == 4


def test_a_broker_that_says_nothing_holds_nobody_up_for_long(committed_cast: Cast, broker: Broker):
    enqueue("orgs.tidy")
    with broker.silent():
        began = time.monotonic()
        for _ in range(20):
            enqueue("orgs.tidy")
        assert time.monotonic() - began < 4
        assert len(names()) == 20
    assert send_waiting() == "sent 20"


def test_a_connection_that_the_broker_closed_is_opened_anew(committed_cast: Cast, broker: Broker):
    enqueue("orgs.tidy")
    broker.kill()
    broker.start()
    enqueue("orgs.tidy")
    assert names() == []


def test_what_is_rolled_back_is_never_sent(committed_cast: Cast, broker: Broker):
    broker.kill()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        enqueue("orgs.tidy")
        raise ZeroDivisionError
    assert names() == []


def test_a_task_that_nobody_knows_is_refused_before_the_commit(committed_cast: Cast):
    with pytest.raises(NotRegistered), transaction.atomic():
        enqueue("orgs.nonsense")
    assert names() == []


def test_a_waiting_task_that_this_version_does_not_know_stops_no_other(committed_cast: Cast, broker: Broker):
    for name in ("orgs.of_tomorrow", "orgs.tidy"):
        WaitingTask.objects.create(name=name, arguments=[], headers={})
    assert send_waiting() == "sent 1"
    assert names() == ["orgs.of_tomorrow"]


def test_what_somebody_else_is_sending_is_left_to_them(committed_cast: Cast, broker: Broker):
    WaitingTask.objects.create(name="orgs.tidy", arguments=[], headers={})
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT id FROM kernel_waiting_task FOR UPDATE")
            assert send_waiting() == "sent 0"
            cursor.execute("ROLLBACK")
    finally:
        other.close()
    assert send_waiting() == "sent 1"
    assert len(broker.work()) == 1


def test_usage_warnings_are_mailed_that_were_marked_while_the_broker_was_away(
    committed_cast: Cast, broker: Broker, mailoutbox
):
    warned(committed_cast)
    broker.kill()
    assert (announce_usage_warnings(), announce_usage_warnings()) == (2, 0)
    broker.start()
    assert send_waiting() == "sent 2"
    assert broker.work() == [("projects.mail_usage_warning", "sent")] * 2
    assert {mail.to[0] for mail in mailoutbox} == {committed_cast.owner.email, committed_cast.admin.email}


def test_usage_warnings_are_mailed_that_a_process_marked_before_it_was_killed(
    committed_cast: Cast, broker: Broker, mailoutbox
):
    warned(committed_cast)
    url = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**connection.settings_dict)
    ended = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=ROOT, check=False, capture_output=True, text=True,
        env={**os.environ, "DATABASE_URL": url, "TENANTRY_DEBUG": "true"},
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "2\n"), ended.stderr
    assert (broker.work(), announce_usage_warnings()) == ([], 0)
    assert send_waiting() == "sent 2"
    assert broker.work() == [("projects.mail_usage_warning", "sent")] * 2
    assert len(mailoutbox) == 2
