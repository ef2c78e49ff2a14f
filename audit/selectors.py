"""Reads of the chain for pages: how far the log in scope is sealed, and whether one record's link holds."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.module_loading import import_string

from audit.chain import COLUMNS, canonical, first_digest, next_digest
from audit.models import AuditEvent, AuditSeal, first_id_at

# So many of the newest records are looked at for those that still wait.
LOOKED_AT = 100
# Sealing takes seconds. Longer means that the sealer is off, or that some transaction has been open so long.
LATE = timedelta(seconds=60)
# Whose chains have links: one look into an index for each, however long the chains are.
CHAINS = """
WITH RECURSIVE chain (org_id) AS (
    (SELECT org_id FROM audit_seal ORDER BY org_id LIMIT 1)
    UNION ALL
    SELECT (SELECT s.org_id FROM audit_seal s WHERE s.org_id > chain.org_id ORDER BY s.org_id LIMIT 1)
    FROM chain WHERE chain.org_id IS NOT NULL
)
"""


@dataclass(frozen=True)
class Sealing:
    """How far a log is sealed. Of the newest LOOKED_AT records so many are `waiting`, the oldest since `since`.

    `shows_head` says whether the plan still shows the record that was sealed last.
    """

    head: AuditSeal | None
    waiting: int
    since: datetime | None
    shows_head: bool

    @property
    def is_late(self) -> bool:
        """Whether somebody should look after the sealer."""
        return self.since is not None and timezone.now() - self.since > LATE


@dataclass(frozen=True)
class RecordLink:
    """A record's place in the chain; `holds` says whether its digest is that of what it says now."""

    seal: AuditSeal
    holds: bool


def organizations_with_links() -> list[UUID]:
    """Whose chains have links, the installation's among them, in their order. Needs the system scope."""
    with connection.cursor() as cursor:
        cursor.execute(CHAINS + "SELECT org_id FROM chain WHERE org_id IS NOT NULL")  # noqa: S608 - made of constants
        return [row[0] for row in cursor.fetchall()]


def kept_since(organization_id: UUID) -> datetime | None:
    """Since when the plan of an organization shows records; None for always. What is older is dropped sooner or later.

    One query.
    """
    days = import_string(settings.TENANTRY_AUDIT_DAYS)([organization_id]).get(organization_id)
    return None if days is None else timezone.now() - timedelta(days=days)


def sealing(*, kept: datetime | None) -> Sealing:
    """Of the organization in scope, whose plan shows records since `kept`, None for always. Two queries."""
    newest = AuditEvent.objects.with_sequence().order_by("-id").values_list("created_at", "sequence")[:LOOKED_AT]
    waiting = [created_at for created_at, sequence in newest if sequence is None]
    head = AuditSeal.objects.head()
    shows_head = head is not None and (kept is None or head.id >= first_id_at(kept))
    return Sealing(head, len(waiting), min(waiting, default=None), shows_head)


def link_of(record: AuditEvent) -> RecordLink | None:
    """None while it is not sealed. Two queries."""
    seal = AuditSeal.objects.filter(id=record.id).first()
    if seal is None:
        return None
    previous = AuditSeal.objects.filter(sequence=seal.sequence - 1).first()
    before = bytes(previous.digest) if previous else first_digest(record.org_id) if seal.sequence == 1 else b""
    content = canonical([getattr(record, column) for column in COLUMNS])
    return RecordLink(seal, holds=next_digest(before, content) == bytes(seal.digest))
