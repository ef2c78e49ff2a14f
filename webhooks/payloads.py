"""What receivers get: an event as JSON, in every attempt the same bytes."""

import json
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from audit.models import AuditEvent
from config.kernel.identifiers import public_id


class Record(NamedTuple):
    """A record of the ledger, without what it costs to make a model of it."""

    id: UUID
    org_id: UUID
    created_at: datetime
    event: str
    actor_kind: str
    actor_id: str
    actor_label: str
    target_kind: str
    target_id: str
    target_label: str
    result: str
    data: dict[str, Any]
    ip: str | None
    user_agent: str
    request_id: str


def kept_payload(event_id: UUID) -> bytes | None:
    """The body of deliveries of an event of the organization in scope; None when the ledger no longer has it."""
    record = AuditEvent.objects.filter(id=event_id).first()
    return payload_of(record) if record else None


def payload_of(record: AuditEvent | Record, message_id: str = "") -> bytes:
    """The body of a delivery: `{"type", "timestamp", "data"}` (Standard Webhooks), `data` being the whole record.

    Give the record's public id if you have it: making one costs more than the rest.
    """
    target = {"kind": record.target_kind, "id": record.target_id, "label": record.target_label}
    body = {
        "type": record.event,
        "timestamp": record.created_at,
        "data": {
            "id": message_id or public_id("evt", record.id),
            "organization_id": _organization(record.org_id),
            "actor": {"kind": record.actor_kind, "id": record.actor_id, "label": record.actor_label},
            "target": target if record.target_kind else None,
            "result": record.result,
            "data": record.data,
            "ip": record.ip,
            "user_agent": record.user_agent,
            "request_id": record.request_id,
            "created_at": record.created_at,
        },
    }
    try:
        return orjson.dumps(body, option=orjson.OPT_UTC_Z)
    except TypeError:  # an integer of more than 64 bits, which the ledger may hold
        return json.dumps(body, default=_in_text, ensure_ascii=False, separators=(",", ":")).encode()


@lru_cache(maxsize=1000)
def _organization(organization_id: UUID) -> str:
    return public_id("org", organization_id)


def _in_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} has no place in a payload.")
