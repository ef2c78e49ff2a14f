"""Data exports: asked for by an owner, made by a background job (orgs/exporting.py)."""

from django.db import transaction

from audit.services import record
from config.kernel.errors import Absent, Conflict
from config.kernel.principals import Principal, UserPrincipal
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


@transaction.atomic
def note_download(*, actor: Principal, export: str) -> DataExport:
    """The finished archive of that public id, with its download on the record. Raises Absent."""
    row = DataExport.objects.by_reference(export)
    if row is None or not row.path:
        raise Absent
    record(events.EXPORT_DOWNLOADED, actor=actor, target=export_target(row))
    return row
