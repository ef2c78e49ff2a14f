"""What attempts came to: their rows, what is next for each delivery, and how each endpoint fares. In batches."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import structlog
from django.db import connection, transaction

from config.kernel.statements import read_by_index
from config.kernel.tenancy.scope import system_scope, tenant_scope
from webhooks.claiming import Claim
from webhooks.ladder import next_attempt, patience
from webhooks.models import Attempt, Delivery, Endpoint
from webhooks.sending import Answer

logger = structlog.get_logger()

FAILING_FOR = timedelta(days=5)
LONGEST_DETAIL = Attempt._meta.get_field("detail").max_length
# Statuses by which a receiver asks for patience with all that is meant for it (RFC 6585, RFC 9110).
BUSY = frozenset({429, 503})

# First, and in one order: whoever disables or deletes an endpoint locks it before its deliveries, too. How it fares is
# read and written back, so no other worker may do the same meanwhile.
ENDPOINTS = """
SELECT id::text, state, failing_since, held_until FROM webhook_endpoint
WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""
FARINGS = """
UPDATE webhook_endpoint AS e SET failing_since = found.failing_since, held_until = found.held_until
FROM json_to_recordset(%s::json) AS found (endpoint uuid, failing_since timestamptz, held_until timestamptz)
WHERE e.id = found.endpoint
"""
# A delivery that somebody has given up meanwhile stays so, and one that was put on the ladder anew stays due, unless it
# was delivered after all.
_COUNTS = "(result.state = 'delivered' OR (d.state = 'pending' AND d.tries = result.tries))"
RESULTS = f"""
WITH result AS (
    SELECT * FROM json_to_recordset(%s::json) AS result (
        delivery uuid, organization uuid, attempt uuid, began timestamptz, ended timestamptz, number int, outcome text,
        status int, milliseconds int, detail text, response text, state text, due timestamptz,
        tries int, until timestamptz
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
        -- Another worker has it by now, if the lease was over.
        claimed_until = CASE WHEN d.claimed_until IS DISTINCT FROM result.until THEN d.claimed_until END,
        attempts = result.number, last_outcome = result.outcome, last_status = result.status,
        updated_at = result.ended
    FROM result WHERE d.id = result.delivery
    RETURNING d.id
)
INSERT INTO webhook_attempt (
    id, org_id, created_at, delivery_id, number, outcome, status, milliseconds, detail, response
)
SELECT attempt, organization, began, delivery, number, outcome, status, milliseconds, detail, response
FROM result JOIN changed ON changed.id = result.delivery
ON CONFLICT (id) DO NOTHING -- a commit whose answer was lost is repeated
"""  # noqa: S608 - a condition of ours
HOURS = """
INSERT INTO webhook_endpoint_hour AS kept (
    id, org_id, created_at, updated_at, endpoint_id, hour, delivered, failed, milliseconds, slowest
)
SELECT gen_random_uuid(), e.org_id, now(), now(), e.id, made.hour, made.delivered, made.failed, made.milliseconds,
    made.slowest
FROM json_to_recordset(%s::json) AS made (
    endpoint uuid, hour timestamptz, delivered int, failed int, milliseconds bigint, slowest int
)
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


class Result(NamedTuple):
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

    @property
    def judgement(self) -> tuple[datetime | None, datetime | None]:
        """What is kept of it."""
        return self.failing_since, self.held_until

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
        read_by_index()
        found = _farings({result.claim.target.id for result in results})
        before = {each: faring.judgement for each, faring in found.items()}
        for result in results:
            if result.claim.target.id in found:
                found[result.claim.target.id].add(result)
        with connection.cursor() as cursor:
            if changed := [each for each, faring in found.items() if before[each] != faring.judgement]:
                cursor.execute(FARINGS, [_fared(changed, found)])
            cursor.execute(RESULTS, [_rows(results)])
            cursor.execute(HOURS, [_hours(results)])
    _disable(results, found)


def give_up(claims: list[Claim], now: datetime) -> None:
    """Ends deliveries of records that the ledger no longer has."""
    if claims:
        with system_scope("deliveries of records that are gone"), connection.cursor() as cursor:
            cursor.execute(LOST, [now, now, [claim.id for claim in claims]])


def _farings(endpoints: set[str]) -> dict[str, _Faring]:
    with connection.cursor() as cursor:
        cursor.execute(ENDPOINTS, [list(endpoints)])
        return {row[0]: _Faring(*row[1:]) for row in cursor.fetchall()}


def _fared(endpoints: list[str], found: dict[str, _Faring]) -> str:
    """What is to be kept of those endpoints, as JSON."""
    rows = []
    for endpoint_id in endpoints:
        failing_since, held_until = found[endpoint_id].judgement
        rows.append({"endpoint": endpoint_id, "failing_since": failing_since, "held_until": held_until})
    return orjson.dumps(rows).decode()


def _rows(results: list[Result]) -> str:
    """The results as JSON, which is by far the cheapest way to hand many rows over."""
    rows = []
    for result in sorted(results, key=_delivery_of):
        claim, answer = result.claim, result.answer
        due = None if result.succeeded else next_attempt(claim.tries + 1, result.ended, answer.retry_after)
        pending = Delivery.State.FAILED if due is None else Delivery.State.PENDING
        rows.append(
            {
                "delivery": claim.id,
                "organization": claim.target.org_id,
                "attempt": result.attempt_id,
                "began": result.began,
                "ended": result.ended,
                "number": claim.attempts + 1,
                "outcome": answer.outcome.value,
                "status": answer.status,
                "milliseconds": answer.milliseconds,
                "detail": answer.detail[:LONGEST_DETAIL],
                "response": answer.response,
                "state": Delivery.State.DELIVERED.value if result.succeeded else pending.value,
                "due": due,
                "tries": claim.tries,
                "until": claim.until,
            }
        )
    return orjson.dumps(rows).decode()


def _delivery_of(result: Result) -> str:
    return result.claim.id


def _hours(results: list[Result]) -> str:
    """What is to be added for each endpoint and hour, as JSON."""
    found: dict[tuple[str, datetime], dict[str, Any]] = {}
    for result in results:
        endpoint, hour = result.claim.target.id, result.began.replace(minute=0, second=0, microsecond=0)
        milliseconds = result.answer.milliseconds
        row = found.get((endpoint, hour))
        if row is None:
            row = {"endpoint": endpoint, "hour": hour, "delivered": 0, "failed": 0, "milliseconds": 0, "slowest": 0}
            found[endpoint, hour] = row
        row["delivered" if result.succeeded else "failed"] += 1
        row["milliseconds"] += milliseconds
        row["slowest"] = max(row["slowest"], milliseconds)
    return orjson.dumps([found[pair] for pair in sorted(found)]).decode()


def _disable(results: list[Result], found: dict[str, _Faring]) -> None:
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
        if cause is None:
            continue
        try:
            with tenant_scope(UUID(owners[endpoint_id])):
                disable_for(endpoint_id=UUID(endpoint_id), cause=cause)
        except Exception:
            logger.warning("an endpoint could not be disabled", endpoint=endpoint_id, exc_info=True)
