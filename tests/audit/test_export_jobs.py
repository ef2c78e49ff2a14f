"""Making exports of the ledger: killed, resumed, stopped, given up, and what is left of them."""

import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from audit import exporting, tasks
from audit.models import AuditEvent, AuditExport
from audit.services import exports
from config.kernel.errors import Absent, Conflict
from config.kernel.tenancy.scope import system_scope, tenant_scope
from tests.audit.archives import asked, lines_of, made, script, unpacked
from tests.cast import Cast
from tests.commands.test_operator_commands import ROOT, database_url
from tests.grace import end_grace_period


def files(cast: Cast, export: AuditExport) -> list[str]:
    """All that is stored of it: parts and the archive."""
    folder = f"tenants/{cast.acme.id}/exports"
    folders, names = default_storage.listdir(folder)
    parts = default_storage.listdir(f"{folder}/{export.public_id}")[1] if export.public_id in folders else []
    return [*parts, *(name for name in names if name.startswith(export.public_id))]


def test_one_that_a_killed_worker_left_is_gone_on_with_behind_its_last_part(log: Cast, tmp_path: Path):
    export = asked(log)
    program = (
        "import django, sys; django.setup()\n"
        "from uuid import UUID\n"
        "from audit import exporting\n"
        "from config.kernel.tenancy.scope import tenant_scope\n"
        "exporting.LINKS_PORTION = 4\n"
        "go_on = exporting._go_on\n"
        "def slowly(export):\n"
        "    more = go_on(export)\n"
        "    print(len(export.parts), flush=True)\n"
        "    if len(export.parts) == 2: sys.stdin.readline()\n"
        "    return more\n"
        "exporting._go_on = slowly\n"
        f"with tenant_scope(UUID('{log.acme.id}')): exporting.make_export(UUID('{export.id}'))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "DATABASE_URL": database_url()},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as worker:  # fmt: skip
        assert worker.stdout is not None
        while worker.stdout.readline().strip() != "2":
            assert worker.poll() is None
        worker.send_signal(signal.SIGKILL)
    with tenant_scope(log.acme.id):
        export.refresh_from_db()
        assert (export.state, export.rows_done, len(export.parts)) == ("running", 8, 2)
        assert exporting.make_export(export.id) == "gone"  # nobody knows yet that it stands still
        AuditExport.objects.update(updated_at=timezone.now() - exporting.STALE - timedelta(seconds=1))
        before = export.parts
        assert exporting.make_export(export.id) == "ready"
        export.refresh_from_db()
    folder = unpacked(export, tmp_path)
    numbers = [line["sequence"] for line in lines_of(folder)]
    assert numbers == list(range(1, export.rows_total + 1))
    assert script(folder).returncode == 0
    assert (export.attempt, export.parts) == (2, [])
    assert not any(default_storage.exists(part) for part in before)


def test_a_worker_that_lost_its_turn_writes_nothing_more(log: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exporting, "LINKS_PORTION", 4)
    export = asked(log)
    with tenant_scope(log.acme.id):
        slow = exporting._claimed(export.id)
        assert slow is not None
        exporting._begin(slow)
        exporting._go_on(slow)
        AuditExport.objects.update(updated_at=timezone.now() - exporting.STALE * 2)
        assert exporting.make_export(export.id) == "ready"
        with pytest.raises(exporting.Stopped):
            exporting._go_on(slow)
        export.refresh_from_db()
        assert (export.state, export.attempt) == ("ready", 2)
    assert files(log, export) == [f"{export.public_id}-2.zip"]


def test_two_requests_at_once_make_one_export(log: Cast):
    gate, outcomes = threading.Barrier(2), []

    def ask() -> None:
        gate.wait()
        try:
            outcomes.append(asked(log).state)
        except Conflict as error:
            outcomes.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["export_running", "waiting"]
    with tenant_scope(log.acme.id):
        assert AuditExport.objects.count() == 1
        assert AuditEvent.objects.filter(event="audit_export.requested").count() == 1


def test_one_that_is_cancelled_stops_and_its_parts_go(log: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exporting, "LINKS_PORTION", 4)
    export = asked(log)
    with tenant_scope(log.acme.id):
        worker = exporting._claimed(export.id)
        assert worker is not None
        exporting._begin(worker)
        exporting._go_on(worker)
        exports.cancel_export(actor=log.principal(log.viewer), export=export.public_id)
        with pytest.raises(exporting.Stopped):
            exporting._go_on(worker)
        assert exporting.make_export(export.id) == "gone"
        with pytest.raises(Conflict):
            exports.cancel_export(actor=log.principal(log.viewer), export=export.public_id)
        with pytest.raises(Conflict):
            exports.open_archive(actor=log.principal(log.viewer), export=export.public_id)
    assert tasks.tend_exports() == "asked 0, tidied 1"
    assert files(log, export) == []
    assert tasks.tend_exports() == "asked 0, tidied 0"


def test_exports_that_stand_still_are_asked_for_again_and_given_up_in_the_end(log: Cast):
    export = asked(log)
    assert tasks.tend_exports() == "asked 0, tidied 0"
    with tenant_scope(log.acme.id):
        AuditExport.objects.update(updated_at=timezone.now() - exporting.STALE * 2, attempt=exporting.MOST_ATTEMPTS)
    assert tasks.tend_exports() == "asked 1, tidied 0"
    with tenant_scope(log.acme.id):
        assert exporting.make_export(export.id) == "failed"
        assert AuditEvent.objects.filter(event="audit_export.failed", target_id=export.public_id).count() == 1


def test_a_storage_that_fails_fails_the_export(log: Cast, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "full").write_text("a file where a folder should be")
    monkeypatch.setattr(default_storage._wrapped, "_location", str(tmp_path / "full"))
    monkeypatch.setitem(default_storage._wrapped.__dict__, "location", str(tmp_path / "full"))
    monkeypatch.setitem(default_storage._wrapped.__dict__, "base_location", str(tmp_path / "full"))
    export = asked(log)
    with tenant_scope(log.acme.id):
        with pytest.raises(OSError, match="full"):
            exporting.make_export(export.id)
        export.refresh_from_db()
        assert (export.state, export.path) == ("failed", "")


def test_what_a_killed_worker_could_not_note_goes_with_the_rest(log: Cast):
    export = asked(log)
    with tenant_scope(log.acme.id):
        AuditExport.objects.update(attempt=1, state="running", updated_at=timezone.now() - exporting.STALE * 2)
        folder = f"tenants/{log.acme.id}/exports/{export.public_id}"
        part = default_storage.save(f"{folder}/1-0", ContentFile(b"a part"))
        archive = default_storage.save(f"{folder}-1.zip", ContentFile(b"an archive"))
        assert exporting.make_export(export.id) == "ready"
    assert not default_storage.exists(part)
    assert not default_storage.exists(archive)


def test_an_export_that_is_stopped_while_its_archive_is_made_has_not_failed(log: Cast, monkeypatch: pytest.MonkeyPatch):
    export = asked(log)
    note = exporting._note

    def stopped_behind(row: AuditExport, **fields: Any) -> None:
        note(row, **fields)
        if fields.get("position") == "":  # the last part is written
            exports.cancel_export(actor=log.principal(log.owner), export=row.public_id)
            assert tasks.tend_exports() == "asked 0, tidied 1"

    monkeypatch.setattr(exporting, "_note", stopped_behind)
    with tenant_scope(log.acme.id):
        assert exporting.make_export(export.id) == "stopped"
        assert not AuditEvent.objects.filter(event="audit_export.failed").exists()


def test_old_archives_make_room(log: Cast):
    archives = [made(log, target="prj_1") for _ in range(exporting.KEPT + 1)]
    assert [default_storage.exists(one.path) for one in archives] == [False] + [True] * exporting.KEPT
    with tenant_scope(log.acme.id), pytest.raises(Absent):
        exports.open_archive(actor=log.principal(log.viewer), export=archives[0].public_id)


def test_nothing_of_an_export_is_left_when_the_organization_is_erased(log: Cast):
    from orgs.erasure import erase

    export = made(log)
    end_grace_period(log.acme)
    assert erase(log.acme.id)
    assert not default_storage.exists(export.path)
    with system_scope("test"):
        assert not AuditExport.objects.filter(org_id=log.acme.id).exists()
