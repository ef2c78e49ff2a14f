"""Logs whose oldest months were dropped: what is left verifies from its signed beginning, and tampering is named."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from audit import verifying
from audit.chain import COLUMNS, canonical, next_digest
from audit.checkpoints import make_checkpoints, signed_link, state_beginning
from audit.models import AuditEvent, AuditSeal, first_id_at
from config.kernel.identifiers import public_id
from config.kernel.tenancy.scope import tenant_scope
from keys.models import SigningKey
from tests.audit.months import (
    OLD,
    dropped_by,
    late_one_dropped,
    month_before,
    name_of,
)
from tests.audit.test_sealing import seal_everything
from tests.cast import Cast
from tests.commands.test_verify_audit import tamper, verified


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

    def slowly(*given: Any) -> Any:
        found = statements(*given)
        if threading.current_thread() is threading.main_thread() and not dropped:
            thread = threading.Thread(target=drop)
            thread.start()
            thread.join()
        return found

    monkeypatch.setattr(verifying, "_statements", slowly)
    report = verifying.verify(months.globex.id)
    assert dropped
    assert (report.finding, report.beginning.sequence) == (None, 6)


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


@pytest.mark.parametrize("data", [{}, [], {"before": 1}], ids=str)
def test_a_record_of_another_shape_keeps_no_log_from_being_verified(dropped: Cast, data: Any):
    with tenant_scope(dropped.acme.id):
        AuditEvent.objects.create(event="audit_log.shortened", data=data)
    seal_everything()
    assert verified("acme")[0]


def test_a_beginning_whose_key_was_withdrawn_does_not_hold(months: Cast):
    dropped_by(months)
    SigningKey.objects.update(withdrawn_at=timezone.now(), private_key=b"")
    holds, answers, _ = verified("acme")
    assert not holds
    assert (answers["acme"]["finding"]["kind"], answers["acme"]["finding"]["sequence"]) == ("checkpoint", 6)
