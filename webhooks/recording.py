"""What attempts came to: their rows, what is next for each delivery, and how each endpoint fares. In batches."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from config.kernel.tenancy.scope import system_scope, tenant_scope
from webhooks.claiming import Claim
from webhooks.ladder import next_attempt, patience
from webhooks.models import Attempt, Delivery, Endpoint
from webhooks.sending import Answer

FAILING_FOR = timedelta(days=5)
LONGEST_DETAIL = 300
# Statuses by which a receiver asks for patience with all that is meant for it (RFC 6585, RFC 9110).
BUSY = frozenset({429, 503})

# First, and in one order: whoever disables or deletes an endpoint locks it before its deliveries, too.
ENDPOINTS = """
SELECT id, state, failing_since, held_until FROM webhook_endpoint
WHERE id = ANY(%s::uuid[]) ORDER BY id FOR KEY SHARE
"""
FARING = "UPDATE webhook_endpoint SET failing_since = %s, held_until = %s WHERE id = %s"
# A delivery that somebody has given up meanwhile stays so, and one that was put on the ladder anew stays due, unless it
# was delivered after all.
_COUNTS = "(result.state = 'delivered' OR (d.state = 'pending' AND d.tries = result.tries))"
RESULTS = f"""
WITH result AS (
    SELECT * FROM unnest(
        %(deliveries)s::uuid[], %(organizations)s::uuid[], %(attempts)s::uuid[], %(began)s::timestamptz[],
        %(ended)s::timestamptz[], %(numbers)s::int[], %(outcomes)s::text[], %(statuses)s::int[],
        %(milliseconds)s::int[], %(details)s::text[], %(responses)s::text[], %(states)s::text[],
        %(due)s::timestamptz[], %(tries)s::int[]
    ) AS result (
        delivery, organization, attempt, began, ended, number, outcome, status, milliseconds, detail, response, state,
        due, tries
    )
),
changed AS (
    UPDATE webhook_delivery AS d
    SET state = CASE WHEN {_COUNTS} THEN result.state ELSE d.state END,
        due_at = CASE WHEN {_COUNTS} THEN result.due ELSE d.due_at END,
        finished_at = CASE
            WHEN NOT {_COUNTS} THEN d.finished_at
            WHEN result.due IS NULL THEN result.ended
        END,
        tries = CASE WHEN d.tries = result.tries THEN d.tries + 1 ELSE d.tries END,
        claimed_until = NULL, attempts = result.number, last_outcome = result.outcome, last_status = result.status,
        updated_at = result.ended
    FROM result WHERE d.id = result.delivery
    RETURNING d.id
)
INSERT INTO webhook_attempt (
    id, org_id, created_at, delivery_id, number, outcome, status, milliseconds, detail, response
)
SELECT attempt, organization, began, delivery, number, outcome, status, milliseconds, detail, response
FROM result JOIN changed ON changed.id = result.delivery
"""  # noqa: S608 - a condition of ours
HOURS = """
INSERT INTO webhook_endpoint_hour AS kept (
    id, org_id, created_at, updated_at, endpoint_id, hour, delivered, failed, milliseconds, slowest
)
SELECT gen_random_uuid(), e.org_id, now(), now(), e.id, made.hour, made.delivered, made.failed, made.milliseconds,
    made.slowest
FROM unnest(
    %(endpoints)s::uuid[], %(hours)s::timestamptz[], %(delivered)s::int[], %(failed)s::int[],
    %(milliseconds)s::bigint[], %(slowest)s::int[]
) AS made (endpoint, hour, delivered, failed, milliseconds, slowest)
JOIN webhook_endpoint e ON e.id = made.endpoint
ON CONFLICT (endpoint_id, hour) DO UPDATE SET
    delivered = kept.delivered + excluded.delivered, failed = kept.failed + excluded.failed,
    milliseconds = kept.milliseconds + excluded.milliseconds, slowest = greatest(kept.slowest, excluded.slowest),
    updated_at = excluded.updated_at
"""
LOST = """
UPDATE webhook_delivery SET state = 'failed', due_at = NULL, claimed_until = NULL, finished_at = %s, updated_at = %s
WHERE id = ANY(%s::uuid[]) AND state = 'pending'
"""


@dataclass(frozen=True, slots=True)
class Result:
    """An attempt that has ended. `attempt_id` tells when it `began`, and is made then."""

    claim: Claim
    answer: Answer
    attempt_id: UUID
    began: datetime
    ended: datetime

    @property
    def succeeded(self) -> bool:
        """Whether it delivered."""
        return self.answer.outcome == Attempt.Outcome.DELIVERED


@dataclass(slots=True)
class _Faring:
    """What the results of one endpoint say of it."""

    state: str
    failing_since: datetime | None
    held_until: datetime | None
    is_gone: bool = False

    def add(self, result: Result) -> None:
        """The next result, in the order in which they ended."""
        answer = result.answer
        if result.succeeded:
            self.failing_since = None
            return
        self.failing_since = self.failing_since or result.began
        self.is_gone = self.is_gone or answer.outcome == Attempt.Outcome.GONE
        if answer.status in BUSY and answer.retry_after:
            until = result.ended + timedelta(seconds=patience(answer.retry_after))
            self.held_until = max(self.held_until or until, until)


def record_results(results: list[Result]) -> None:
    """Writes what attempts came to, in one transaction, and disables endpoints that want, or take, nothing any more.

    Deliveries that were deleted meanwhile are passed over.
    """
    if not results:
        return
    results = sorted(results, key=lambda result: result.ended)
    with system_scope("what became of deliveries of every organization"), transaction.atomic():
        found = _farings({result.claim.target.id for result in results})
        before = {each: (faring.failing_since, faring.held_until) for each, faring in found.items()}
        for result in results:
            if result.claim.target.id in found:
                found[result.claim.target.id].add(result)
        with connection.cursor() as cursor:
            for endpoint_id, faring in found.items():
                if before[endpoint_id] != (faring.failing_since, faring.held_until):
                    cursor.execute(FARING, [faring.failing_since, faring.held_until, endpoint_id])
            cursor.execute(RESULTS, _columns(results))
            cursor.execute(HOURS, _hours(results))
    _disable(results, found)


def give_up(claims: list[Claim], now: datetime) -> None:
    """Ends deliveries of records that the ledger no longer has."""
    if claims:
        with system_scope("deliveries of records that are gone"), connection.cursor() as cursor:
            cursor.execute(LOST, [now, now, [claim.id for claim in claims]])


def _farings(endpoints: set[UUID]) -> dict[UUID, _Faring]:
    with connection.cursor() as cursor:
        cursor.execute(ENDPOINTS, [list(endpoints)])
        return {row[0]: _Faring(*row[1:]) for row in cursor.fetchall()}


def _columns(results: list[Result]) -> dict[str, list[Any]]:
    columns = defaultdict[str, list[Any]](list)
    for result in sorted(results, key=lambda each: each.claim.id):
        claim, answer = result.claim, result.answer
        due = None if result.succeeded else next_attempt(claim.tries + 1, result.ended, answer.retry_after)
        pending = Delivery.State.FAILED if due is None else Delivery.State.PENDING
        row = {
            "deliveries": claim.id,
            "organizations": claim.target.org_id,
            "attempts": result.attempt_id,
            "began": result.began,
            "ended": result.ended,
            "numbers": claim.attempts + 1,
            "outcomes": str(answer.outcome),
            "statuses": answer.status,
            "milliseconds": answer.milliseconds,
            "details": answer.detail[:LONGEST_DETAIL],
            "responses": answer.response,
            "states": str(Delivery.State.DELIVERED if result.succeeded else pending),
            "due": due,
            "tries": claim.tries,
        }
        for name, value in row.items():
            columns[name].append(value)
    return columns


def _hours(results: list[Result]) -> dict[str, list[Any]]:
    """Delivered, failed, milliseconds, slowest of each endpoint and hour."""
    found = defaultdict[tuple[UUID, datetime], list[int]](lambda: [0, 0, 0, 0])
    for result in results:
        milliseconds = result.answer.milliseconds
        counts = found[result.claim.target.id, result.began.replace(minute=0, second=0, microsecond=0)]
        counts[0 if result.succeeded else 1] += 1
        counts[2] += milliseconds
        counts[3] = max(counts[3], milliseconds)
    pairs = sorted(found)
    names = ("delivered", "failed", "milliseconds", "slowest")
    return {
        "endpoints": [endpoint for endpoint, _hour in pairs],
        "hours": [hour for _endpoint, hour in pairs],
        **{name: [found[pair][place] for pair in pairs] for place, name in enumerate(names)},
    }


def _disable(results: list[Result], found: dict[UUID, _Faring]) -> None:
    """Those that answered 410, or failed for five days."""
    from webhooks.services.endpoints import disable_for

    latest = results[-1].ended
    owners = {result.claim.target.id: result.claim.target.org_id for result in results}
    for endpoint_id, faring in found.items():
        if faring.state != Endpoint.State.ENABLED:
            continue
        cause = None
        if faring.is_gone:
            cause = Endpoint.Cause.GONE
        elif faring.failing_since is not None and latest - faring.failing_since >= FAILING_FOR:
            cause = Endpoint.Cause.FAILING
        if cause is not None:
            with tenant_scope(owners[endpoint_id]):
                disable_for(endpoint_id=endpoint_id, cause=cause)
