"""Retention: months whose time is over are dropped whole, once a signed statement says where each log begins then.

A month stays until every organization with records in it is done with it, by the plan of each (TENANTRY_AUDIT_DAYS),
and until each of those logs has been verified: nothing that was tampered with is tidied away. The dropping itself is a
function of the owner's, which judges all of that by itself once more (orgs/migrations/0014_audit_retention.py).
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from audit import events
from audit.checkpoints import read_statement, shape_of, state_beginning
from audit.models import AuditBlock, AuditEvent, AuditSeal, Sealer, first_id_at
from audit.services import Target, record
from audit.verifying import verify
from config.kernel.errors import TenantryError
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope

logger = structlog.get_logger()

PARTITIONS = """
SELECT substring(c.relname FROM '\\d{4}_\\d{2}$') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'audit_event'::regclass AND c.relname ~ '^audit_event_\\d{4}_\\d{2}$' ORDER BY 1
"""
# Some looks into an index for each organization, however many records it has.
ORGANIZATIONS = """
WITH RECURSIVE found (org_id) AS (
    (SELECT org_id FROM audit_event WHERE id >= %(first)s AND id < %(behind)s ORDER BY org_id LIMIT 1)
    UNION ALL
    SELECT (SELECT e.org_id FROM audit_event e WHERE e.org_id > found.org_id AND e.id >= %(first)s AND e.id < %(behind)s
            ORDER BY e.org_id LIMIT 1)
    FROM found WHERE found.org_id IS NOT NULL
)
SELECT org_id FROM found WHERE org_id IS NOT NULL
"""
# The first link whose record outlives the month: it is of a later one, or in the default partition.
FIRST_TO_STAY = """
SELECT min(s.sequence) FROM audit_seal s
WHERE s.org_id = %(organization)s AND (s.id >= %(behind)s
    OR s.id < %(first)s AND EXISTS (SELECT 1 FROM audit_event e WHERE e.org_id = s.org_id AND e.id = s.id))
"""


def drop_expired() -> int:
    """Drops the months that are over for everybody, the oldest first. Returns how many; one that must stay ends it."""
    dropped = 0
    for month in _months():
        if not _drop(month):
            break
        dropped += 1
    return dropped


def _months() -> list[datetime]:
    with connection.cursor() as cursor:
        cursor.execute(PARTITIONS)
        return [datetime.strptime(name, "%Y_%m").replace(tzinfo=UTC) for (name,) in cursor.fetchall()]


def _drop(month: datetime) -> bool:
    behind = (month + timedelta(days=32)).replace(day=1)
    if behind > timezone.now():
        return False
    bounds = {"first": first_id_at(month), "behind": first_id_at(behind)}
    with system_scope("the organizations that have records of a month"), connection.cursor() as cursor:
        cursor.execute(ORGANIZATIONS, bounds)
        organizations = [row[0] for row in cursor.fetchall()]
    days = import_string(settings.TENANTRY_AUDIT_DAYS)(organizations)
    if any(_is_kept(days.get(organization), behind) for organization in organizations):
        return False
    if not all(map(_holds, organizations)):
        return False
    try:
        with transaction.atomic():
            # Nothing is sealed between what is signed and what is dropped.
            list(Sealer.objects.select_for_update().filter(id=1))
            for organization in organizations:
                _say_where_it_begins(organization, behind, bounds)
            _drop_whole(month, bounds)
    except (DatabaseError, TenantryError):
        logger.exception("a month of the audit log could not be dropped", month=f"{month:%Y-%m}")
        return False
    return True


def _is_kept(days: int | None, behind: datetime) -> bool:
    return days is None or behind + timedelta(days=days) > timezone.now()


def _holds(organization_id: UUID) -> bool:
    report = verify(organization_id)
    if report.finding:
        logger.error(
            "a log that does not hold is not dropped",
            organization_id=str(organization_id),
            finding=f"{report.finding.kind}: {report.finding.words}",
        )
    return report.finding is None


def _say_where_it_begins(organization_id: UUID, behind: datetime, bounds: dict[str, UUID]) -> None:
    with tenant_scope(organization_id), connection.cursor() as cursor:
        cursor.execute(FIRST_TO_STAY, {"organization": organization_id, **bounds})
        first = cursor.fetchone()[0]
        head = AuditSeal.objects.head()
        after = first - 1 if first else head.sequence if head else 0
        # Sealed behind a record that stays: those of this month, and those of months that were dropped before.
        is_there = models.Exists(AuditEvent.objects.filter(id=models.OuterRef("id")))
        late = AuditSeal.objects.filter(sequence__gt=after, id__lt=bounds["behind"])
        late = late.exclude(is_there, id__lt=bounds["first"]).order_by("sequence")
        row = state_beginning(organization_id, after=after, dropped_before=behind, late=list(late))
        # Where a log has nothing left but such records, they would follow each other for ever.
        rows = AuditEvent.objects.filter(id__gte=bounds["first"], id__lt=bounds["behind"])
        if rows.exclude(event=events.AUDIT_LOG_SHORTENED.name).exists():
            begins, *dropped = map(read_statement, row.statement.split())
            record(
                events.AUDIT_LOG_SHORTENED,
                actor=SYSTEM,
                target=Target("audit_log", public_id("org", organization_id), ""),
                data=shape_of(begins, dropped),
            )


def _drop_whole(month: datetime, bounds: dict[str, UUID]) -> None:
    name = f"{month:%Y-%m}"
    with system_scope("what is known of records that are dropped"), connection.cursor() as cursor:
        # Before the drop, which keeps everybody from the ledger until the transaction ends.
        AuditBlock.objects.filter(id__gte=bounds["first"], id__lt=bounds["behind"]).delete_all()
        cursor.execute("SELECT audit_drop_partition(%s)", [month])
        records = cursor.fetchone()[0]
    record(
        events.AUDIT_LOG_DROPPED,
        actor=SYSTEM,
        target=Target("audit_log", name, name),
        data={"month": name, "records": records},
        org_id=INSTALLATION_ID,
    )
