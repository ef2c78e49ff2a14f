"""Making the archive of everything an organization owns: JSON Lines per table, no secrets."""

import json
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.apps import apps
from django.core.files import File
from django.core.files.storage import default_storage
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, models, transaction
from django.utils import timezone

from audit.models import AuditEvent
from audit.selectors import kept_since
from audit.services import record
from config.kernel.principals import SYSTEM
from config.kernel.tasks import enqueue
from config.kernel.tenancy.models import TenantModel
from config.kernel.tenancy.scope import require_organization_id, system_scope, tenant_scope
from orgs import events
from orgs.models import DataExport, Membership, Organization, User
from orgs.services.targets import export_target

CHUNK = 1000
KEPT = 3  # archives; an older one makes room
# The queue hands out again what a killed worker had after an hour; what then still stands, it has forgotten.
STALE = timedelta(minutes=90)

logger = structlog.get_logger()


def make_export(export_id: UUID) -> str:
    """Makes an export of the organization in scope. Returns `ready`, or `gone` when it is not waiting any more.

    A worker that is killed meanwhile leaves it running; the queue hands it out again, or tend_exports asks for it, and
    it starts from the beginning.
    """
    export = DataExport.objects.unfinished().filter(id=export_id).first()
    if export is None:
        return "gone"
    tables = [*_global_tables(export.org_id), *((model._meta.db_table, _rows(model)) for model in exported_models())]
    _progress(export, state=DataExport.State.RUNNING, tables_done=0, tables_total=len(tables), rows=0)
    try:
        with tempfile.TemporaryFile() as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, lines in tables:
                    written = _write_table(archive, f"{name}.jsonl", lines)
                    _progress(export, tables_done=export.tables_done + 1, rows=export.rows + written)
            size = file.tell()
            file.seek(0)
            path = default_storage.save(f"tenants/{export.org_id}/exports/{export.public_id}.zip", File(file))
    except (OSError, DatabaseError):
        _progress(export, state=DataExport.State.FAILED, finished_at=timezone.now())
        logger.exception("data export failed", export_id=export.public_id)
        raise
    with transaction.atomic():
        _progress(export, state=DataExport.State.READY, path=path, size=size, finished_at=timezone.now())
        record(
            events.EXPORT_FINISHED,
            actor=SYSTEM,
            target=export_target(export),
            data={"rows": export.rows, "size": export.size},
        )
    _make_room()
    return "ready"


def tend_exports() -> int:
    """Asks again for exports that stand still, each once in a while. Returns how many."""
    now = timezone.now()
    with system_scope("data exports that stand still"):
        standing = list(DataExport.objects.standing_since(now - STALE).values_list("org_id", "id"))
    asked = 0
    for organization_id, export_id in standing:
        with tenant_scope(organization_id), transaction.atomic():
            if DataExport.objects.standing_since(now - STALE).filter(id=export_id).update(updated_at=now):
                enqueue("orgs.make_export", str(export_id))
                asked += 1
    return asked


def exported_models() -> list[type[TenantModel]]:
    """Every tenant table but those that say `exported = False`."""
    return [m for m in apps.get_models() if issubclass(m, TenantModel) and getattr(m, "exported", True)]


def exported_columns(model: type[models.Model]) -> list[str]:
    """A table's columns without those that hold hashes, ciphertexts or other bytes."""
    return [f.attname for f in model._meta.concrete_fields if not isinstance(f, models.BinaryField)]


def _rows(model: type[TenantModel]) -> Iterator[dict[str, Any]]:
    rows = model.objects.all()
    if model is AuditEvent:  # as the pages, without what the plan keeps no more
        rows = rows.between(kept_since(require_organization_id()), None)
    return rows.order_by("id").values(*exported_columns(model)).iterator(chunk_size=CHUNK)


def _global_tables(organization_id: UUID) -> list[tuple[str, Any]]:
    """What lies in global tables: the organization itself, and names and addresses of its people."""
    organization = Organization.objects.filter(id=organization_id).values(*exported_columns(Organization))
    people = Membership.objects.values_list("user_id", flat=True)
    users = User.objects.filter(id__in=list(people)).order_by("id").values("id", "email", "name", "created_at")
    return [("organization", organization), ("users", users)]


def _write_table(archive: zipfile.ZipFile, name: str, lines: Any) -> int:
    count = 0
    with archive.open(name, "w") as member:
        for line in lines:
            member.write(json.dumps(line, cls=DjangoJSONEncoder, ensure_ascii=False).encode() + b"\n")
            count += 1
    return count


def _progress(export: DataExport, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(export, name, value)
    export.save(update_fields=[*fields, "updated_at"])


def _make_room() -> None:
    """Deletes the files of all but the newest archives; their rows stay as history, without a path."""
    old = DataExport.objects.filter(state=DataExport.State.READY).exclude(path="").order_by("-id")[KEPT:]
    for export in old:
        default_storage.delete(export.path)
        export.path = ""
        export.save(update_fields=["path", "updated_at"])
