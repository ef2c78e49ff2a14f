"""A receiver, endpoints of Acme, and a worker that delivers what is due."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from audit.models import AuditEvent
from audit.services import Target, record
from config.kernel.events import EventType
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from projects.events import PROJECT_RESTORED
from tests.cast import Cast
from tests.receivers import Receiver, receiving
from webhooks import sending
from webhooks.delivery import Delivering, deliver_due
from webhooks.models import Attempt, Delivery, Endpoint
from webhooks.services.endpoints import create_endpoint


@dataclass
class Webhooks:
    """What tests say of Acme's webhooks. Endpoints want PROJECT_RESTORED only, which nothing else records."""

    cast: Cast

    def endpoint(self, url: str, *, events: tuple[str, ...] = (PROJECT_RESTORED.name,), **fields: Any) -> Endpoint:
        """A new one; its secret is `endpoint.plaintext`."""
        with tenant_scope(self.cast.acme.id):
            made, secret = create_endpoint(
                actor=self.cast.principal(self.cast.owner), url=url, events=list(events), **fields
            )
        made.plaintext = secret
        return made

    def happen(self, count: int = 1, event: EventType = PROJECT_RESTORED) -> list[AuditEvent]:
        """Events, each in a transaction of its own."""
        found = []
        for number in range(count):
            with tenant_scope(self.cast.acme.id), transaction.atomic():
                found.append(record(event, actor=SYSTEM, target=Target("project", f"prj_{number}", "Größe")))
        return found

    def deliver(self) -> int:
        """What the worker does now. How many attempts it made."""
        return deliver_due()

    def again(self, row: Endpoint) -> Endpoint:
        """As it is in the database now."""
        with tenant_scope(self.cast.acme.id):
            return Endpoint.objects.get(id=row.id)

    def deliveries(self, endpoint: Endpoint) -> list[Delivery]:
        """Of one endpoint, the oldest first."""
        with tenant_scope(self.cast.acme.id):
            return list(Delivery.objects.filter(endpoint=endpoint).order_by("event_id"))

    def delivery(self, endpoint: Endpoint) -> Delivery:
        """The only one of an endpoint."""
        (found,) = self.deliveries(endpoint)
        return found

    def attempts(self, endpoint: Endpoint) -> list[Attempt]:
        """Of all its deliveries, in their order."""
        with tenant_scope(self.cast.acme.id):
            return list(Attempt.objects.filter(delivery__endpoint=endpoint).order_by("id"))

    def attempt(self, endpoint: Endpoint) -> Attempt:
        """The only one of an endpoint."""
        (found,) = self.attempts(endpoint)
        return found

    def recorded(self, event: str, *, since: UUID | None = None) -> list[AuditEvent]:
        """Acme's records of an event."""
        with tenant_scope(self.cast.acme.id):
            rows = AuditEvent.objects.filter(event=event)
            return list((rows.filter(id__gt=since) if since else rows).order_by("id"))

    def set(self, row: Endpoint, **fields: datetime | str | None) -> None:
        """Past every service."""
        with tenant_scope(self.cast.acme.id):
            Endpoint.objects.filter(id=row.id).update(**fields)


@pytest.fixture
def webhooks(cast: Cast) -> Webhooks:
    return Webhooks(cast)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits as long as in life: a second for each call, connection and answer together."""
    monkeypatch.setattr(sending, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(sending, "SECONDS", 1)


Start = Callable[..., Receiver]


@pytest.fixture
def start() -> Iterator[Start]:
    """`start(tls=…)` is one more receiver."""
    running: list[Receiver] = []

    def one(*given: Any, **options: Any) -> Receiver:
        running.append(Receiver(*given, **options))
        return running[-1]

    yield one
    for each in running:
        each.close()


@pytest.fixture
def by_owner(cast: Cast) -> dict[str, Any]:
    """What services are told first."""
    return {"actor": cast.principal(cast.owner)}


def taken() -> Delivering:
    """A worker that has taken what is due and begins it now. A turn of its own might see the end already."""
    run = Delivering(10)
    run.desk.turn()
    run.begin()
    assert run.sender.calls == 1
    return run


def end(run: Delivering) -> None:
    """It gets its answers and writes them."""
    while run.sender.calls:
        run.send(0.1)
    run.desk.write()
    run.sender.close()


@contextmanager
def locked(row: Endpoint | Delivery) -> Iterator[None]:
    """Somebody else has the row, as while it is being changed."""
    has, may_end = Event(), Event()

    def hold() -> None:
        with tenant_scope(row.org_id), transaction.atomic():
            type(row).objects.select_for_update().get(id=row.id)
            has.set()
            may_end.wait(20)
        connection.close()

    holder = Thread(target=hold)
    holder.start()
    assert has.wait(10)
    try:
        yield
    finally:
        may_end.set()
        holder.join()
