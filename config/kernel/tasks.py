"""The base of every Celery task: sent after commit, run in the tenant scope that it was sent from.

What services `enqueue` is written down in the transaction of their change and crossed out when the broker has it. So a
broker that is away, or a process that is killed after its commit, loses no work and turns no answer into an error: what
is left is sent off by `kernel.send_waiting`, which beat asks for.
"""

import time
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from celery import Task, current_app, shared_task
from django.db import InterfaceError, OperationalError, transaction
from kombu.exceptions import KombuError
from redis import RedisError

from config.kernel.context import RequestContext, current_request, request_context
from config.kernel.models import WaitingTask
from config.kernel.tenancy.scope import current_organization_id, tenant_scope

logger = structlog.get_logger()

ORGANIZATION_HEADER = "tenantry_organization_id"
REQUEST_HEADER = "tenantry_request_id"
# A broker that is away, or refuses; and a database that went away after the commit.
UNSENT = (KombuError, RedisError, OSError, OperationalError, InterfaceError)
# So long nobody waits for a broker that has just been away: what is asked for meanwhile is sent off later.
AWAY_SECONDS = 5.0
MOST_AT_ONCE = 1000


class TenantTask(Task):
    """Takes ids, returns a named outcome. Nobody can forget on_commit: sending waits for it by itself.

    A task sent from a system scope, or from none, runs without one and enters its own.
    """

    abstract = True
    acks_late = True
    reject_on_worker_lost = True

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> Any:  # type: ignore[override]
        headers = {**_headers(), **(options.pop("headers", None) or {})}
        send = partial(super().apply_async, args, kwargs, headers=headers, **options)
        if transaction.get_connection().in_atomic_block:
            transaction.on_commit(send)
            return None
        return send()

    def send(self, args: tuple[str, ...], headers: dict[str, str]) -> None:
        """Sends it at once, also within a transaction, with the headers of where it was asked for. Tries once."""
        super().apply_async(args, headers=headers, retry=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        headers = self.request.headers or {}
        organization_id = headers.get(ORGANIZATION_HEADER) or self.request.get(ORGANIZATION_HEADER)
        request_id = headers.get(REQUEST_HEADER) or self.request.get(REQUEST_HEADER) or ""
        with (
            request_context(RequestContext(request_id=request_id)),
            structlog.contextvars.bound_contextvars(request_id=request_id, organization_id=organization_id),
        ):
            if organization_id:
                with tenant_scope(UUID(organization_id)):
                    return super().__call__(*args, **kwargs)
            return super().__call__(*args, **kwargs)


class _Broker:
    """What this process knows of the broker: it was away until `away_until`, by the clock that never goes back."""

    away_until = 0.0


def enqueue(name: str, *args: str) -> None:
    """Asks for the task of that name after commit. Services use this: tasks lie above them and call them back.

    It is not lost with the broker, and the caller does not learn whether that was there. Raises celery's NotRegistered.
    """
    task = current_app.tasks[name]
    waiting = WaitingTask.objects.create(name=task.name, arguments=list(args), headers=_headers())
    transaction.on_commit(partial(_send_soon, waiting.id, task.name))


def _headers() -> dict[str, str]:
    organization_id = current_organization_id()
    scope = {ORGANIZATION_HEADER: str(organization_id)} if organization_id else {}
    return {**scope, REQUEST_HEADER: current_request().request_id}


def _send_soon(waiting_id: int, name: str) -> None:
    """Sends a task off, or leaves it to `send_waiting`: its change is committed, so nothing may fail here."""
    if time.monotonic() < _Broker.away_until:
        return
    try:
        _send(waiting_id)
    except UNSENT as error:
        _Broker.away_until = time.monotonic() + AWAY_SECONDS
        logger.warning("the broker did not take a task, which waits", task=name, error=type(error).__name__)


def _send(waiting_id: int) -> bool:
    """Hands a waiting task to the broker. False when somebody else is at it or was. Raises UNSENT, and it still waits.

    A process that is killed between the broker's answer and the commit leaves it to be sent twice: tasks allow for it.
    """
    with transaction.atomic():
        waiting = WaitingTask.objects.select_for_update(skip_locked=True).filter(id=waiting_id).first()
        if waiting is None:
            return False
        task = current_app.tasks.get(waiting.name)
        if not isinstance(task, TenantTask):
            logger.error("a task waits that this version does not know", task=waiting.name, waiting_id=waiting.id)
            return False
        waiting.delete()
        task.send(tuple(waiting.arguments), waiting.headers)
    _Broker.away_until = 0.0
    return True


@shared_task(name="kernel.send_waiting")
def send_waiting() -> str:
    """Sends off what waits for the broker, the longest waiting first. Outcome: `sent N`. Raises UNSENT."""
    waiting = WaitingTask.objects.order_by("id").values_list("id", flat=True)[:MOST_AT_ONCE]
    return f"sent {sum(_send(each) for each in list(waiting))}"
