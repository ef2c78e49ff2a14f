"""Retention: months that every plan is done with go whole, signed; what must stay cannot be dropped by anybody."""

import io
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import override_settings
from django.utils import timezone

from audit import exporting, retention
from audit.checkpoints import signed_link, state_beginning
from audit.models import AuditBeginning, AuditEvent, AuditExport, AuditSeal, first_id_at
from audit.tasks import drop_expired
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from orgs.management.audit_evidence import INSTALLATION
from orgs.models import Organization
from orgs.retention import audit_days
from tests.audit.archives import lines_of, made, script, unpacked
from tests.audit.months import (
    NEXT,
    OLD,
    drop_directly,
    dropped_by,
    month_before,
    name_of,
    shorter,
    write_at,
)
from tests.audit.test_partitions import partitions
from tests.audit.test_sealing import seal_everything, write
from tests.cast import Cast
from tests.commands.test_verify_audit import tamper, verified


def test_months_that_are_over_are_dropped_and_the_logs_begin_behind_them(months: Cast, tmp_path: Path):
    kept_before, kept_after = signed_link(months.acme.id, 4), signed_link(months.acme.id, 8)
    assert drop_expired() == "dropped 0"  # the installation's own log is kept longer
    assert {name_of(OLD), name_of(NEXT)} < set(partitions())
    with shorter(installation=100):
        assert drop_expired() == "dropped 2"
        assert drop_expired() == "dropped 0"
    assert not {name_of(OLD), name_of(NEXT)} & set(partitions())
    with tenant_scope(months.acme.id):
        assert AuditEvent.objects.filter(id__lt=first_id_at(month_before(6))).count() == 0
        assert AuditSeal.objects.order_by("sequence").first().sequence == 6
        assert [row.sequence for row in AuditBeginning.objects.order_by("dropped_before")] == [3, 6]
    with tenant_scope(INSTALLATION_ID):
        dropped = AuditEvent.objects.filter(event="audit_log.dropped").order_by("id")
        assert [row.data for row in dropped] == [{"month": f"{month:%Y-%m}", "records": 9} for month in (OLD, NEXT)]
    # The chain goes on from its last link, and verifies from there on, against kept checkpoints too.
    write(months.acme.id, 2)
    seal_everything()
    for number, checkpoint in enumerate((kept_before, kept_after)):
        (tmp_path / str(number)).write_text(checkpoint)
    holds, answers, _ = verified("--checkpoint", str(tmp_path / "0"), "--checkpoint", str(tmp_path / "1"))
    assert holds
    assert (answers["acme"]["begins_after"], answers["acme"]["records"]) == (6, 8)
    words = io.StringIO()
    call_command("verify_audit", "acme", stdout=io.StringIO(), stderr=words, no_color=True)
    assert "begins behind number 6, as signed when older records were dropped" in words.getvalue()
    # The checkpoint from before it has nothing left that it could be held against, and that is said.
    assert answers["acme"]["unconfirmed_checkpoints"] == 1
    assert [answers[name]["dropped_early"] for name in ("acme", INSTALLATION)] == [False, True]
    arguments = ("verify_audit", INSTALLATION), ("verify_audit", "acme", "--checkpoint", str(tmp_path / "0"))
    for argument in arguments:
        call_command(*argument, stdout=io.StringIO(), stderr=words, no_color=True)
    assert "1 are of before that beginning and cannot be confirmed any more" in words.getvalue()
    assert "though its records are kept for 2557 days now" in words.getvalue()


def test_a_log_that_does_not_hold_is_not_dropped(months: Cast):
    with tenant_scope(months.globex.id):
        first = AuditSeal.objects.get(sequence=1).id
    tamper("UPDATE audit_event SET actor_label = 'x' WHERE id = %s", first)
    with shorter(installation=100):
        assert drop_expired() == "dropped 0"
    assert name_of(OLD) in partitions()


def test_one_organization_that_keeps_its_records_keeps_the_month(months: Cast):
    Organization.objects.filter(id=months.globex.id).update(plan="enterprise")
    with shorter(installation=100):
        assert drop_expired() == "dropped 0"
    with shorter(installation=100, enterprise=120):
        assert drop_expired() == "dropped 2"


def test_nothing_is_dropped_while_it_is_kept_for_good(months: Cast):
    with shorter(installation=0):
        assert drop_expired() == "dropped 0"
    with shorter(installation=100, free=None, pro=None):
        assert drop_expired() == "dropped 0"


def test_a_month_with_records_that_wait_for_their_seal_stays(months: Cast):
    write_at(months.acme.id, OLD + timedelta(days=5))
    with shorter(installation=100):
        assert drop_expired() == "dropped 0"
        assert name_of(OLD) in partitions()
        seal_everything()
        assert drop_expired() == "dropped 2"


def test_a_record_that_was_sealed_late_stays_out_of_the_way(months: Cast, tmp_path: Path):
    """A record of an old month behind one of a later month in the chain: its link stays, the log still verifies."""
    write_at(months.acme.id, OLD + timedelta(days=20))
    seal_everything()
    write(months.acme.id, 2)
    seal_everything()
    dropped_by(months)
    holds, answers, _ = verified()
    assert holds
    assert answers["acme"]["begins_after"] == 6
    with tenant_scope(months.acme.id):
        assert AuditSeal.objects.order_by("sequence").values_list("sequence", flat=True)[0] == 6
    export = made(months)
    folder = unpacked(export, tmp_path)
    assert [line["sequence"] for line in lines_of(folder)] == list(range(12, 12 + export.rows_done))
    assert script(folder).returncode == 0
    with tenant_scope(months.acme.id):
        late = AuditSeal.objects.get(sequence=9).id
    tamper("DELETE FROM audit_event WHERE id = %s", late)
    assert verified("acme")[1]["acme"]["finding"]["sequence"] == 9


def test_whoever_may_call_the_function_cannot_drop_what_it_judges_to_be_kept(months: Cast):
    with shorter(installation=100), override_settings(TENANTRY_INSTALLATION_AUDIT_DAYS=1):
        # No statement says where the logs begin then.
        with pytest.raises(DatabaseError, match="no statement is kept"), tenant_scope(months.acme.id):
            drop_directly(OLD)
        with pytest.raises(DatabaseError, match="older month is still there"), tenant_scope(months.acme.id):
            drop_directly(NEXT)
        with pytest.raises(DatabaseError, match="no partition of that month"), system_scope("test"):
            drop_directly(month_before(30))
    for organization in (months.acme.id, months.globex.id, INSTALLATION_ID):
        state_beginning(organization, after=3, dropped_before=NEXT)
    with pytest.raises(DatabaseError, match="still kept"), tenant_scope(months.acme.id):
        drop_directly(OLD)
    state_beginning(months.acme.id, after=9, dropped_before=month_before(6))
    with pytest.raises(DatabaseError, match="older month|still kept"), system_scope("test"):
        drop_directly(month_before(0))
    assert {name_of(OLD), name_of(NEXT)} < set(partitions())


def test_a_month_before_our_era_is_not_taken_for_the_one_of_that_name(months: Cast):
    with system_scope("test"), connection.cursor() as cursor:
        before = AuditEvent.objects.count()
        cursor.execute(
            "INSERT INTO audit_beginning (id, org_id, created_at, sequence, digest, dropped_before, statement) "
            "SELECT gen_random_uuid(), org_id, now(), sequence, digest, %s::timestamptz, '' FROM audit_seal "
            "WHERE sequence = 3",
            [f"{NEXT:%Y-%m-%d} 00:00:00+00 BC"],
        )
        with pytest.raises(DatabaseError, match="no partition of that month"), transaction.atomic():
            cursor.execute("SELECT audit_drop_partition(%s::timestamptz)", [f"{OLD:%Y-%m-%d} 00:00:00+00 BC"])
        assert AuditEvent.objects.count() == before
    assert name_of(OLD) in partitions()


def test_settings_alone_do_not_shorten_what_the_database_was_told(months: Cast):
    with override_settings(TENANTRY_INSTALLATION_AUDIT_DAYS=100):
        assert drop_expired() == "dropped 0"
    assert name_of(OLD) in partitions()


@pytest.mark.parametrize("scope", ["tenant", "system"])
def test_the_runtime_roles_cannot_say_how_long_records_are_kept(cast: Cast, scope: str):
    with system_scope("test") if scope == "system" else tenant_scope(cast.acme.id):
        for statement in (
            "CREATE OR REPLACE FUNCTION audit_kept_days(plan text) RETURNS integer LANGUAGE sql AS 'SELECT 0'",
            "DROP FUNCTION audit_kept_days(text)",
            "UPDATE audit_beginning SET sequence = 0",
            "DELETE FROM audit_beginning",
        ):
            with pytest.raises(DatabaseError, match="permission denied|must be owner"), transaction.atomic():
                connection.cursor().execute(statement)


def test_the_plans_say_how_long_logs_are_kept(cast: Cast):
    Organization.objects.filter(id=cast.globex.id).update(plan="pro")
    assert audit_days([cast.acme.id, cast.globex.id, INSTALLATION_ID, new_id()]) == {
        cast.acme.id: 90, cast.globex.id: 400, INSTALLATION_ID: 2_557,
    }  # fmt: skip


def test_an_export_of_which_a_month_is_dropped_meanwhile_proves_itself(
    months: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    acme = Organization.objects.filter(id=months.acme.id)
    acme.update(plan="pro")
    monkeypatch.setattr(exporting, "LINKS_PORTION", 2)
    links, calls = exporting._links, list[int]()

    def drop() -> None:
        try:
            acme.update(plan="free")
            dropped_by(months)
        finally:
            connection.close()

    def slowly(export: AuditExport) -> Any:
        calls.append(export.rows_done)
        if len(calls) == 2:
            thread = threading.Thread(target=drop)
            thread.start()
            thread.join()
        return links(export)

    monkeypatch.setattr(exporting, "_links", slowly)
    export = made(months)
    folder = unpacked(export, tmp_path)
    assert calls[:2] == [0, 2]
    assert lines_of(folder)[0]["sequence"] == 7
    assert export.rows_done == export.rows_total == len(lines_of(folder))
    assert export.parts == []
    ended = script(folder)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_exports_leave_out_what_the_plan_shows_no_more(months: Cast, tmp_path: Path):
    everything = made(months)
    with tenant_scope(months.acme.id):
        kept = AuditEvent.objects.filter(id__gte=first_id_at(timezone.now() - timedelta(days=90))).count()
    folder = unpacked(everything, tmp_path)
    assert 4 <= everything.rows_done <= kept
    assert lines_of(folder)[0]["sequence"] == 7
    assert script(folder).returncode == 0
    narrowed = made(months, event="project.restored")
    assert narrowed.rows_done == 4
    with tenant_scope(months.acme.id):
        assert AuditExport.objects.count() == 2
    assert default_storage.exists(narrowed.path)
    assert exporting.KEPT == 3
    assert retention._months()[0] == OLD
