"""One transaction for the requests of many organizations: events, counts by day, counts by month, warnings.

Whoever writes holds the month's row of each organization it writes for, taken in the order of their ids and before
anything else. So the quota is exact among any number of processes, nobody waits for somebody who waits for them, and
what was accepted is committed with what it adds to the counts, or not at all.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from threading import Event as Signal
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.utils import timezone

from audit.services import Target, record
from config.kernel.errors import AuthFailure, QuotaExceeded, TenantryError
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import system_scope
from keys.tracking.events import Event
from orgs.models.organization import Organization
from orgs.plans import plan_of
from projects.events import USAGE_WARNED
from projects.models.usage import next_month

NEARLY, FULLY = 80, 100

LOCK_MONTHS = """
SELECT month.org_id, month.count, organization.plan, month.warned_80_at IS NULL, month.warned_100_at IS NULL
FROM projects_usage_month AS month JOIN orgs_organization AS organization ON organization.id = month.org_id
WHERE month.org_id = ANY(%s) AND month.month = %s
ORDER BY month.org_id
FOR UPDATE OF month
"""

BEGIN_MONTHS = """
INSERT INTO projects_usage_month (id, org_id, month, count, created_at, updated_at)
SELECT begun.id, begun.org_id, %s, 0, %s, %s
FROM unnest(%s::uuid[], %s::uuid[]) AS begun (id, org_id) JOIN orgs_organization ON orgs_organization.id = begun.org_id
ORDER BY begun.org_id
ON CONFLICT (org_id, month) DO NOTHING
"""

# The rows travel as one JSON text, which is several times cheaper to write and to read than a parameter for each value.
GIVEN = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%s::jsonb) AS row (
        id uuid, org_id uuid, project_id uuid, key text, domain text, event_id text, name text,
        occurred_at timestamptz, properties jsonb
    )
)
"""

# The first event of a day's row lends it its id, which sorts by time as every id does. What is left are duplicates.
ADD_EVENTS = """, added AS (
    INSERT INTO projects_tracked_event
        (id, org_id, created_at, project_id, key, domain, event_id, name, occurred_at, properties)
    SELECT id, org_id, %s, project_id, key, domain, event_id, name, occurred_at, properties FROM given
    ON CONFLICT DO NOTHING
    RETURNING id, org_id, project_id, key, domain, name, (occurred_at AT TIME ZONE 'UTC')::date AS day
), days AS (
    INSERT INTO projects_usage_day AS counted
        (id, org_id, project_id, day, key, domain, name, count, created_at, updated_at)
    SELECT (array_agg(id ORDER BY id))[1], org_id, project_id, day, key, domain, name, count(*), %s, %s
    FROM added GROUP BY org_id, project_id, day, key, domain, name
    ON CONFLICT (org_id, project_id, day, key, domain, name)
    DO UPDATE SET count = counted.count + excluded.count, updated_at = excluded.updated_at
), months AS (
    UPDATE projects_usage_month AS month SET count = month.count + new.count, updated_at = %s
    FROM (SELECT org_id, count(*) AS count FROM added GROUP BY org_id) AS new
    WHERE month.org_id = new.org_id AND month.month = %s
)
SELECT id FROM given EXCEPT SELECT id FROM added
"""

KNOWN_BY_ROW = "SELECT given.id FROM given JOIN projects_tracked_event AS event ON event.id = given.id"
KNOWN_BY_EVENT_ID = """SELECT given.id FROM given JOIN projects_tracked_event AS event
ON event.org_id = given.org_id AND event.project_id = given.project_id AND event.event_id = given.event_id
"""

WARNED = {
    NEARLY: "UPDATE projects_usage_month SET warned_80_at = %s, updated_at = %s WHERE org_id = %s AND month = %s",
    FULLY: "UPDATE projects_usage_month SET warned_100_at = %s, updated_at = %s WHERE org_id = %s AND month = %s",
}


@dataclass(frozen=True, slots=True)
class Source:
    """Whose events these are, as the credential says and nothing else. `key` is the key's or agent's public id."""

    organization_id: UUID
    project_id: UUID
    key: str
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Tracked:
    """How many events were counted, and how many had been before."""

    accepted: int
    duplicates: int


@dataclass(slots=True)
class Submission:
    """One request and what becomes of it: `tracked` or `refusal`, when `settled` is set."""

    source: Source
    events: Sequence[Event]
    ids: Sequence[UUID] = ()
    tracked: Tracked | None = None
    refusal: TenantryError | None = None
    settled: Signal = field(default_factory=Signal)

    def __post_init__(self) -> None:
        self.ids = [new_id() for _ in self.events]

    def rows(self, now: datetime) -> Iterable[dict[str, Any]]:
        """Its rows. What came without a time happened now."""
        source = self.source
        for row_id, event in zip(self.ids, self.events, strict=True):
            yield {
                "id": row_id,
                "org_id": source.organization_id,
                "project_id": source.project_id,
                "key": source.key,
                "domain": source.domain,
                "event_id": event.id,
                "name": event.name,
                "occurred_at": event.timestamp or now,
                "properties": orjson.Fragment(event.properties),
            }


@dataclass(slots=True)
class Month:
    """An organization's month, whose row is ours until the transaction ends."""

    used: int
    limit: int | None
    unwarned: dict[int, bool]
    refused: bool = False

    def reached(self, percent: int) -> bool:
        """Whether to warn now. Who is refused has used up as good as all, unless one request was larger than most."""
        if not self.limit or not self.unwarned[percent]:
            return False
        nearly = self.used * 100 >= self.limit * NEARLY
        return (nearly and (percent == NEARLY or self.refused)) or self.used >= self.limit


def write(submissions: Sequence[Submission], *, again: bool = False) -> None:
    """Writes them in one transaction and settles what becomes of each.

    `again` says that an earlier try may have been committed although it failed: what it wrote is then found by its row
    and counted as accepted. Raises DatabaseError, after which nothing was written and nothing is settled.
    """
    now = timezone.now()
    month = now.date().replace(day=1)
    organizations = sorted({submission.source.organization_id for submission in submissions})
    with system_scope("usage of several organizations in one commit"):
        if not _try_to_write(submissions, organizations, month, now, again=again):
            _begin_months(organizations, month, now)
            _try_to_write(submissions, organizations, month, now, again=again, begun=True)


def _begin_months(organizations: Sequence[UUID], month: date, now: datetime) -> None:
    """Makes the rows that a new month lacks, in a transaction of their own: it holds nothing that others wait for."""
    with connection.cursor() as cursor:
        ids = [new_id() for _ in organizations]
        cursor.execute(BEGIN_MONTHS, [month, now, now, ids, list(organizations)])


def _try_to_write(
    submissions: Sequence[Submission],
    organizations: Sequence[UUID],
    month: date,
    now: datetime,
    *,
    again: bool,
    begun: bool = False,
) -> bool:
    """False when a month has no row yet. An organization without one although its month was begun is gone."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_MONTHS, [list(organizations), month])
        months = {
            org_id: Month(used, plan_of(plan).events, {NEARLY: nearly, FULLY: fully})
            for org_id, used, plan, nearly, fully in cursor.fetchall()
        }
        if len(months) < len(organizations) and not begun:
            return False
        refusals: dict[int, TenantryError] = {}
        for position, submission in enumerate(submissions):
            if submission.source.organization_id not in months:
                refusals[position] = AuthFailure()
        refusals |= _beyond_quota(cursor, submissions, months, month, now, again=again, settled=refusals)
        taken = [submission for position, submission in enumerate(submissions) if position not in refusals]
        outcome = _add(cursor, taken, months, month, now, again=again)
        _warn(cursor, months, month, now)
    for submission, tracked in zip(taken, outcome, strict=True):
        submission.tracked = tracked
    for position, refusal in refusals.items():
        submissions[position].refusal = refusal
    return True


def _beyond_quota(
    cursor: Any,
    submissions: Sequence[Submission],
    months: dict[UUID, Month],
    month: date,
    now: datetime,
    *,
    again: bool,
    settled: dict[int, TenantryError],
) -> dict[int, TenantryError]:
    """The refusals of requests that would pass their organization's quota, by position, in the order they came.

    Where even all of them fit, which is nearly always, nothing is looked up. Duplicates use up nothing.
    """
    wanted: Counter[UUID] = Counter()
    for submission in submissions:
        wanted[submission.source.organization_id] += len(submission.events)
    tight = {
        org_id: limit - state.used
        for org_id, state in months.items()
        if (limit := state.limit) is not None and state.used + wanted[org_id] > limit
    }
    if not tight:
        return {}
    close = [submission for submission in submissions if submission.source.organization_id in tight]
    known = _known(cursor, close, now, by_row=again)
    seen: set[tuple[UUID, str]] = set()
    refusals: dict[int, TenantryError] = {}
    for position, submission in enumerate(submissions):
        org_id, project_id = submission.source.organization_id, submission.source.project_id
        if org_id not in tight or position in settled:
            continue
        added, new = 0, set()
        for row_id, event in zip(submission.ids, submission.events, strict=True):
            name = (project_id, event.id or "")
            if row_id in known or (event.id and (name in seen or name in new)):
                continue
            added += 1
            if event.id:
                new.add(name)
        if added > tight[org_id]:
            state = months[org_id]
            state.refused = True
            refusals[position] = _refusal(state, month, now)
        else:
            tight[org_id] -= added
            seen |= new
    return refusals


def _refusal(state: Month, month: date, now: datetime) -> QuotaExceeded:
    reset = next_month(month)
    until = datetime(reset.year, reset.month, reset.day, tzinfo=now.tzinfo) - now
    return QuotaExceeded(
        limit=state.limit or 0,
        used=state.used,
        resets_on=reset.isoformat(),
        retry_after=int(until.total_seconds()) + 1,
    )


def _known(cursor: Any, submissions: Sequence[Submission], now: datetime, *, by_row: bool) -> set[UUID]:
    """The ids of the rows whose event is counted already."""
    text = _as_text(submissions, now)
    known: set[UUID] = set()
    for statement in (KNOWN_BY_EVENT_ID, KNOWN_BY_ROW) if by_row else (KNOWN_BY_EVENT_ID,):
        cursor.execute(GIVEN + statement, [text])
        known |= {row_id for (row_id,) in cursor.fetchall()}
    return known


def _as_text(submissions: Sequence[Submission], now: datetime) -> str:
    return orjson.dumps([row for submission in submissions for row in submission.rows(now)]).decode()


def _add(
    cursor: Any,
    submissions: Sequence[Submission],
    months: dict[UUID, Month],
    month: date,
    now: datetime,
    *,
    again: bool,
) -> list[Tracked]:
    """Adds the rows and their counts; what was counted of each request."""
    if not submissions:
        return []
    text = _as_text(submissions, now)
    cursor.execute(GIVEN + ADD_EVENTS, [text, now, now, now, now, month])
    left = {row_id for (row_id,) in cursor.fetchall()}
    ours: set[UUID] = set()
    if again and left:
        cursor.execute(GIVEN + KNOWN_BY_ROW, [text])
        ours = left & {row_id for (row_id,) in cursor.fetchall()}
    outcome = []
    for submission in submissions:
        repeated = sum(row_id in left for row_id in submission.ids) if left else 0
        months[submission.source.organization_id].used += len(submission.ids) - repeated
        duplicates = sum(row_id in left and row_id not in ours for row_id in submission.ids) if left else 0
        outcome.append(Tracked(accepted=len(submission.ids) - duplicates, duplicates=duplicates))
    return outcome


def _warn(cursor: Any, months: dict[UUID, Month], month: date, now: datetime) -> None:
    """Notes and records each threshold that was passed just now. `projects.warnings` mails them later."""
    for org_id, state in months.items():
        for percent in (NEARLY, FULLY):
            if not state.reached(percent):
                continue
            cursor.execute(WARNED[percent], [now, now, org_id, month])
            name = Organization.objects.values_list("name", flat=True).get(id=org_id)
            record(
                USAGE_WARNED,
                actor=SYSTEM,
                target=Target("organization", public_id("org", org_id), name),
                data={
                    "percent": percent,
                    "month": f"{month:%Y-%m}",
                    "used": state.used,
                    "limit": state.limit,
                    "resets_on": next_month(month).isoformat(),
                },
                org_id=org_id,
            )
