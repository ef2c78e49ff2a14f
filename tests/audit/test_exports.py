"""Exports of the ledger: what is in them, whole and narrowed; no table harms a spreadsheet."""

import csv
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from audit.lines import harmless
from audit.models import AuditCheckpoint, AuditEvent, AuditSeal
from audit.services import Target, record
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from projects.events import PROJECT_RESTORED
from tests.audit.archives import lines_of, made, unpacked
from tests.audit.test_sealing import seal_everything
from tests.cast import Cast


def ids(cast: Cast, **filters: str) -> list[str]:
    with tenant_scope(cast.acme.id):
        return [row.public_id for row in AuditEvent.objects.filter(**filters).order_by("-id")]


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


def test_an_export_leaves_no_checkpoint_that_would_be_taken_for_the_newest(log: Cast, tmp_path: Path):
    with tenant_scope(log.acme.id):
        unpacked(made(log), tmp_path)
        assert not AuditCheckpoint.objects.exists()


def test_words_are_not_counted_before_they_are_found(log: Cast):
    export = made(log, q="project")
    assert export.rows_done > 0
    assert export.rows_total == 0


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
