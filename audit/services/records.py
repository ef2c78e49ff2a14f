"""The one emission of events: the record of what happened, inside the transaction in which it happened."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.models import AuditEvent
from config.kernel.context import current_request
from config.kernel.events import EventType, is_declared
from config.kernel.principals import Principal
from config.kernel.tenancy.scope import require_organization_id, system_scope, tenant_scope

LABEL_LENGTH = 320


@dataclass(frozen=True)
class Target:
    """What an event is about: its kind, public id and a label for people, copied so that the record outlives it."""

    kind: str
    id: str
    label: str


def record(
    event_type: EventType,
    *,
    actor: Principal,
    target: Target | None = None,
    data: dict[str, Any] | None = None,
    result: AuditEvent.Result = AuditEvent.Result.DONE,
    org_id: UUID | None = None,
) -> AuditEvent:
    """Writes one event to the ledger of `org_id`, by default of the organization in scope.

    Call it last in the transaction of the change. `data` has the fields that the declaration names, never a secret.
    Where it names `project`, that is the public id of the project that the event happened in, or None: by it webhooks
    narrowed to one project are found.

    Raises ValueError for an event that is not declared and for data of another shape, in production too, although the
    change fails with it: what nobody declared may be what nobody may see, and the ledger forgets nothing. Raises
    ScopeError without an organization, RuntimeError outside of a transaction, since a record that does not stand or
    fall with its change proves nothing.
    """
    fields = _fields(event_type, actor=actor, target=target, data=data or {}, result=result)
    org_id = org_id or require_organization_id()
    with tenant_scope(org_id):
        row = AuditEvent(org_id=org_id, **fields)
        row.save(force_insert=True)  # the manager would first make a filter of reads, a tenth of what this costs
        return row


def record_everywhere(
    event_type: EventType,
    *,
    actor: Principal,
    organization_ids: Collection[UUID],
    target: Target | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Writes the same event to the ledgers of several organizations by one statement. Raises what `record` raises."""
    fields = _fields(event_type, actor=actor, target=target, data=data or {}, result=AuditEvent.Result.DONE)
    with system_scope("one event in the ledgers of several organizations"):
        AuditEvent.objects.bulk_create([AuditEvent(org_id=each, **fields) for each in sorted(organization_ids)])


def _fields(
    event_type: EventType,
    *,
    actor: Principal,
    target: Target | None,
    data: dict[str, Any],
    result: AuditEvent.Result,
) -> dict[str, Any]:
    """What a record says, whichever ledger it is for."""
    if not is_declared(event_type):
        raise ValueError(f"The event {event_type.name} is not declared.")
    event_type.require_fit(data)
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("Events are recorded inside the transaction of their change.")
    request = current_request()
    return {
        "event": event_type.name,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_label": actor.label[:LABEL_LENGTH],
        "target_kind": target.kind if target else "",
        "target_id": target.id if target else "",
        "target_label": target.label[:LABEL_LENGTH] if target else "",
        "result": result,
        "data": data,
        "ip": request.ip,
        "user_agent": request.user_agent,
        "request_id": request.request_id,
    }


def record_refused(
    event_type: EventType,
    *,
    actor: Principal,
    target: Target | None = None,
    data: dict[str, Any] | None = None,
    org_id: UUID | None = None,
) -> None:
    """Writes a refused attempt in a transaction of its own, which the refusal's rollback must not undo.

    Call it outside of the transaction that is refused.
    """
    with transaction.atomic():
        record(event_type, actor=actor, target=target, data=data, result=AuditEvent.Result.REFUSED, org_id=org_id)
