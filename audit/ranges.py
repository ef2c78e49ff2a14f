"""Which links of the log in scope an export of a range of time holds, and what proves that none of them is missing."""

from typing import Any
from uuid import UUID

from django.db import models

from audit.chain import first_digest, moment_text
from audit.checkpoints import is_trusted, signed_link
from audit.models import AuditBeginning, AuditEvent, AuditSeal, first_id_at
from audit.searching import Criteria


def range_of(organization_id: UUID, criteria: Criteria) -> dict[str, Any] | None:
    """The links from the first to the last record of that time, with what proves them; None where there is none.

    Links follow the order of commits. Where that is not the order of time, all between the first and last are taken.
    """
    links = AuditSeal.objects.all()
    if criteria.start:
        links = links.filter(id__gte=first_id_at(criteria.start))
    if criteria.end:
        links = links.filter(id__lt=first_id_at(criteria.end))
    ends = links.aggregate(first=models.Min("sequence"), last=models.Max("sequence"))
    if ends["first"] is None:
        return None
    beginning = AuditBeginning.objects.newest()
    first = max(ends["first"], _behind_dropped(beginning)) if beginning else ends["first"]
    if first > ends["last"]:
        return None
    statements = [signed_link(organization_id, ends["last"])]
    begins = beginning.statement.split()[0] if beginning and beginning.sequence == first - 1 else None
    if begins and is_trusted(begins):
        statements.insert(0, begins)
    before = AuditSeal.objects.filter(sequence=first - 1).first()
    digest = before.digest_text if before else first_digest(organization_id).hex()
    return {"first": first, "last": ends["last"], "digest_before": digest, "statements": statements}


def dropped_before() -> str:
    """From when on the log in scope has records; empty while none was dropped."""
    beginning = AuditBeginning.objects.newest()
    return moment_text(beginning.dropped_before) if beginning else ""


def _behind_dropped(beginning: AuditBeginning) -> int:
    """The place behind the last link whose record was dropped with its month."""
    of_dropped_months = AuditSeal.objects.filter(
        sequence__gt=beginning.sequence, id__lt=first_id_at(beginning.dropped_before)
    )
    is_there = AuditEvent.objects.filter(id=models.OuterRef("id"))
    last = of_dropped_months.exclude(models.Exists(is_there)).aggregate(last=models.Max("sequence"))["last"]
    return (last or beginning.sequence) + 1
