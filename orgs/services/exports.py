"""Data exports: asked for by an owner, made by a background job (orgs/exporting.py)."""

from django.core.files import File
from django.db import transaction

from audit.services import record
from config.kernel.errors import Absent, Conflict
from config.kernel.principals import Principal, UserPrincipal
from config.kernel.stored_files import opened
from config.kernel.tasks import enqueue
from orgs import events
from orgs.models import DataExport
from orgs.services.authority import lock_organization
from orgs.services.targets import export_target


@transaction.atomic
def request_export(*, actor: Principal) -> DataExport:
    """Asks for an archive of everything the organization in scope owns. Raises Conflict while one is being made."""
    lock_organization()
    if DataExport.objects.unfinished().exists():
        raise Conflict("An archive is being made already: wait until it is ready.", code="export_running")
    export = DataExport.objects.create(requested_by_id=actor.user_id if isinstance(actor, UserPrincipal) else None)
    record(events.EXPORT_REQUESTED, actor=actor, target=export_target(export))
    enqueue("orgs.make_export", str(export.id))
    return export


def open_archive(*, actor: Principal, export: str) -> tuple[DataExport, File]:
    """The finished archive of that public id and its open file, with its download on the record.

    Raises Conflict while it is being made and when that failed, Absent when it never was, made room for newer ones or
    lost its file.
    """
    row = DataExport.objects.by_reference(export)
    if row is None:
        raise Absent
    if row.state == DataExport.State.FAILED:
        raise Conflict("This archive could not be made: ask for another.", code="export_failed")
    if row.state != DataExport.State.READY:
        raise Conflict("This archive is being made: wait until it is ready.", code="export_unfinished")
    if not row.path:
        raise Absent
    file = opened(row.path)
    with transaction.atomic():
        record(events.EXPORT_DOWNLOADED, actor=actor, target=export_target(row))
    return row, file
