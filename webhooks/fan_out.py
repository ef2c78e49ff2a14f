"""From events to deliveries: each entry of the outbox becomes a delivery for every endpoint that wants its event."""

from collections import defaultdict
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import system_scope
from webhooks.patterns import is_wanted

BATCH = 500

TAKE = """
DELETE FROM webhook_outbox AS entry
USING (
    SELECT id FROM webhook_outbox WHERE org_id <> ALL(%s::uuid[]) ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
) AS next
WHERE entry.id = next.id
RETURNING entry.id
"""
RECORDS = """
SELECT id, org_id, event, target_kind, target_id, data ->> 'project'
FROM audit_event WHERE id = ANY(%s::uuid[])
"""
# Locked against being disabled or deleted until the deliveries are there.
ENDPOINTS = """
SELECT org_id, id, project_id, events FROM webhook_endpoint
WHERE org_id = ANY(%s::uuid[]) AND state = 'enabled' ORDER BY id FOR KEY SHARE SKIP LOCKED
"""
# Organizations an endpoint of which somebody else has locked.
BUSY = """
SELECT DISTINCT org_id FROM webhook_endpoint
WHERE org_id = ANY(%s::uuid[]) AND state = 'enabled' AND id <> ALL(%s::uuid[])
"""
INSERT = """
INSERT INTO webhook_delivery (
    id, org_id, created_at, updated_at, endpoint_id, event_id, event, state, due_at, tries, attempts, last_outcome
)
SELECT id, org_id, %(now)s, %(now)s, endpoint_id, event_id, event, 'pending', %(now)s, 0, 0, ''
FROM unnest(
    %(ids)s::uuid[], %(organizations)s::uuid[], %(endpoints)s::uuid[], %(records)s::uuid[], %(events)s::text[]
) AS made (id, org_id, endpoint_id, event_id, event)
ON CONFLICT (endpoint_id, event_id) DO NOTHING
"""


class _Happening(NamedTuple):
    """A record, as far as patterns and projects are concerned."""

    id: UUID
    org_id: UUID
    event: str
    target_kind: str
    target_id: str
    data: dict[str, Any]


class _Wish(NamedTuple):
    """What one endpoint wants to hear of."""

    endpoint_id: UUID
    project_id: UUID | None
    patterns: frozenset[str]


class _Busy(Exception):
    """Endpoints of these organizations are being changed."""

    def __init__(self, organizations: list[UUID]) -> None:
        super().__init__(organizations)
        self.organizations = organizations


def fan_out(batch: int = BATCH) -> int:
    """Makes the deliveries of the next `batch` entries of the outbox, in one transaction. Returns how many entries.

    Several workers may do so at once. Fewer than `batch`: nothing is left that nobody else works on, and nothing but
    that of organizations whose endpoints are being changed at this moment. However long that takes, no other waits.
    """
    busy: list[UUID] = []
    while True:
        try:
            return _fan_out(batch, busy)
        except _Busy as found:
            busy += found.organizations


def _fan_out(batch: int, passed_over: list[UUID]) -> int:
    """Raises _Busy, and nothing is done."""
    with system_scope("events to deliver of every organization"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TAKE, [passed_over, batch])
        taken = [row[0] for row in cursor.fetchall()]
        if not taken:
            return 0
        cursor.execute(RECORDS, [taken])
        happenings = [
            _Happening._make((*row[:-1], {"project": row[-1]}))
            for row in sorted(cursor.fetchall(), key=lambda row: row[0])
        ]
        organizations = list({happening.org_id for happening in happenings})
        cursor.execute(ENDPOINTS, [organizations])
        endpoints = cursor.fetchall()
        cursor.execute(BUSY, [organizations, [endpoint_id for _, endpoint_id, *_ in endpoints]])
        if busy := [row[0] for row in cursor.fetchall()]:
            raise _Busy(busy)
        wishes = defaultdict[UUID, list[_Wish]](list)
        for org_id, endpoint_id, project_id, patterns in endpoints:
            wishes[org_id].append(_Wish(endpoint_id, project_id, frozenset(patterns)))
        made = [
            (new_id(), happening.org_id, wish.endpoint_id, happening.id, happening.event)
            for happening in happenings
            for wish in wishes[happening.org_id]
            if is_wanted(happening, patterns=wish.patterns, project_id=wish.project_id)
        ]
        if made:
            names = ("ids", "organizations", "endpoints", "records", "events")
            columns = {name: list(column) for name, column in zip(names, zip(*made, strict=True), strict=True)}
            cursor.execute(INSERT, {"now": timezone.now(), **columns})
        return len(taken)
