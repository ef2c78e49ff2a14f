"""Exports of the ledger prove themselves where no server is; whatever was done to one is seen."""

import ast
import hashlib
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit.checkpoints import signed_link
from audit.models import AuditEvent, AuditSeal, moment_of
from audit.services import Target, record
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys import signing
from keys.models import SigningKey
from keys.services.signing_keys import rotate_signing_key
from projects.events import DOMAINS_FORGOTTEN, PROJECT_RESTORED
from projects.services.domains import MOST_SEEN
from tests.audit.archives import lines_of, made, script, spoil, unpacked
from tests.cast import Cast


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


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_record_that_tells_of_a_thousand_hosts_proves_itself_too(log: Cast, tmp_path: Path, kind: str):
    hosts = [f"{number:0249}.com" for number in range(MOST_SEEN)]
    with tenant_scope(log.acme.id), transaction.atomic():
        record(DOMAINS_FORGOTTEN, actor=SYSTEM, data={"project": public_id("prj", new_id()), "hosts": hosts})
    ended = script(unpacked(made(log, kind), tmp_path))
    assert (ended.returncode, ended.stderr) == (0, "")


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


def test_of_two_files_of_records_none_is_vouched_for(log: Cast, tmp_path: Path):
    folder = unpacked(made(log), tmp_path)
    assert script(folder).returncode == 0
    (folder / "records.csv").write_text("What somebody wants to be read beside the true records.\n")
    ended = script(folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Leave one file of records" in ended.stderr


@pytest.mark.parametrize(
    ("kind", "pattern", "twice"),
    [
        ("jsonl", r'("event": )', r'\1"key.revoked", \1'),
        ("jsonl", r'("actor": {)("kind": )', r'\1\2"user", \2'),
        ("csv", r'("{)(""\w+"": )', r"\1\2null, \2"),
        # A column of the same name before the true one.
        ("csv", r'^("\w+",)("\w+",)', r"\1\2\2"),
    ],
)
def test_what_is_said_twice_of_a_record_is_not_vouched_for(
    log: Cast, tmp_path: Path, kind: str, pattern: str, twice: str
):
    folder = unpacked(made(log, kind), tmp_path)
    file = folder / f"records.{kind}"
    text, count = re.subn(pattern, twice, file.read_text(), flags=re.MULTILINE)
    assert count >= 5  # what the cast did; that the export was asked for may not be sealed yet
    file.write_text(text)
    ended = script(folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "A record says something twice" in ended.stderr


def test_checkpoints_that_were_kept_count_against_an_archive_that_was_made_to_fit(log: Cast, tmp_path: Path):
    folder = unpacked(made(log), tmp_path)
    last = len(lines_of(folder))
    kept, earlier = signed_link(log.acme.id, last), signed_link(log.acme.id, last - 2)
    (folder / "kept.json").write_text(json.dumps({"statement": kept}))
    assert script(folder, "kept.json").returncode == 0
    (folder / "page.json").write_text(json.dumps({"data": [{"statement": kept}], "next": None}))
    assert script(folder, "page.json").returncode == 0
    # The tail is cut, and the archive's own checkpoint replaced by one that fits.
    spoil(folder, cut)
    (folder / "checkpoints.jsonl").write_text(json.dumps({"statement": earlier}) + "\n")
    assert script(folder).returncode == 0
    for file in ("kept.json", "page.json"):
        ended = script(folder, file)
        assert ended.returncode == 1
        words = f"ends at number {last - 2}, but a checkpoint says that the log went on to number {last}"
        assert words in ended.stderr


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


def test_the_script_has_fifty_lines_and_the_archive_says_what_to_keep(log: Cast, tmp_path: Path):
    folder = unpacked(made(log), tmp_path)
    text = (folder / "verify_audit.py").read_text()
    words = ast.get_docstring(ast.parse(text), clean=False) or ""
    code = [line for line in text.replace(words, "").splitlines() if line.strip().strip('"')]
    assert len(code) <= 50
    readme = (folder / "README.txt").read_text()
    assert f"curl -s {settings.TENANTRY_URL}/.well-known/jwks.json > keys-of-that-day.json" in readme
    assert "python verify_audit.py . my-checkpoint.json keys-of-that-day.json" in readme
