"""Which deliveries come next: those that are due, in turn between the endpoints, for this worker alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import orjson
import structlog
from django.db import connection, transaction
from django.utils import timezone

from config.kernel.crypto import UnreadableError
from config.kernel.statements import Prepared, prepared_by_index
from config.kernel.tenancy.scope import system_scope
from orgs.encryption import unseal
from webhooks.arrays import array_of
from webhooks.models import Endpoint
from webhooks.payloads import Message, messages_of
from webhooks.signing import Keys, keys_of

logger = structlog.get_logger()

# How long a worker that was killed keeps others from what it had taken. It must begin each early enough to end it.
LEASE = timedelta(seconds=90)
# So many endpoints are looked at for one claim; the next claim goes on behind them.
LOOKED_AT = 500
MOST_REMEMBERED = 5000
# Before the id of every endpoint.
BEGINNING = str(UUID(int=0))

# The endpoints that have something waiting are found by leaps through the index (endpoint_id, due_at), whatever the
# number of their deliveries is.
CLAIM = """
WITH RECURSIVE waiting (endpoint_id) AS (
    (
        SELECT d.endpoint_id FROM webhook_delivery d
        WHERE d.due_at IS NOT NULL AND d.endpoint_id > %(after)s::uuid ORDER BY d.endpoint_id LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT d.endpoint_id FROM webhook_delivery d
        WHERE d.due_at IS NOT NULL AND d.endpoint_id > w.endpoint_id ORDER BY d.endpoint_id LIMIT 1
    )
    FROM waiting w WHERE w.endpoint_id IS NOT NULL
),
looked_at AS (SELECT endpoint_id FROM waiting WHERE endpoint_id IS NOT NULL LIMIT %(looked_at)s::int),
picked AS (
    SELECT d.id, d.due_at, e.xmin::text || e.ctid::text AS version
    FROM looked_at
    JOIN webhook_endpoint e ON e.id = looked_at.endpoint_id
        AND e.state = 'enabled' AND (e.held_until IS NULL OR e.held_until <= %(now)s)
    JOIN orgs_organization o ON o.id = e.org_id AND o.status = 'active'
    CROSS JOIN LATERAL (
        SELECT due.id, due.due_at FROM webhook_delivery due
        WHERE due.endpoint_id = e.id AND due.due_at <= %(now)s
            AND (due.claimed_until IS NULL OR due.claimed_until <= %(now)s)
        ORDER BY due.due_at LIMIT COALESCE((%(rooms)s::jsonb ->> e.id::text)::int, %(room)s::int)
        FOR UPDATE SKIP LOCKED
    ) AS d
    LIMIT %(most)s::int
),
claimed AS (
    UPDATE webhook_delivery AS d SET claimed_until = %(until)s FROM picked WHERE d.id = picked.id
    RETURNING picked.version, d.id, d.endpoint_id, d.event_id, d.tries, d.attempts, d.due_at
)
SELECT (SELECT count(*) FROM looked_at), (SELECT max(endpoint_id::text) FROM looked_at),
    version, id::text, endpoint_id::text, event_id::text, tries, attempts
FROM (VALUES (1)) AS always (one) LEFT JOIN claimed ON true
ORDER BY due_at, id
"""
# Whoever has a row locked may have it for long, as when an endpoint with much that is pending is disabled.
RELEASE = """
UPDATE webhook_delivery SET claimed_until = NULL
WHERE id IN (
    SELECT id FROM webhook_delivery WHERE id = ANY(%s::uuid[]) AND claimed_until = %s ORDER BY id FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class Target:
    """An endpoint as it is called: its address, the headers that it wants, and what signs. Its repr tells ids only.

    `header_names` are in one text, with spaces between them.
    """

    id: str
    org_id: str
    url: str = field(repr=False)
    headers: tuple[str, ...] = field(repr=False)
    header_names: str = field(repr=False)
    keys: Keys = field(repr=False)


class Claim(NamedTuple):
    """A delivery that is this worker's until `until`. `message` is None when the ledger no longer has the record.

    Ids are texts in here: they are looked up many times for each delivery, and a UUID computes its hash each time.
    """

    id: str
    target: Target
    message: Message | None
    tries: int
    attempts: int
    until: datetime


class _Row(NamedTuple):
    """A delivery as it was claimed, with where the claim ended. `version` is that of its endpoint's row."""

    looked_at: int
    last: str
    version: str
    id: str
    endpoint_id: str
    event_id: str
    tries: int
    attempts: int


class Claims:
    """Takes deliveries, again and again, going round the endpoints. Keeps what it read of them until it changes."""

    def __init__(self) -> None:
        self._after = BEGINNING
        # By endpoint, with the version of its row; None for one whose secrets cannot be read as they are.
        self._targets: dict[str, tuple[str, Target | None]] = {}

    def take(self, most: int, *, room: int, rooms: Mapping[str, int] | None = None) -> list[Claim]:
        """Up to `most` deliveries that are due, and of one endpoint up to `room`, or what `rooms` says of it."""
        with system_scope("deliveries that are due of every organization"), prepared_by_index() as prepared:
            until = timezone.now() + LEASE
            began = self._after
            rows = self._claimed(prepared, most, room, rooms or {}, until)
            if not rows and began != BEGINNING:
                rows = self._claimed(prepared, most, room, rooms or {}, until)
            return self._read(prepared, rows, until) if rows else []

    def release(self, claims: list[Claim]) -> None:
        """Lets go of what was taken and not begun, so that others need not wait until the lease is over.

        What somebody else has locked is left to its lease.
        """
        with system_scope("deliveries that a worker does not get to"), transaction.atomic():
            for until in {claim.until for claim in claims}:
                with connection.cursor() as cursor:
                    cursor.execute(RELEASE, [array_of([claim.id for claim in claims if claim.until == until]), until])

    def _claimed(
        self, prepared: Prepared, most: int, room: int, rooms: Mapping[str, int], until: datetime
    ) -> list[_Row]:
        found = prepared.rows(
            CLAIM,
            {
                "after": self._after, "looked_at": LOOKED_AT, "now": until - LEASE, "until": until, "most": most,
                "room": room, "rooms": orjson.dumps(rooms).decode(),
            },
        )  # fmt: skip
        looked_at, last = found[0][:2]
        rows = [_Row._make(row) for row in found if row[2] is not None]
        if len(rows) == most:
            self._after = max(row.endpoint_id for row in rows)
        else:
            self._after = last if looked_at == LOOKED_AT else BEGINNING
        return rows

    def _read(self, prepared: Prepared, rows: list[_Row], until: datetime) -> list[Claim]:
        targets = self._targets_of(rows)
        messages = messages_of(prepared, {row.event_id for row in rows})
        return [
            Claim(row.id, targets[row.endpoint_id], messages.get(row.event_id), row.tries, row.attempts, until)
            for row in rows
            if row.endpoint_id in targets
        ]

    def _targets_of(self, rows: list[_Row]) -> dict[str, Target]:
        """By endpoint; without those whose secrets cannot be read, whose deliveries wait until the lease is over."""
        versions = {row.endpoint_id: row.version for row in rows}
        kept = self._targets
        changed = [each for each, version in versions.items() if kept.get(each, ("", None))[0] != version]
        if len(kept) + len(changed) > MOST_REMEMBERED:
            kept.clear()
            changed = list(versions)
        for endpoint in Endpoint.objects.filter(id__in=changed) if changed else ():
            key = str(endpoint.id)
            try:
                kept[key] = versions[key], _target(endpoint)
            except (UnreadableError, ValueError) as error:
                # A ValueError of what was sealed and is no secret might tell it.
                told = str(error) if isinstance(error, UnreadableError) else type(error).__name__
                kept[key] = versions[key], None
                logger.warning("secrets of an endpoint cannot be read", endpoint=endpoint.public_id, error=told)
        found = {each: kept[each][1] for each in versions if each in kept}
        return {each: target for each, target in found.items() if target is not None}


def _target(endpoint: Endpoint) -> Target:
    given = orjson.loads(unseal(endpoint, "headers")) if endpoint.headers else {}
    headers = tuple(f"{name}: {value}" for name, value in given.items())
    return Target(str(endpoint.id), str(endpoint.org_id), endpoint.url, headers, " ".join(given), keys_of(endpoint))
