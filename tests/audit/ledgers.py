"""Logs to be searched: records that are like real ones, sealed and indexed or still new."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from audit.indexing import index_all
from audit.models import AuditBlock, AuditEvent
from audit.searching import Criteria, search
from audit.words import SEARCHED, tokens_of
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import system_scope, tenant_scope
from tests.audit.test_sealing import seal_everything

EVENTS = ("key.created", "key.revoked", "project.updated", "member.role_changed")
BEGINNING = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(days=2)


def id_at(moment: datetime) -> UUID:
    """An id made at that moment."""
    milliseconds = round(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | new_id().int & ((1 << 80) - 1))


def fill(
    organization: UUID,
    count: int,
    *,
    disorder: float = 0.0,
    seed: int = 1,
    beginning: datetime = BEGINNING,
    step: timedelta = timedelta(minutes=1),
) -> None:
    """`count` records a `step` apart since `beginning`, written in their order; `disorder` of them come hours late."""
    drawn = random.Random(seed)
    rows = [
        AuditEvent(
            org_id=organization,
            id=id_at(beginning + step * (number - (drawn.random() < disorder) * drawn.randrange(600))),
            event=drawn.choice(EVENTS),
            actor_kind="user",
            actor_id=f"usr_{drawn.randrange(5)}",
            actor_label=f"Person {drawn.randrange(5)} <ada.lovelace@acme.example>",
            target_kind="project",
            target_id=f"prj_{drawn.randrange(40)}",
            target_label=f"Ærøskøbing {number}",
            result=drawn.choice(["done", "done", "refused"]),
            data={"changes": {"name": [f"old{number % 7}", f"new{number % 11}"]}, "count": number},
            ip=drawn.choice(["203.0.113.7", "2001:db8::7", None]),
            request_id=f"req_{number:032x}",
        )
        for number in range(count)
    ]
    with tenant_scope(organization):
        for start in range(0, count, 300):
            AuditEvent.objects.bulk_create(rows[start : start + 300])


def index_everything() -> None:
    """Seals and indexes until nothing is left."""
    seal_everything()
    while pending_blocks():
        index_all()


def pending_blocks() -> int:
    """How many blocks have no words yet."""
    with system_scope("test"):
        return AuditBlock.objects.filter(terms=None).count()


def expected(criteria: Criteria) -> list[UUID]:
    """What a search must find, by looking at every record of the organization in scope."""
    rows = AuditEvent.objects.between(criteria.start, criteria.end).order_by("-id")
    return [row.id for row in rows if criteria.tokens <= tokens_of([getattr(row, column) for column in SEARCHED])]


def walked(criteria: Criteria, *, limit: int = 50) -> tuple[list[UUID], int]:
    """What a search finds page by page, and how many pages ended because the budget did."""
    found, below, cut = list[UUID](), None, 0
    for _ in range(5000):
        page = search(criteria, below=below, limit=limit)
        assert len(page.rows) <= limit
        assert page.older is None or below is None or page.older < below, "no way forward"
        assert (page.looked_until is not None) == (page.older is not None and len(page.rows) < limit)
        found += [row.id for row in page.rows]
        cut += page.looked_until is not None
        below = page.older
        if below is None:
            return found, cut
    raise AssertionError("the walk does not end")
