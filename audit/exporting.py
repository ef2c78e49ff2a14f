"""Making exports of the ledger: an archive with the records and, if none is left out between two, what proves them.

The records are written in parts, each noted in the row together with where it ends; so whoever takes over from a killed
worker goes on behind the last part. A worker that was thought dead, or whose export was cancelled meanwhile, finds out
at its next note, and stops.
"""

import json
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, models, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from audit import events
from audit.chain import COLUMNS, moment_text, written
from audit.lines import HEADERS, line_of
from audit.models import AuditEvent, AuditExport
from audit.ranges import dropped_before, range_of
from audit.sealing import seal_all
from audit.searching import search
from audit.selectors import LOOKED_AT, kept_since
from audit.services import record
from audit.services.exports import criteria_of, export_target
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.stored_files import delete_folder
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import system_scope, tenant_scope

# Records of a part: of an excerpt, whose rows cost more, and of a whole range.
PORTION, LINKS_PORTION = 5000, 20_000
# An excerpt looks so often for rows before it notes how far it has come.
LOOKS = 20
KEPT = 3  # archives of an organization; an older one makes room
# A worker notes something far more often than this while it lives.
STALE = timedelta(minutes=5)
MOST_ATTEMPTS = 5
# Seconds to wait for seals, between two looks.
LONGEST_WAIT, PAUSE = 20.0, 0.5

SAMPLE = settings.BASE_DIR / "docs" / "samples" / "verify_audit.py"

LINKS = f"""
SELECT s.sequence, s.digest, {", ".join(f"e.{column}" for column in COLUMNS)}
FROM audit_seal s JOIN audit_event e ON e.id = s.id AND e.org_id = s.org_id
WHERE s.org_id = %s AND s.sequence > %s AND s.sequence <= %s ORDER BY s.sequence LIMIT %s
"""  # noqa: S608 - column names of ours

logger = structlog.get_logger()


class Stopped(Exception):
    """The export was cancelled, or somebody else works on it."""


def make_export(export_id: UUID) -> str:
    """Makes, or goes on with, an export of the organization in scope.

    Returns `ready`; `gone` when there is nothing to do or somebody else is at it; `stopped` when it was cancelled
    meanwhile; `failed` when several workers have died of it.
    """
    export = _claimed(export_id)
    if export is None:
        return "gone"
    try:
        if export.attempt > MOST_ATTEMPTS:
            _fail(export)
            return "failed"
        while True:
            if not export.plan:
                _begin(export)
            while _go_on(export):
                pass
            if not _is_shortened(export):
                break
            _start_again(export)
        _finish(export)
    except Stopped:
        return "stopped"
    except (OSError, DatabaseError):
        if not _fail(export):
            return "stopped"  # its parts may have been deleted meanwhile
        logger.exception("an export of the audit log failed", export_id=export.public_id)
        raise
    return "ready"


def tend_exports() -> tuple[int, int]:
    """Asks again for exports that stand still, and deletes the parts of those that have ended. Returns both counts."""
    with system_scope("exports of the audit log that stand still, and what others left"):
        standing = list(
            AuditExport.objects.unfinished().filter(updated_at__lt=timezone.now() - STALE).values_list("org_id", "id")
        )
        with_parts = AuditExport.objects.exclude(parts=[]).exclude(state__in=AuditExport.UNFINISHED)
        ended = list(with_parts.only("id", "org_id"))
    for organization_id, export_id in standing:
        with tenant_scope(organization_id):
            enqueue("audit.make_export", str(export_id))
    for export in ended:
        with tenant_scope(export.org_id):
            _forget_parts(export)
    return len(standing), len(ended)


def _claimed(export_id: UUID) -> AuditExport | None:
    """The export with a new attempt, if it waits or whoever was at it has died."""
    now = timezone.now()
    free = models.Q(state=AuditExport.State.WAITING) | models.Q(
        state=AuditExport.State.RUNNING, updated_at__lt=now - STALE
    )
    rows = AuditExport.objects.filter(free, id=export_id)
    if not rows.update(state=AuditExport.State.RUNNING, attempt=models.F("attempt") + 1, updated_at=now):
        return None
    return AuditExport.objects.get(id=export_id)


def _note(export: AuditExport, **fields: Any) -> None:
    """Writes to the row if it is still ours. Raises Stopped."""
    mine = AuditExport.objects.filter(id=export.id, attempt=export.attempt, state=AuditExport.State.RUNNING)
    if not mine.update(**fields, updated_at=timezone.now()):
        raise Stopped
    for name, value in fields.items():
        setattr(export, name, value)


# -- which records ---------------------------------------------------------------------------------------------------
def _begin(export: AuditExport) -> None:
    since = kept_since(export.org_id)
    if export.is_whole:
        _await_seals(export)
        begins = dropped_before()
        plan = range_of(export.org_id, criteria_of(export.filters, since))
        total = plan["last"] - plan["first"] + 1 if plan else 0
        _note(
            export,
            plan={**(plan or {"first": 0}), "begins": begins},
            rows_total=total,
            position=str(plan["first"] - 1 if plan else 0),
        )
    else:
        # What was recorded until it was asked for.
        below = export.id
        criteria = criteria_of(export.filters, since)
        rows = AuditEvent.objects.between(criteria.start, criteria.end).filter(id__lt=below)
        narrowed = rows.matching(
            event=criteria.event, actor_id=criteria.actor_id, target_id=criteria.target_id, result=criteria.result
        )
        plan = {"since": since and moment_text(since)}
        # Counting what words and addresses find would be finding it.
        total = 0 if criteria.words or criteria.ip else narrowed.count()
        _note(export, plan=plan, rows_total=total, position=str(below))


def _await_seals(export: AuditExport) -> None:
    """Until what was recorded before the export was asked for has its place in the chain; not for long.

    Another process may be sealing, or some transaction be open; what is not sealed by then is left out.
    """
    end = time.monotonic() + LONGEST_WAIT
    while time.monotonic() < end:
        seal_all()
        newest = AuditEvent.objects.with_sequence().filter(id__lt=export.id).order_by("-id")[:LOOKED_AT]
        if all(row.sequence is not None for row in newest):
            return
        time.sleep(PAUSE)


def _is_shortened(export: AuditExport) -> bool:
    """Whether records of its range are missing that were dropped since it was planned: that would look like a cut."""
    return (
        export.is_whole and export.rows_done != export.rows_total and export.plan.get("begins", "") != dropped_before()
    )


def _start_again(export: AuditExport) -> None:
    parts = export.parts
    _note(export, plan={}, parts=[], position="", rows_done=0, rows_total=0)
    for part in parts:
        default_storage.delete(part)


# -- parts -----------------------------------------------------------------------------------------------------------
def _go_on(export: AuditExport) -> bool:
    """Writes the next part. Returns whether there is more."""
    if "since" in export.plan:
        lines, position = _excerpt(export)
    else:
        lines, position = _links(export)
    if lines:
        name = f"{_folder(export)}/{export.attempt}-{len(export.parts)}"
        saved = default_storage.save(name, ContentFile(b"".join(lines)))
        try:
            _note(
                export, parts=[*export.parts, saved], position=position or "", rows_done=export.rows_done + len(lines)
            )
        except Stopped:
            default_storage.delete(saved)
            raise
    else:
        _note(export, position=position or "")
    return position is not None


def _links(export: AuditExport) -> tuple[list[bytes], str | None]:
    """Records in the order of the chain. None as the next position at the end."""
    last = export.plan.get("last", 0)
    if not export.position:
        return [], None
    with connection.cursor() as cursor:
        cursor.execute(LINKS, [export.org_id, int(export.position), last, LINKS_PORTION])
        rows = cursor.fetchall()
    lines = [
        line_of(export.format, {**written(row), "sequence": sequence, "digest": bytes(digest).hex()})
        for sequence, digest, *row in rows
    ]
    return lines, str(rows[-1][0]) if len(rows) == LINKS_PORTION else None


def _excerpt(export: AuditExport) -> tuple[list[bytes], str | None]:
    """Records that meet the filters, the newest first. None as the next position at the end."""
    if not export.position:
        return [], None
    since = export.plan["since"]
    criteria = criteria_of(export.filters, since and datetime.fromisoformat(since))
    lines: list[bytes] = []
    below: UUID | None = UUID(export.position)
    for _ in range(LOOKS):
        found = search(criteria, below=below, limit=PORTION - len(lines), rows=AuditEvent.objects.with_sequence())
        lines += [_excerpt_line(export, row) for row in found.rows]
        below = found.older
        if below is None or len(lines) >= PORTION:
            break
    return lines, str(below) if below else None


def _excerpt_line(export: AuditExport, row: Any) -> bytes:
    content = written([getattr(row, column) for column in COLUMNS])
    return line_of(export.format, {**content, "sequence": row.sequence, "digest": ""})


# -- the archive -----------------------------------------------------------------------------------------------------
def _finish(export: AuditExport) -> None:
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open(f"records.{export.format}", "w", force_zip64=True) as member:
                member.write(HEADERS[export.format])
                for part in export.parts:
                    with default_storage.open(part) as lines:
                        for chunk in lines.chunks():
                            member.write(chunk)
                    _note(export)
            for name, text in _around(export):
                archive.writestr(name, text)
        size = file.tell()
        file.seek(0)
        path = default_storage.save(_archive(export, export.attempt), File(file))
    try:
        with transaction.atomic():
            ended = {"path": path, "size": size, "finished_at": timezone.now()}
            _note(export, state=AuditExport.State.READY, **ended)
            record(
                events.AUDIT_EXPORT_FINISHED,
                actor=SYSTEM,
                target=export_target(export),
                data={"rows": export.rows_done, "size": size},
            )
    except Stopped:
        default_storage.delete(path)
        raise
    for attempt in range(1, export.attempt):  # one that was killed before it could note its archive
        default_storage.delete(_archive(export, attempt))
    _forget_parts(export)
    _make_room()


def _around(export: AuditExport) -> Iterator[tuple[str, str]]:
    """The files beside the records, as (name, text)."""
    plan, proven = export.plan, None
    if plan.get("statements"):
        proven = {name: plan[name] for name in ("first", "last", "digest_before")}
        statements = plan["statements"]
        yield "checkpoints.jsonl", "".join(json.dumps({"statement": statement}) + "\n" for statement in statements)
        keys = import_string(settings.TENANTRY_CHECKPOINT_KEYS)(statements)
        yield "keys.json", json.dumps({"keys": keys}, indent=1)
        yield "verify_audit.py", Path(SAMPLE).read_text()
    manifest = {
        "organization": public_id("org", export.org_id),
        "export": export.public_id,
        "format": export.format,
        "filters": export.filters,
        "records": export.rows_done,
        "range": proven,
        "made_at": moment_text(timezone.now()),
    }
    yield "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False)
    yield "README.txt", (WHOLE if proven else EXCERPT).format(url=settings.TENANTRY_URL, format=export.format)


WHOLE = """The audit log of one organization, as records.{format}: each record with its number and its digest.

Nothing was left out between the first and the last number, and that can be proven without the server:

    pip install "pyjwt[crypto]"
    python verify_audit.py

It says which record was changed, removed, inserted or moved, if any was. Whether the archive as a whole was made to fit
is shown by what you kept elsewhere: checkpoints, and the key sets of the days on which you kept them. Name both, in any
order:

    python verify_audit.py . my-checkpoint.json keys-of-that-day.json

To have them next time, keep both now where nobody of the installation can reach them. A key leaves the key set a day
after it has retired, so keep it with each checkpoint:

    curl -s {url}/.well-known/jwks.json > keys-of-that-day.json

In records.csv a text that a spreadsheet would take for a formula begins with an apostrophe; so does one that began with
an apostrophe itself.
"""
EXCERPT = """Some records of the audit log of one organization, as records.{format}: those that meet the filters in
manifest.json, the newest first. Whether any is missing can only be proven by an export without filters.

In records.csv a text that a spreadsheet would take for a formula begins with an apostrophe; so does one that began with
an apostrophe itself.
"""


def _folder(export: AuditExport) -> str:
    return f"tenants/{export.org_id}/exports/{export.public_id}"


def _archive(export: AuditExport, attempt: int) -> str:
    return f"{_folder(export)}-{attempt}.zip"


def _forget_parts(export: AuditExport) -> None:
    """Also those that a killed worker could not note."""
    with suppress(OSError):  # somebody who lost their turn may still be writing there
        delete_folder(_folder(export))
    AuditExport.objects.filter(id=export.id).update(parts=[])


def _fail(export: AuditExport) -> bool:
    """False when it was not ours any more."""
    try:
        with transaction.atomic():
            _note(export, state=AuditExport.State.FAILED, finished_at=timezone.now())
            record(events.AUDIT_EXPORT_FAILED, actor=SYSTEM, target=export_target(export))
    except Stopped:
        return False
    return True


def _make_room() -> None:
    """Deletes the files of all but the newest archives; their rows stay as history, without a path."""
    for export in AuditExport.objects.exclude(path="").order_by("-id")[KEPT:]:
        default_storage.delete(export.path)
        AuditExport.objects.filter(id=export.id).update(path="")
