"""Retention: months that every plan is done with go whole, signed; what must stay cannot be dropped by anybody."""

import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import override_settings
from django.utils import timezone

from audit import exporting, retention, verifying
from audit.chain import COLUMNS, canonical, next_digest
from audit.checkpoints import Statement, make_checkpoints, signed_link, state_beginning
from audit.models import AuditBeginning, AuditEvent, AuditExport, AuditSeal, first_id_at
from audit.tasks import drop_expired
from config.kernel.identifiers import public_id
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from keys.models import SigningKey
from orgs import plans
from orgs.management.commands.verify_audit import INSTALLATION
from orgs.models import Organization
from orgs.retention import audit_days, kept_days
from tests.audit.archives import lines_of, made, script, unpacked
from tests.audit.test_partitions import partitions
from tests.audit.test_sealing import seal_everything, write
from tests.cast import Cast
from tests.commands.test_verify_audit import tamper, verified
from tests.database import owner_connection


def month_before(count: int) -> datetime:
    """The first moment of the month so many before this one."""
    now = datetime.now(UTC)
    months = now.year * 12 + now.month - 1 - count
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


OLD, NEXT = month_before(8), month_before(7)


def name_of(month: datetime) -> str:
    return f"audit_event_{month:%Y_%m}"


def write_at(organization: UUID, moment: datetime, count: int = 1) -> list[UUID]:
    """Records that were made then."""
    with tenant_scope(organization), transaction.atomic():
        return [
            AuditEvent.objects.create(
                id=UUID(int=first_id_at(moment).int | new_id().int & (1 << 62) - 1 | 7 << 76 | 2 << 62),
                event="project.restored",
                actor_kind="system",
            ).id
            for _ in range(count)
        ]


@pytest.fixture
def months(committed_cast: Cast) -> Iterator[Cast]:
    """Two old months beside the one in hand, with records of Acme, Globex and the installation."""
    database = connection.settings_dict["NAME"]
    with owner_connection(database) as owner:
        for month in (OLD, NEXT):
            owner.execute("SELECT audit_make_partition(%s)", [month])
    cast = committed_cast
    # A chain whose first records are the oldest: what the cast did comes later.
    tamper("DELETE FROM audit_event")
    for month in (OLD, NEXT):
        for organization in (cast.acme.id, cast.globex.id, INSTALLATION_ID):
            write_at(organization, month + timedelta(days=3), 3)
        seal_everything()
    for organization in (cast.acme.id, cast.globex.id):
        write(organization, 4)
    seal_everything()
    tell_database()
    yield cast
    with owner_connection(database) as owner:
        for month in (OLD, NEXT):
            owner.execute(f"DROP TABLE IF EXISTS {name_of(month)}")
    tell_database()


def tell_database() -> None:
    """As migrate does, with the settings in force."""
    plans.plans.cache_clear()
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        owner.execute(kept_days())


def drop_directly(month: datetime) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT audit_drop_partition(%s)", [month])


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
    assert (answers["acme"]["begins_after"], answers["acme"]["records"]) == (6, 6)
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


class shorter(override_settings):  # noqa: N801 - reads like a function
    """Other retention, said to the database as migrate does."""

    def __init__(self, installation: int, **days: int | None) -> None:
        super().__init__(
            TENANTRY_INSTALLATION_AUDIT_DAYS=installation,
            TENANTRY_PLANS={plan: {"audit_days": count} for plan, count in days.items()},
        )

    def enable(self) -> None:
        super().enable()
        tell_database()

    def disable(self) -> None:
        super().disable()
        tell_database()


def dropped_by(months: Cast) -> None:
    with shorter(installation=100):
        assert drop_expired() == "dropped 2"


@pytest.mark.parametrize(
    ("tampering", "kind", "place"),
    [
        ("UPDATE audit_event SET actor_label = 'x' WHERE id = %s", "changed", 8),
        ("DELETE FROM audit_event WHERE id = %s", "removed", 8),
        ("DELETE FROM audit_seal WHERE id = %s", "removed", 8),
    ],
)
def test_after_a_drop_tampering_with_what_is_left_is_named(months: Cast, tampering: str, kind: str, place: int):
    dropped_by(months)
    with tenant_scope(months.acme.id):
        record_id = AuditSeal.objects.get(sequence=place).id
    tamper(tampering, record_id)
    finding = verified("acme")[1]["acme"]["finding"]
    assert (finding["kind"], finding["sequence"]) == (kind, place)


@pytest.mark.parametrize("place", [7, 8, 10])
def test_a_removed_record_whose_link_says_that_it_was_of_a_dropped_month_is_named(months: Cast, place: int):
    make_checkpoints()
    dropped_by(months)
    with tenant_scope(months.acme.id):
        record_id = AuditSeal.objects.get(sequence=place).id
    old = UUID(int=first_id_at(OLD).int | 7 << 76 | 2 << 62 | 99)
    tamper("DELETE FROM audit_event WHERE id = %s", record_id)
    tamper("UPDATE audit_seal SET id = %s WHERE id = %s", old, record_id)
    finding = verified("acme")[1]["acme"]["finding"]
    assert (finding["kind"], finding["sequence"], finding["record"]) == ("removed", place, public_id("evt", old))


def test_a_beginning_moved_over_records_that_a_checkpoint_knows_to_be_later_is_named(months: Cast, tmp_path: Path):
    """The program itself was made to sign that the log begins later than its months do."""
    (tmp_path / "kept").write_text(signed_link(months.acme.id, 8))
    dropped_by(months)
    state_beginning(months.acme.id, after=9, dropped_before=month_before(6) + timedelta(days=1))
    gone = "(SELECT id FROM audit_seal WHERE org_id = %s AND sequence BETWEEN 7 AND 8)"
    tamper(f"DELETE FROM audit_event WHERE id IN {gone}", months.acme.id)
    tamper(f"DELETE FROM audit_seal WHERE id IN {gone}", months.acme.id)
    assert verified("acme")[0]
    finding = verified("acme", "--checkpoint", str(tmp_path / "kept"))[1]["acme"]["finding"]
    assert (finding["kind"], finding["sequence"]) == ("removed", 8)


def test_a_month_that_is_dropped_while_its_log_is_verified_is_no_finding(months: Cast, monkeypatch: pytest.MonkeyPatch):
    statements = verifying._statements
    dropped: list[bool] = []

    def drop() -> None:
        try:
            dropped_by(months)
            dropped.append(True)
        finally:
            connection.close()

    def slowly(kept: list[Statement], beginning: verifying.Beginning) -> Any:
        found = statements(kept, beginning)
        if threading.current_thread() is threading.main_thread() and not dropped:
            thread = threading.Thread(target=drop)
            thread.start()
            thread.join()
        return found

    monkeypatch.setattr(verifying, "_statements", slowly)
    report = verifying.verify(months.globex.id)
    assert dropped
    assert (report.finding, report.begins_after) == (None, 6)


def test_records_cut_from_the_front_that_should_be_there_are_named(months: Cast):
    dropped_by(months)
    tamper("DELETE FROM audit_event WHERE org_id = %s AND id IN (SELECT id FROM audit_seal WHERE sequence = 7)",
           months.acme.id)  # fmt: skip
    tamper("DELETE FROM audit_seal WHERE org_id = %s AND sequence = 7", months.acme.id)
    finding = verified("acme")[1]["acme"]["finding"]
    assert (finding["kind"], finding["sequence"]) == ("removed", 7)


def test_a_month_cut_by_hand_is_named(months: Cast):
    tamper(f"DROP TABLE {name_of(OLD)}")
    finding = verified("acme")[1]["acme"]["finding"]
    assert (finding["kind"], finding["sequence"]) == ("removed", 1)
    tamper("DELETE FROM audit_seal WHERE org_id = %s AND sequence <= 3", months.acme.id)
    finding = verified("acme")[1]["acme"]["finding"]
    assert (finding["kind"], finding["sequence"]) == ("removed", 1)


def test_a_beginning_that_nobody_signed_is_named(months: Cast):
    dropped_by(months)
    tamper("DELETE FROM audit_event WHERE org_id = %s AND id IN (SELECT id FROM audit_seal WHERE sequence <= 8)",
           months.acme.id)  # fmt: skip
    tamper("UPDATE audit_beginning SET sequence = 8, digest = s.digest FROM audit_seal s "
           "WHERE s.org_id = audit_beginning.org_id AND s.sequence = 8")  # fmt: skip
    assert verified("acme")[0] is False


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


def late_one_dropped(months: Cast) -> None:
    """Number 11 of Acme was sealed late, and dropped with its month."""
    write_at(months.acme.id, OLD + timedelta(days=20))
    seal_everything()
    write(months.acme.id, 2)
    seal_everything()
    dropped_by(months)


def test_a_record_before_one_that_was_sealed_late_and_dropped_cannot_be_changed_with_its_link(months: Cast):
    late_one_dropped(months)
    with tenant_scope(months.acme.id):
        before, link = AuditSeal.objects.filter(sequence__in=(9, 10)).order_by("sequence")
        tamper("UPDATE audit_event SET actor_label = 'x' WHERE id = %s", link.id)
        row = verifying._rows(f"SELECT {', '.join(COLUMNS)} FROM audit_event WHERE id = %s", [link.id])[0]
    digest = next_digest(bytes(before.digest), canonical(row))
    tamper("UPDATE audit_seal SET digest = %s WHERE id = %s", digest, link.id)
    finding = verified("acme")[1]["acme"]["finding"]
    assert (finding["kind"], finding["sequence"]) == ("rewritten", 11)


def test_what_is_signed_of_a_dropped_record_passes_for_no_beginning(months: Cast):
    late_one_dropped(months)
    tamper(
        "UPDATE audit_beginning b SET sequence = 11, digest = s.digest, statement = split_part(statement, E'\\n', 2) "
        "FROM audit_seal s WHERE s.org_id = b.org_id AND s.sequence = 11 AND b.statement LIKE %s",
        "%\n%",
    )
    tamper("DELETE FROM audit_event WHERE id IN (SELECT id FROM audit_seal WHERE org_id = %s AND sequence < 12)",
           months.acme.id)  # fmt: skip
    tamper("DELETE FROM audit_seal WHERE org_id = %s AND sequence < 11", months.acme.id)
    assert verified("acme")[0] is False


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


def test_a_beginning_whose_key_was_withdrawn_does_not_hold(months: Cast):
    dropped_by(months)
    SigningKey.objects.update(withdrawn_at=timezone.now(), private_key=b"")
    holds, answers, _ = verified("acme")
    assert not holds
    assert (answers["acme"]["finding"]["kind"], answers["acme"]["finding"]["sequence"]) == ("checkpoint", 6)


def test_the_plans_say_how_long_logs_are_kept(cast: Cast):
    Organization.objects.filter(id=cast.globex.id).update(plan="pro")
    assert audit_days([cast.acme.id, cast.globex.id, INSTALLATION_ID, new_id()]) == {
        cast.acme.id: 90, cast.globex.id: 400, INSTALLATION_ID: 2_557,
    }  # fmt: skip


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
