"""What receivers get: an event as JSON, in every attempt the same bytes."""

from collections.abc import Collection
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from django.db import connection

from config.kernel.identifiers import public_id_of_text
from config.kernel.statements import Prepared
from webhooks.arrays import array_of

# Past the models: making one of each record costs more than the delivery. Most columns come as they are written.
RECORDS = """
SELECT id::text, org_id::text, created_at::text, event, actor_kind, actor_id, actor_label, target_kind, target_id,
    target_label, result, data::text, host(ip), user_agent, request_id
FROM audit_event WHERE id = ANY(%(ids)s::uuid[]) AND id BETWEEN %(first)s::uuid AND %(last)s::uuid
    AND created_at BETWEEN '0001-01-02' AND '9999-12-30'
"""  # The range of ids tells a prepared statement which months to read; that of times leaves out what nobody can read.


class Message(NamedTuple):
    """What is sent: its `webhook-id`, and the body."""

    id: str
    body: bytes


def messages_of(prepared: Prepared, records: Collection[str]) -> dict[str, Message]:
    """By the id of each record which the ledger has, whosever it is: at least one, ids as texts. One query.

    A body is `{"type", "timestamp", "data"}` (Standard Webhooks), `data` being the whole record.
    """
    return {row[0]: _message(row) for row in prepared.rows(RECORDS, _which(records))}


def kept_payload(event_id: UUID) -> bytes | None:
    """The body of deliveries of an event of the organization in scope; None when the ledger no longer has it."""
    with connection.cursor() as cursor:
        cursor.execute(RECORDS, _which([str(event_id)]))
        row = cursor.fetchone()
    return _message(row).body if row else None


def _which(records: Collection[str]) -> dict[str, str]:
    return {"ids": array_of(list(records)), "first": min(records), "last": max(records)}


def _message(row: tuple[Any, ...]) -> Message:
    record_id, organization_id, created_at, event, actor_kind, actor_id, actor_label = row[:7]
    target_kind, target_id, target_label, result, data, ip, user_agent, request_id = row[7:]
    message_id = public_id_of_text("evt", record_id)
    moment = datetime.fromisoformat(created_at)
    body = {
        "type": event,
        "timestamp": moment,
        "data": {
            "id": message_id,
            "organization_id": _organization(organization_id),
            "actor": {"kind": actor_kind, "id": actor_id, "label": actor_label},
            "target": {"kind": target_kind, "id": target_id, "label": target_label} if target_kind else None,
            "result": result,
            # As PostgreSQL writes it: numbers keep all their digits.
            "data": orjson.Fragment(data),
            "ip": ip,
            "user_agent": user_agent,
            "request_id": request_id,
            "created_at": moment,
        },
    }
    return Message(message_id, orjson.dumps(body, option=orjson.OPT_UTC_Z))


@lru_cache(maxsize=1000)
def _organization(organization_id: str) -> str:
    return public_id_of_text("org", organization_id)
