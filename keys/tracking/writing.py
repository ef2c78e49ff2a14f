"""One transaction for the requests of many organizations: events, counts by day, counts by month, warnings.

Whoever writes holds the month's row of each organization it writes for, taken in the order of their ids and before
anything else. So the quota is exact among any number of processes, nobody waits for somebody who waits for them, and
what was accepted is committed with what it adds to the counts, or not at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.utils import timezone

from audit.services import Target, record
from config.kernel.errors import AuthFailure, QuotaExceeded, TenantryError
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.statements import fetched
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import system_scope
from keys.tracking import statements
from keys.tracking.events import Event
from orgs import plans
from orgs.models.organization import Organization
from projects.events import USAGE_WARNED
from projects.models.usage import next_month

NEARLY, FULLY = 80, 100
WARNED = {NEARLY: statements.WARNED_80, FULLY: statements.WARNED_100}


@dataclass(slots=True)
class Source:
    """Whose events these are, as the credential says and nothing else. `key` is the key's or agent's public id."""

    organization_id: UUID
    project_id: UUID
    key: str
    domain: str = ""


@dataclass(slots=True)
class Tracked:
    """How many events were counted, and how many had been before."""

    accepted: int
    duplicates: int


class Submission:
    """One request and what becomes of it: `tracked` or `refusal`, once it is settled. `ids` are those of its rows.

    It `is_left` when `prepare` said that it cannot be written; then nothing else is known of it.
    """

    __slots__ = ("_open", "events", "ids", "is_left", "refusal", "source", "tracked")

    source: Source
    events: Sequence[Event]
    ids: Sequence[UUID]

    def __init__(self, source: Source | None = None, events: Sequence[Event] = ()) -> None:
        self.tracked: Tracked | None = None
        self.refusal: TenantryError | None = None
        self.is_left = False
        # A lock costs a twentieth of an event of the threading module.
        self._open = Lock()
        self._open.acquire()
        if source is not None:
            self.fill(source, events)

    def fill(self, source: Source, events: Sequence[Event]) -> None:
        """Says what is sent."""
        self.source = source
        self.events = events
        self.ids = [new_id() for _ in events]

    def prepare(self) -> bool:
        """Whether it can be written. Asked once, by the thread that writes; must not wait for anything."""
        return True

    def settle(self) -> None:
        """Wakes who waits."""
        self._open.release()

    def wait(self, seconds: float) -> bool:
        """Waits until it is settled; False when that takes longer. For one thread, once."""
        return self._open.acquire(timeout=seconds)


def wanted_by(submissions: Sequence[Submission]) -> dict[UUID, int]:
    """How many events each organization sends."""
    wanted: dict[UUID, int] = {}
    for submission in submissions:
        organization_id = submission.source.organization_id
        wanted[organization_id] = wanted.get(organization_id, 0) + len(submission.events)
    return wanted


class Batch:
    """Requests that are written together, and the moment at which they are."""

    def __init__(self, submissions: Sequence[Submission]) -> None:
        self.submissions = submissions
        self.now = timezone.now()
        self.month = self.now.date().replace(day=1)
        self.wanted = wanted_by(submissions)

    @property
    def organizations(self) -> list[UUID]:
        """Whose events they are."""
        return list(self.wanted)

    def as_text(self, submissions: Sequence[Submission]) -> str:
        """The rows of some of them as JSON. What came without a time happened now."""
        rows: list[dict[str, Any]] = []
        for submission in submissions:
            source = submission.source
            for row_id, event in zip(submission.ids, submission.events, strict=True):
                rows.append(
                    {
                        "id": row_id,
                        "org_id": source.organization_id,
                        "project_id": source.project_id,
                        "key": source.key,
                        "domain": source.domain,
                        "event_id": event.id,
                        "name": event.name,
                        "occurred_at": event.timestamp or self.now,
                        "properties": orjson.Fragment(event.properties),
                    }
                )
        return orjson.dumps(rows).decode()


@dataclass(slots=True)
class Month:
    """An organization's month, whose row is ours until the transaction ends."""

    used: int
    plan: str
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
    and counted as accepted. Raises django.db.Error, after which nothing is settled.
    """
    batch = Batch(submissions)
    if not again and not connection.in_atomic_block and _write_at_once(batch):
        return
    with system_scope("usage of several organizations in one commit"):
        if not _write_closely(batch, again=again):
            _begin_months(batch)
            _write_closely(batch, again=again, begun=True)


def _write_at_once(batch: Batch) -> bool:
    """Adds everything in one statement, which is a transaction by itself.

    False when nothing was added, since a month is new, or an organization would pass the next threshold of its plan.
    """
    limits = {name: plan.events for name, plan in plans.plans().items()}
    parameters = _parameters(batch, batch.submissions, batch.wanted, limits)
    enough, repeated = fetched(statements.ADD_EVENTS, *parameters)[0]
    if not enough:
        return False
    known = set(repeated)
    for submission in batch.submissions:
        duplicates = sum(row_id in known for row_id in submission.ids) if known else 0
        submission.tracked = Tracked(len(submission.ids) - duplicates, duplicates)
    return True


def _add_events(
    cursor: Any, batch: Batch, submissions: Sequence[Submission], limits: dict[str, int | None]
) -> tuple[bool, set[UUID]]:
    """Whether there was room for them all under these limits, and which rows were there before."""
    cursor.execute(statements.ADD_EVENTS, _parameters(batch, submissions, wanted_by(submissions), limits))
    enough, repeated = cursor.fetchone()
    return enough, set(repeated)


def _parameters(
    batch: Batch, submissions: Sequence[Submission], wanted: dict[UUID, int], limits: dict[str, int | None]
) -> list[Any]:
    """Of ADD_EVENTS."""
    asked = orjson.dumps(wanted, option=orjson.OPT_NON_STR_KEYS).decode()
    return [asked, orjson.dumps(limits).decode(), batch.month, batch.now, batch.as_text(submissions)]


def _begin_months(batch: Batch) -> None:
    """Makes the rows that a new month lacks, in a transaction of their own: it holds nothing that others wait for."""
    organizations, now = batch.organizations, batch.now
    with connection.cursor() as cursor:
        ids = [new_id() for _ in organizations]
        cursor.execute(statements.BEGIN_MONTHS, [batch.month, now, now, ids, organizations])


def _write_closely(batch: Batch, *, again: bool, begun: bool = False) -> bool:
    """Looks at each request by itself. False when a month has no row yet.

    An organization without one although its month was begun is gone.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statements.LOCK_MONTHS, [batch.organizations, batch.month])
        months = {
            org_id: Month(used, plan, plans.plan_of(plan).events, {NEARLY: nearly, FULLY: fully})
            for org_id, used, plan, nearly, fully in cursor.fetchall()
        }
        if len(months) < len(batch.wanted) and not begun:
            return False
        refusals: dict[int, TenantryError] = {
            position: AuthFailure()
            for position, submission in enumerate(batch.submissions)
            if submission.source.organization_id not in months
        }
        refusals |= _beyond_quota(cursor, batch, months, again=again)
        taken = [submission for position, submission in enumerate(batch.submissions) if position not in refusals]
        outcome = _add(cursor, batch, taken, months, again=again)
        _warn(cursor, batch, months)
    for submission, tracked in zip(taken, outcome, strict=True):
        submission.tracked = tracked
    for position, refusal in refusals.items():
        batch.submissions[position].refusal = refusal
    return True


def _beyond_quota(
    cursor: Any, batch: Batch, months: dict[UUID, Month], *, again: bool
) -> dict[int, TenantryError]:  # fmt: skip
    """The refusals of requests that would pass their organization's quota, by position, in the order they came.

    Where even all of them fit nothing is looked up. Duplicates use up nothing.
    """
    left = {
        org_id: limit - month.used
        for org_id, month in months.items()
        if (limit := month.limit) is not None and month.used + batch.wanted[org_id] > limit
    }
    if not left:
        return {}
    close = [submission for submission in batch.submissions if submission.source.organization_id in left]
    known = _known(cursor, batch, close, by_row=again)
    seen: set[tuple[UUID, str]] = set()
    refusals: dict[int, TenantryError] = {}
    for position, submission in enumerate(batch.submissions):
        org_id, project_id = submission.source.organization_id, submission.source.project_id
        if org_id not in left:
            continue
        added, new = 0, set()
        for row_id, event in zip(submission.ids, submission.events, strict=True):
            name = (project_id, event.id or "")
            if row_id in known or (event.id and (name in seen or name in new)):
                continue
            added += 1
            if event.id:
                new.add(name)
        if added > left[org_id]:
            months[org_id].refused = True
            refusals[position] = _refusal(batch, months[org_id])
        else:
            left[org_id] -= added
            seen |= new
    return refusals


def _refusal(batch: Batch, month: Month) -> QuotaExceeded:
    reset = next_month(batch.month)
    until = datetime(reset.year, reset.month, reset.day, tzinfo=batch.now.tzinfo) - batch.now
    return QuotaExceeded(
        limit=month.limit or 0,
        used=month.used,
        resets_on=reset.isoformat(),
        retry_after=int(until.total_seconds()) + 1,
    )


def _known(cursor: Any, batch: Batch, submissions: Sequence[Submission], *, by_row: bool) -> set[UUID]:
    """The ids of the rows whose event is counted already."""
    text = batch.as_text(submissions)
    known = set(_ids(cursor, statements.KNOWN_BY_EVENT_ID, [text]))
    return known.union(_ids(cursor, statements.KNOWN_BY_ROW, [text])) if by_row else known


def _ids(cursor: Any, statement: str, values: list[Any]) -> Iterator[UUID]:
    cursor.execute(statement, values)
    return (row_id for (row_id,) in cursor.fetchall())


def _add(
    cursor: Any, batch: Batch, submissions: Sequence[Submission], months: dict[UUID, Month], *, again: bool
) -> list[Tracked]:
    """Adds the rows and their counts; what was counted of each request."""
    if not submissions:
        return []
    # What fits was found out above, so that here no limit holds.
    enough, repeated = _add_events(cursor, batch, submissions, dict.fromkeys(month.plan for month in months.values()))
    if not enough:
        raise RuntimeError("Usage without a month, although its month is locked.")
    ours = repeated & set(_ids(cursor, statements.KNOWN_BY_ROW, [batch.as_text(submissions)])) if again else set()
    outcome = []
    for submission in submissions:
        counted_before = sum(row_id in repeated for row_id in submission.ids)
        duplicates = sum(row_id in repeated and row_id not in ours for row_id in submission.ids)
        months[submission.source.organization_id].used += len(submission.ids) - counted_before
        outcome.append(Tracked(accepted=len(submission.ids) - duplicates, duplicates=duplicates))
    return outcome


def _warn(cursor: Any, batch: Batch, months: dict[UUID, Month]) -> None:
    """Notes and records each threshold that was passed just now. `projects.mail` tells people later."""
    for org_id, month in months.items():
        for percent in (NEARLY, FULLY):
            if not month.reached(percent):
                continue
            cursor.execute(WARNED[percent], [batch.now, batch.now, org_id, batch.month])
            name = Organization.objects.values_list("name", flat=True).get(id=org_id)
            record(
                USAGE_WARNED,
                actor=SYSTEM,
                target=Target("organization", public_id("org", org_id), name),
                data={
                    "percent": percent,
                    "month": f"{batch.month:%Y-%m}",
                    "used": month.used,
                    "limit": month.limit,
                    "resets_on": next_month(batch.month).isoformat(),
                },
                org_id=org_id,
            )
