"""Exports of the ledger: asked for, stopped and downloaded; a background job makes them (audit/exporting.py)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.files import File
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit import events
from audit.chain import moment_text
from audit.models import AuditExport
from audit.models.export import ONE_AT_A_TIME
from audit.searching import Criteria
from audit.services.records import LABEL_LENGTH, Target, record
from config.kernel.errors import Absent, Conflict
from config.kernel.principals import Principal
from config.kernel.stored_files import opened
from config.kernel.tasks import enqueue

# What an export may be narrowed to, as REST and the dashboard name it.
FILTERS = ("event", "actor", "target", "result", "ip", "q", "since", "until")


def export_target(export: AuditExport) -> Target:
    """An export of the ledger."""
    return Target("audit_export", export.public_id, f"Audit log as {export.get_format_display()}")


@transaction.atomic
def request_export(*, actor: Principal, kind: str, filters: Mapping[str, Any]) -> AuditExport:
    """Asks for an export of the ledger of the organization in scope. `kind` is `csv` or `jsonl`.

    `filters` has some of FILTERS; empty ones filter nothing, `since` counts and `until` does not. Raises Conflict while
    one is being made.
    """
    try:
        with transaction.atomic():
            export = AuditExport.objects.create(
                format=kind,
                filters=_plain(filters),
                requested_by=actor.id,
                requested_by_label=actor.label[:LABEL_LENGTH],
            )
    except IntegrityError as error:
        if ONE_AT_A_TIME not in str(error):
            raise
        raise Conflict(
            "An export of the audit log is being made already: wait until it is ready, or stop it.",
            code="export_running",
        ) from None
    data = {"format": kind, "filters": export.filters}
    record(events.AUDIT_EXPORT_REQUESTED, actor=actor, target=export_target(export), data=data)
    enqueue("audit.make_export", str(export.id))
    return export


@transaction.atomic
def cancel_export(*, actor: Principal, export: str) -> AuditExport:
    """Stops an export that waits or is being made. Raises Absent, and Conflict when it has ended."""
    row = AuditExport.objects.select_for_update().by_reference(export)
    if row is None:
        raise Absent
    if row.state not in AuditExport.UNFINISHED:
        raise Conflict("This export has ended already: there is nothing to stop.", code="export_ended")
    row.state, row.finished_at = AuditExport.State.CANCELLED, timezone.now()
    row.save(update_fields=["state", "finished_at", "updated_at"])
    record(events.AUDIT_EXPORT_CANCELLED, actor=actor, target=export_target(row))
    return row


def open_archive(*, actor: Principal, export: str) -> tuple[AuditExport, File]:
    """A finished archive and its open file, with its download on the record.

    Raises Conflict when it is not ready, Absent when it never was or made room for newer ones.
    """
    row = AuditExport.objects.by_reference(export)
    if row is None:
        raise Absent
    if row.state in (AuditExport.State.FAILED, AuditExport.State.CANCELLED):
        raise Conflict("This export was not made: ask for another.", code="export_failed")
    if row.state != AuditExport.State.READY:
        raise Conflict("This export is being made: wait until it is ready.", code="export_unfinished")
    if not row.path:
        raise Absent
    file = opened(row.path)
    with transaction.atomic():
        record(events.AUDIT_EXPORT_DOWNLOADED, actor=actor, target=export_target(row))
    return row, file


def criteria_of(filters: Mapping[str, Any], kept_since: datetime | None) -> Criteria:
    """What kept filters mean, and nothing from before the plan's retention."""
    moments = {name: datetime.fromisoformat(filters[name]) for name in ("since", "until") if filters.get(name)}
    return Criteria.of({**filters, **moments}).not_before(kept_since)


def _plain(filters: Mapping[str, Any]) -> dict[str, str]:
    given = {name: filters.get(name) for name in FILTERS}
    return {
        name: moment_text(value) if isinstance(value, datetime) else str(value)
        for name, value in given.items()
        if value
    }
