"""Work in the background: a real worker, a real queue, a real mail server."""

import email
import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from aiosmtpd.controller import Controller
from celery import current_app, shared_task
from celery.contrib.testing.worker import start_worker
from django.db import connection, transaction
from django.utils import timezone

from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import current_organization_id, current_scope, tenant_scope
from keys.tracking.events import Event
from keys.tracking.intake import track
from keys.tracking.writing import Source
from orgs.models import Invitation
from orgs.services import invitations
from projects.models import UsageMonth
from tests.cast import Cast

outcomes: list[Any] = []


@shared_task(name="tests.look_around")
def look_around(depth: int = 0) -> str:
    """Notes what it sees, then sends itself once more from inside."""
    organization_id = current_organization_id()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM projects_project")
        outcomes.append((organization_id, cursor.fetchone()[0]))
    if depth:
        look_around.delay(depth - 1)
    return "looked"


class Inbox:
    """A mail server's handler that keeps what it gets."""

    def __init__(self) -> None:
        self.messages: list[email.message.Message] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.messages.append(email.message_from_bytes(envelope.content))
        return "250 kept"


@pytest.fixture
def worker(transactional_db: None) -> Iterator[None]:
    outcomes.clear()
    current_app.control.purge()
    with start_worker(current_app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        yield


@pytest.fixture
def inbox(settings: Any) -> Iterator[Inbox]:
    handler = Inbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    yield handler
    controller.stop()


def wait_for(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen within 15 seconds")


def test_a_task_runs_in_the_scope_it_was_sent_from_and_so_do_the_tasks_it_sends(worker: None, committed_cast: Cast):
    with tenant_scope(committed_cast.acme.id):
        look_around.delay(1)
    wait_for(lambda: len(outcomes) == 2)
    assert outcomes == [(committed_cast.acme.id, 1)] * 2


def test_a_task_sent_without_a_scope_sees_nothing(worker: None, committed_cast: Cast):
    assert current_scope() is None
    look_around.delay()
    wait_for(lambda: outcomes)
    assert outcomes == [(None, 0)]


def test_a_task_is_sent_when_its_transaction_commits_and_not_when_it_rolls_back(worker: None, committed_cast: Cast):
    with tenant_scope(committed_cast.acme.id):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            look_around.delay()
            raise ZeroDivisionError
        with transaction.atomic():
            enqueue("tests.look_around")
            time.sleep(0.3)
            assert outcomes == []
    wait_for(lambda: outcomes)
    assert len(outcomes) == 1


def invite(cast: Cast, address: str) -> UUID:
    with tenant_scope(cast.acme.id):
        return invitations.invite(actor=cast.principal(cast.admin), email=address, role="developer").id


def token_in(message: email.message.Message) -> str:
    parts = {
        part.get_content_type(): part.get_payload(decode=True).decode()
        for part in message.walk()
        if not part.is_multipart()
    }
    assert set(parts) == {"text/plain", "text/html"}
    found = re.search(r"/invitations/([A-Za-z0-9_-]{43})/", parts["text/plain"])
    assert found, parts["text/plain"]
    assert found[1] in parts["text/html"]
    return found[1]


def test_an_invitation_arrives_by_mail_and_its_link_works_once(worker: None, inbox: Inbox, committed_cast: Cast):
    invite(committed_cast, "New.Person@example.com")
    message = wait_for(lambda: inbox.messages)[0]
    assert message["To"] == "new.person@example.com"
    assert message["Subject"] == "Join Acme on Tenantry"
    token = token_in(message)
    invitation, organization = invitations.find(token)
    assert (organization, invitation.email) == (committed_cast.acme, "new.person@example.com")
    assert bytes(invitation.token_hash) == invitations.token_hash(token)


def test_resending_ends_the_old_link(worker: None, inbox: Inbox, committed_cast: Cast):
    invitation_id = invite(committed_cast, "new@example.com")
    first = token_in(wait_for(lambda: inbox.messages)[0])
    with tenant_scope(committed_cast.acme.id):
        invitations.resend(actor=committed_cast.principal(committed_cast.owner), invitation_id=invitation_id)
    second = token_in(wait_for(lambda: inbox.messages[1:])[0])
    with tenant_scope(committed_cast.acme.id):
        assert Invitation.objects.filter(token_hash=invitations.token_hash(second)).exists()
        assert not Invitation.objects.filter(token_hash=invitations.token_hash(first)).exists()


def test_the_mail_waits_for_a_mail_server_that_is_down(worker: None, inbox: Inbox, committed_cast: Cast, settings: Any):
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
    invite(committed_cast, "patient@example.com")
    time.sleep(0.5)
    settings.EMAIL_PORT = port
    assert wait_for(lambda: inbox.messages)[0]["To"] == "patient@example.com"


def test_a_usage_warning_reaches_each_person_who_manages_billing_once(worker: None, inbox: Inbox, committed_cast: Cast):
    cast = committed_cast
    with tenant_scope(cast.acme.id):
        UsageMonth.objects.create(month=timezone.now().date().replace(day=1), count=7_999)
    source = Source(cast.acme.id, cast.project.id, cast.key.public_id)
    for _ in range(3):
        track(source=source, events=[Event("page.viewed")])
        current_app.tasks["projects.announce_usage_warnings"].delay()
    messages = wait_for(lambda: len(inbox.messages) >= 2 and inbox.messages)
    current_app.tasks["projects.announce_usage_warnings"].delay()
    time.sleep(0.5)
    assert sorted(message["To"] for message in messages) == [cast.admin.email, cast.owner.email]
    assert {message["Subject"] for message in messages} == {"Acme: 80 % of this month's events are used up"}
