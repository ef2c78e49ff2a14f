"""What attempts came to: their rows, what is next for each delivery, and how each endpoint fares. In batches."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from django.db import connection

from config.kernel.statements import Prepared, prepared_by_index
from config.kernel.tenancy.scope import system_scope, tenant_scope
from webhooks.answers import Answer
from webhooks.arrays import array_of, array_of_texts
from webhooks.claiming import Claim
from webhooks.ladder import JITTER, LONGEST_PATIENCE, RETRY_SECONDS, next_attempt, patience
from webhooks.models import Attempt, Delivery, Endpoint, EndpointHour

logger = structlog.get_logger()

# Members of enumerations are looked up by a function, each time.
DELIVERED, GONE = Attempt.Outcome.DELIVERED, Attempt.Outcome.GONE
IS_DELIVERED, IS_PENDING, HAS_FAILED = (
    state.value for state in (Delivery.State.DELIVERED, Delivery.State.PENDING, Delivery.State.FAILED)
)
HOUR = timedelta(hours=1)
FAILING_FOR = timedelta(days=5)
# Between two failures of one delivery, also one whose endpoint is held meanwhile, there lies no longer time; and they
# are known to the hour.
LONGEST_GAP = timedelta(seconds=RETRY_SECONDS[-1] * (1 + JITTER) + LONGEST_PATIENCE, hours=1)
LONGEST_DETAIL = Attempt._meta.get_field("detail").max_length
# Statuses by which a receiver asks for patience with all that is meant for it (RFC 6585, RFC 9110).
BUSY = frozenset({429, 503})

# First, and in one order: whoever disables or deletes an endpoint locks it before its deliveries, too. How it fares is
# read and written back, so no other worker may do the same meanwhile.
ENDPOINTS = """
SELECT id::text, url, state, failing_since, held_until FROM webhook_endpoint
WHERE id = ANY(%s::uuid[]) ORDER BY id FOR NO KEY UPDATE
"""
FREE_ENDPOINTS = f"{ENDPOINTS} SKIP LOCKED"
EXISTING = "SELECT id::text FROM webhook_endpoint WHERE id = ANY(%s::uuid[])"
FARINGS = """
UPDATE webhook_endpoint AS e SET failing_since = found.failing_since, held_until = found.held_until
FROM unnest(%s::uuid[], %s::timestamptz[], %s::timestamptz[]) AS found (endpoint, failing_since, held_until)
WHERE e.id = found.endpoint
"""
# A delivery that somebody has given up meanwhile stays so, and one that was put on the ladder anew stays due, unless it
# was delivered after all.
_COUNTS = "(result.state = 'delivered' OR (d.state = 'pending' AND d.tries = result.tries))"
# Another attempt may be written since this one was taken, by whoever took the delivery when the lease was over.
_IS_NEXT = "d.attempts < result.number"
RESULTS = f"""
WITH result AS (
    SELECT * FROM unnest(
        %s::uuid[], %s::uuid[], %s::timestamptz[], %s::timestamptz[], %s::int[], %s::text[], %s::int[], %s::int[],
        %s::text[], %s::timestamptz[], %s::int[], %s::timestamptz[], %s::int[], %s::int[], %s::int[],
        %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]
    ) AS result (
        delivery, attempt, began, ended, number, outcome, status, milliseconds,
        state, due, tries, until, connected_after, secured_after, answered_after,
        detail, response, url, header_names, response_headers
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
        attempts = CASE
            WHEN {_IS_NEXT} THEN result.number
            WHEN EXISTS (SELECT FROM webhook_attempt a WHERE a.delivery_id = d.id AND a.id = result.attempt)
                THEN d.attempts -- a commit whose answer was lost is repeated
            ELSE d.attempts + 1
        END,
        last_outcome = CASE
            WHEN {_IS_NEXT} OR result.state = 'delivered' THEN result.outcome ELSE d.last_outcome
        END,
        last_status = CASE WHEN {_IS_NEXT} OR result.state = 'delivered' THEN result.status ELSE d.last_status END,
        updated_at = result.ended
    FROM result WHERE d.id = result.delivery
    RETURNING d.org_id, d.attempts, result.*
)
INSERT INTO webhook_attempt (
    id, org_id, created_at, delivery_id, number, outcome, status, milliseconds, detail, response,
    url, header_names, response_headers, connected_after, secured_after, answered_after
)
SELECT attempt, org_id, began, delivery, attempts, outcome, status, milliseconds, detail, response,
    url, header_names, response_headers, connected_after, secured_after, answered_after
FROM changed
ON CONFLICT (delivery_id, id) DO NOTHING
"""  # noqa: S608 - a condition of ours
HOURS = """
INSERT INTO webhook_endpoint_hour AS kept (
    id, org_id, created_at, updated_at, endpoint_id, hour, delivered, failed, milliseconds, slowest
)
SELECT gen_random_uuid(), e.org_id, now(), now(), e.id, made.hour, made.delivered, made.failed, made.milliseconds,
    made.slowest
FROM unnest(%s::uuid[], %s::timestamptz[], %s::int[], %s::int[], %s::bigint[], %s::int[])
    AS made (endpoint, hour, delivered, failed, milliseconds, slowest)
JOIN webhook_endpoint e ON e.id = made.endpoint
ON CONFLICT (endpoint_id, hour) DO UPDATE SET
    delivered = kept.delivered + excluded.delivered, failed = kept.failed + excluded.failed,
    milliseconds = kept.milliseconds + excluded.milliseconds, slowest = greatest(kept.slowest, excluded.slowest),
    updated_at = excluded.updated_at
"""
# The last columns of RESULTS, which may need escapes.
TEXTS = 5
LOST = """
UPDATE webhook_delivery SET state = 'failed', due_at = NULL, claimed_until = NULL, finished_at = %s, updated_at = %s
WHERE id = ANY(%s::uuid[]) AND state = 'pending'
"""


class Result(NamedTuple):
    """An attempt that has ended. `attempt_id` tells when it `began`, and is made then."""

    claim: Claim
    answer: Answer
    attempt_id: str
    began: datetime
    ended: datetime

    @property
    def succeeded(self) -> bool:
        """Whether it delivered."""
        return self.answer.outcome is DELIVERED


@dataclass(slots=True)
class _Faring:
    """What the results of one endpoint say of it."""

    url: str
    state: str
    failing_since: datetime | None
    held_until: datetime | None
    is_gone: bool = False

    @property
    def judgement(self) -> tuple[datetime | None, datetime | None]:
        """What is kept of it."""
        return self.failing_since, self.held_until

    def add(self, result: Result) -> None:
        """The next result, in the order in which they ended. What another address answered says nothing of it."""
        answer = result.answer
        if result.claim.target.url != self.url:
            return
        if result.succeeded:
            self.failing_since = None
            return
        self.failing_since = self.failing_since or result.began
        self.is_gone = self.is_gone or answer.outcome is GONE
        if answer.status in BUSY and answer.retry_after:
            until = result.ended + timedelta(seconds=patience(answer.retry_after))
            self.held_until = max(self.held_until or until, until)


def record_results(results: list[Result], *, waits: bool = True) -> list[Result]:
    """Writes what attempts came to, in one transaction, and disables endpoints that want, or take, nothing any more.

    Deliveries that were deleted meanwhile are passed over. Who does not wait gets back what is not written, since
    somebody else has the row of its endpoint, for however long.
    """
    results = sorted(results, key=lambda result: result.ended)
    left: list[Result] = []
    with system_scope("what became of deliveries of every organization"), prepared_by_index() as prepared:
        wanted = {result.claim.target.id for result in results}
        found = _farings(prepared, wanted, ENDPOINTS if waits else FREE_ENDPOINTS)
        if not waits and (missing := wanted - found.keys()):
            locked = {row[0] for row in prepared.rows(EXISTING, [array_of(list(missing))])}
            left = [result for result in results if result.claim.target.id in locked]
            results = [result for result in results if result.claim.target.id not in locked]
        if not results:
            return left
        before = {each: faring.judgement for each, faring in found.items()}
        for result in results:
            if result.claim.target.id in found:
                found[result.claim.target.id].add(result)
        if changed := [each for each, faring in found.items() if before[each] != faring.judgement]:
            prepared.run(FARINGS, _fared(changed, found))
        prepared.run(RESULTS, _columns(results))
        prepared.run(HOURS, _hours(results))
    _disable(results, found)
    return left


def give_up(claims: list[Claim], now: datetime) -> None:
    """Ends deliveries of records that the ledger no longer has."""
    if claims:
        with system_scope("deliveries of records that are gone"), connection.cursor() as cursor:
            cursor.execute(LOST, [now, now, array_of([claim.id for claim in claims])])


def _farings(prepared: Prepared, endpoints: set[str], statement: str) -> dict[str, _Faring]:
    return {row[0]: _Faring(*row[1:]) for row in prepared.rows(statement, [array_of(list(endpoints))])}


def _fared(endpoints: list[str], found: dict[str, _Faring]) -> list[str]:
    """What is to be kept of those endpoints, as columns."""
    judgements = [found[endpoint_id].judgement for endpoint_id in endpoints]
    return [array_of(column) for column in (endpoints, *zip(*judgements, strict=True))]


def _columns(results: list[Result]) -> list[str]:
    """The results, in the order in which their deliveries are locked."""
    rows = [_row(result) for result in sorted(results, key=_delivery_of)]
    columns = list(zip(*rows, strict=True))
    return [*map(array_of, columns[:-TEXTS]), *map(array_of_texts, columns[-TEXTS:])]


def _delivery_of(result: Result) -> str:
    return result.claim.id


def _row(result: Result) -> tuple[Any, ...]:
    claim, answer = result.claim, result.answer
    if result.succeeded:
        state, due = IS_DELIVERED, None
    else:
        due = next_attempt(claim.tries + 1, result.ended, answer.retry_after)
        state = HAS_FAILED if due is None else IS_PENDING
    return (
        claim.id, result.attempt_id, result.began, result.ended, claim.attempts + 1, answer.outcome, answer.status,
        answer.milliseconds, state, due, claim.tries, claim.until, answer.connected_after, answer.secured_after,
        answer.answered_after, answer.detail[:LONGEST_DETAIL], answer.response, answer.call.url,
        claim.target.header_names, answer.headers,
    )  # fmt: skip


def _hours(results: list[Result]) -> list[str]:
    """What is to be added for each endpoint and hour, as columns."""
    found: dict[tuple[str, datetime], list[int]] = {}
    hour = results[0].began
    end = hour
    for result in results:
        began, milliseconds = result.began, result.answer.milliseconds
        if not hour <= began < end:
            hour = began.replace(minute=0, second=0, microsecond=0)
            end = hour + HOUR
        counts = found.setdefault((result.claim.target.id, hour), [0, 0, 0, 0])
        counts[0 if result.succeeded else 1] += 1
        counts[2] += milliseconds
        counts[3] = max(counts[3], milliseconds)
    # In one order, so that two workers do not wait for each other.
    rows = [(*pair, *counts) for pair, counts in sorted(found.items())]
    return [array_of(column) for column in zip(*rows, strict=True)]


def _disable(results: list[Result], found: dict[str, _Faring]) -> None:
    """Those that answered 410, or failed for five days."""
    from webhooks.services.endpoints import disable_for

    latest = results[-1].ended
    owners = {result.claim.target.id: result.claim.target.org_id for result in results}
    for endpoint_id, faring in found.items():
        if faring.state != Endpoint.State.ENABLED:
            continue
        has_failed = faring.failing_since is not None and latest - faring.failing_since >= FAILING_FOR
        if not (faring.is_gone or has_failed):
            continue
        cause = Endpoint.Cause.GONE if faring.is_gone else Endpoint.Cause.FAILING
        try:
            with tenant_scope(UUID(owners[endpoint_id])):
                if faring.is_gone or _fails_steadily(endpoint_id, latest):
                    disable_for(endpoint_id=UUID(endpoint_id), url=faring.url, cause=cause)
        except Exception:
            logger.warning("an endpoint could not be disabled", endpoint=endpoint_id, exc_info=True)


def _fails_steadily(endpoint_id: str, latest: datetime) -> bool:
    """Whether failures follow each other for five days until then: two with weeks between them tell of no five days."""
    since = latest - FAILING_FOR
    failed = EndpointHour.objects.filter(endpoint_id=endpoint_id, failed__gt=0, hour__gte=since - LONGEST_GAP)
    hours = [*failed.order_by("hour").values_list("hour", flat=True)]
    if not hours or hours[0] > since:
        return False
    return all(after - before <= LONGEST_GAP for before, after in pairwise([*hours, latest]))
