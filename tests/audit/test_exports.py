"""Exports of the ledger: whole, narrowed, provable without the server, resumed, stopped, harmless to spreadsheets."""

import csv
import hashlib
import json
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
from django.db import connection, transaction
from django.utils import timezone

from audit import exporting, tasks
from audit.checkpoints import signed_link
from audit.lines import harmless
from audit.models import AuditCheckpoint, AuditEvent, AuditExport, AuditSeal, moment_of
from audit.services import Target, exports, record
from config.kernel.errors import Absent, Conflict
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys import signing
from keys.models import SigningKey
from keys.services.signing_keys import rotate_signing_key
from projects.events import PROJECT_RESTORED
from tests.audit.archives import asked, lines_of, made, script, spoil, unpacked
from tests.audit.test_sealing import seal_everything, write
from tests.cast import Cast
from tests.commands.test_operator_commands import ROOT, database_url


@pytest.fixture
def log(committed_cast: Cast) -> Cast:
    for _ in range(4):
        write(committed_cast.acme.id, 3)
    seal_everything()
    return committed_cast


def ids(cast: Cast, **filters: str) -> list[str]:
    with tenant_scope(cast.acme.id):
        return [row.public_id for row in AuditEvent.objects.filter(**filters).order_by("-id")]


def files(cast: Cast, export: AuditExport) -> list[str]:
    """All that is stored of it: parts and the archive."""
    folder = f"tenants/{cast.acme.id}/exports"
    folders, names = default_storage.listdir(folder)
    parts = default_storage.listdir(f"{folder}/{export.public_id}")[1] if export.public_id in folders else []
    return [*parts, *(name for name in names if name.startswith(export.public_id))]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_whole_export_proves_itself_where_no_server_is(log: Cast, tmp_path: Path, kind: str):
    with tenant_scope(log.acme.id), transaction.atomic():
        odd = Target("project", "=1+1", "'-\u2028 \U0001f680,\"\r\n;\t")
        record(PROJECT_RESTORED, actor=SYSTEM, target=odd)
    export = made(log, kind)
    folder = unpacked(export, tmp_path)
    assert {file.name for file in folder.iterdir()} == {
        f"records.{kind}", "manifest.json", "keys.json", "checkpoints.jsonl", "verify_audit.py", "README.txt",
    }  # fmt: skip
    ended = script(folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"Numbers 1 to {export.rows_done} of {log.acme.public_id} are as they were sealed." in ended.stdout
    assert export.rows_done == export.rows_total > 13
    assert log.globex.public_id not in "".join(file.read_text() for file in folder.iterdir())


def drop(lines: list[dict[str, Any]]) -> None:
    del lines[4]


def drop_first(lines: list[dict[str, Any]]) -> None:
    del lines[0]


def cut(lines: list[dict[str, Any]]) -> None:
    del lines[-2:]


def change(lines: list[dict[str, Any]]) -> None:
    lines[4]["actor"]["label"] = "Somebody else"


def change_with_digest(lines: list[dict[str, Any]]) -> None:
    lines[4]["actor"]["label"] = "Somebody else"
    lines[4]["digest"] = "00" * 32


def swap(lines: list[dict[str, Any]]) -> None:
    lines[4], lines[5] = lines[5], lines[4]


def swap_with_numbers(lines: list[dict[str, Any]]) -> None:
    swap(lines)
    lines[4]["sequence"], lines[5]["sequence"] = 5, 6


def insert(lines: list[dict[str, Any]]) -> None:
    lines.insert(5, {**lines[4], "id": "evt_01h455vb4pex5vsknk084sn02q"})


def write_anew(lines: list[dict[str, Any]]) -> None:
    """Everything is computed again after a change, as somebody would who has read the script."""
    lines[4]["actor"]["label"] = "Somebody else"
    digest = hashlib.sha256(lines[0]["organization_id"].encode()).digest()
    for line in lines:
        content = {name: line[name] for name in line if name not in ("sequence", "digest")}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(digest + text.encode()).digest()
        line["digest"] = digest.hex()


@pytest.mark.parametrize(
    ("tampering", "words"),
    [
        (drop, "Number 5 is missing"), (drop_first, "Number 1 is missing"), (cut, "This export ends at"),
        (change, "Number 5, evt_"), (change_with_digest, "Number 5, evt_"), (swap, "Number 5 is missing"),
        (swap_with_numbers, "Number 5, evt_"), (insert, "Number 6 is missing"), (write_anew, "written anew"),
    ],
)  # fmt: skip
def test_a_spoiled_export_is_seen_where_no_server_is(log: Cast, tmp_path: Path, tampering: Any, words: str):
    folder = unpacked(made(log), tmp_path)
    spoil(folder, tampering)
    ended = script(folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert words in ended.stderr


def test_checkpoints_that_were_kept_count_against_an_archive_that_was_made_to_fit(log: Cast, tmp_path: Path):
    folder = unpacked(made(log), tmp_path)
    last = len(lines_of(folder))
    kept, earlier = signed_link(log.acme.id, last), signed_link(log.acme.id, last - 2)
    (folder / "kept.json").write_text(json.dumps({"statement": kept}))
    assert script(folder, "kept.json").returncode == 0
    # The tail is cut, and the archive's own checkpoint replaced by one that fits.
    spoil(folder, cut)
    (folder / "checkpoints.jsonl").write_text(json.dumps({"statement": earlier}) + "\n")
    assert script(folder).returncode == 0
    ended = script(folder, "kept.json")
    assert ended.returncode == 1
    assert f"ends at number {last - 2}, but a checkpoint says that the log went on to number {last}" in ended.stderr


def test_a_checkpoint_of_a_key_that_has_retired_counts_with_the_key_set_that_was_kept(log: Cast, tmp_path: Path):
    with tenant_scope(log.acme.id):
        place = AuditSeal.objects.head().sequence - 2
    kept, keys = signed_link(log.acme.id, place), signing.published()
    ahead = timezone.now() - timedelta(hours=1)
    SigningKey.objects.filter(signs_from__isnull=True).update(ready_at=ahead)
    with system_scope("test"), transaction.atomic():
        rotate_signing_key(actor=SYSTEM)
    signing.forget()
    folder = unpacked(made(log), tmp_path)
    (folder / "kept.json").write_text(json.dumps({"statement": kept}))
    (folder / "kept-keys.json").write_text(json.dumps({"keys": keys}))
    ended = script(folder, "kept.json")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "name the key set of its day too" in ended.stderr
    ended = script(folder, "kept.json", "kept-keys.json")
    assert (ended.returncode, ended.stderr) == (0, "")
    spoil(folder, drop)
    assert "is missing" in script(folder, "kept-keys.json", "kept.json").stderr


def test_a_statement_that_nobody_signed_is_refused(log: Cast, tmp_path: Path):
    folder = unpacked(made(log), tmp_path)
    checkpoints = folder / "checkpoints.jsonl"
    head, claims, signature = json.loads(checkpoints.read_text())["statement"].split(".")
    checkpoints.write_text(json.dumps({"statement": f"{head}.{claims[:-2]}AA.{signature}"}))
    assert script(folder).returncode == 1


def test_a_range_of_time_is_whole_between_its_ends(log: Cast, tmp_path: Path):
    with tenant_scope(log.acme.id):
        rows = list(AuditEvent.objects.order_by("id"))
    # By their ids, which may have been made a millisecond before `created_at`.
    since, until = moment_of(rows[5].id), moment_of(rows[-4].id) + timedelta(milliseconds=1)
    folder = unpacked(made(log, since=since, until=until), tmp_path)
    numbers = [line["sequence"] for line in lines_of(folder)]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert {row.public_id for row in rows[5:-3]} <= {line["id"] for line in lines_of(folder)}
    assert numbers[0] > 1
    assert numbers[-1] < len(rows)
    ended = script(folder)
    assert f"Numbers {numbers[0]} to {numbers[-1]} of" in ended.stdout
    spoil(folder, drop_first)
    assert "is missing" in script(folder).stderr


def test_a_range_without_a_record_is_an_empty_export(log: Cast, tmp_path: Path):
    export = made(log, until=timezone.now() - timedelta(days=9))
    folder = unpacked(export, tmp_path)
    assert (export.rows_done, lines_of(folder)) == (0, [])
    assert json.loads((folder / "manifest.json").read_text())["range"] is None


def test_filters_narrow_and_what_is_narrowed_does_not_claim_to_be_whole(log: Cast, tmp_path: Path):
    cases: list[tuple[dict[str, str], list[str]]] = [
        ({"event": "project.restored"}, ids(log, event="project.restored")),
        ({"event": "project.*"}, ids(log, event__startswith="project.")),
        ({"actor": "system", "event": "project.restored"}, ids(log, event="project.restored", actor_id="system")),
        ({"target": "prj_1"}, ids(log, target_id="prj_1")),
        ({"ip": "192.0.2.77"}, []),
        ({"q": "prj_2"}, ids(log, target_id="prj_2")),
    ]
    for number, (filters, expected) in enumerate(cases):
        folder = unpacked(made(log, **filters), tmp_path / str(number))
        assert [line["id"] for line in lines_of(folder)] == expected, filters
        assert not (folder / "verify_audit.py").exists()
        assert json.loads((folder / "manifest.json").read_text())["filters"] == filters


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


def test_an_export_leaves_no_checkpoint_that_would_be_taken_for_the_newest(log: Cast, tmp_path: Path):
    with tenant_scope(log.acme.id):
        unpacked(made(log), tmp_path)
        assert not AuditCheckpoint.objects.exists()


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


def test_words_are_not_counted_before_they_are_found(log: Cast):
    export = made(log, q="project")
    assert export.rows_done > 0
    assert export.rows_total == 0


def test_old_archives_make_room(log: Cast):
    archives = [made(log, target="prj_1") for _ in range(exporting.KEPT + 1)]
    assert [default_storage.exists(one.path) for one in archives] == [False] + [True] * exporting.KEPT
    with tenant_scope(log.acme.id), pytest.raises(Absent):
        exports.open_archive(actor=log.principal(log.viewer), export=archives[0].public_id)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        " =1",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1",
        "'=1",
        "'",
        "=cmd|' /C calc'!A0",
        "\0=1",
    ],
)
def test_what_a_spreadsheet_would_calculate_is_a_text(text: str):
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", "evt_1", "1", "O'Brien", "2026-11-22T10:00:00Z", '{"a": 1}', "::1"])
def test_what_it_would_not_stays_as_it_is(text: str):
    assert harmless(text) == text


def test_no_cell_of_a_table_begins_a_formula_and_every_text_can_be_had_back(log: Cast, tmp_path: Path):
    nasty = ['=HYPERLINK("https://x.example")', "+1", "-2", "@x", "'quoted", "\t=1", "two\r\nlines", 'a;"b",c']
    with tenant_scope(log.acme.id), transaction.atomic():
        for text in nasty:
            record(PROJECT_RESTORED, actor=SYSTEM, target=Target("project", "prj_9", text))
    seal_everything()
    folder = unpacked(made(log, "csv", target="prj_9"), tmp_path)
    with (folder / "records.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    labels = [row["target_label"] for row in rows]
    assert [label.removeprefix("'") if label.startswith("'") else label for label in labels] == nasty[::-1]
    for row in rows:
        for value in row.values():
            assert value.lstrip()[:1] not in set("=+-@"), value


def test_a_chain_written_into_the_archive_is_that_of_the_database(log: Cast, tmp_path: Path):
    folder = unpacked(made(log), tmp_path)
    with tenant_scope(log.acme.id):
        digests = {seal.record_id: seal.digest_text for seal in AuditSeal.objects.all()}
        assert {line["id"]: line["digest"] for line in lines_of(folder)}.items() <= digests.items()


def test_nothing_of_an_export_is_left_when_the_organization_is_erased(log: Cast):
    from orgs.erasure import erase

    export = made(log)
    log.acme.status, log.acme.erase_after = "deleting", timezone.now() - timedelta(days=1)
    log.acme.save()
    assert erase(log.acme.id)
    assert not default_storage.exists(export.path)
    with system_scope("test"):
        assert not AuditExport.objects.filter(org_id=log.acme.id).exists()
