"""What logs record when their oldest months are dropped, and late records that an older version dropped unsaid."""

import io
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from audit.chain import moment_text
from audit.models import AuditEvent, AuditSeal, first_id_at
from config.kernel.identifiers import public_id
from config.kernel.tenancy.scope import tenant_scope
from tests.audit.attestations import attestations, attested, beginnings
from tests.audit.months import NEXT, OLD, dropped_by, late_one_dropped, month_before
from tests.audit.test_sealing import seal_everything, write
from tests.cast import Cast
from tests.commands.test_verify_audit import tamper, verified


@pytest.fixture
def unsigned(months: Cast) -> Cast:
    """Number 11 of Acme went with its month, though it was sealed late; no version said so."""
    late_one_dropped(months)
    tamper("DELETE FROM audit_event WHERE event = 'audit_log.shortened'")
    tamper(r"UPDATE audit_beginning SET statement = split_part(statement, E'\n', 1)")
    seal_everything()
    return months


def record_at(cast: Cast, place: int) -> str:
    with tenant_scope(cast.acme.id):
        return AuditSeal.objects.get(sequence=place).record_id


def test_late_records_that_an_older_version_dropped_are_vouched_for_by_name(unsigned: Cast):
    late = record_at(unsigned, 11)
    finding = verified("acme")[1]["acme"]["finding"]
    assert (finding["kind"], finding["record"]) == ("removed", late)
    done, found = attested("acme", "--dropped", late, "--unproven", "--reason", "It was of a dropped month.")
    assert (done, found["acme"]["state"], found["acme"]["proven"]) == (True, "signed", False)
    assert attestations(unsigned.acme.id)[0].data["records"] == [late]
    seal_everything()
    assert verified("acme")[0]
    write(unsigned.acme.id)
    # What was named keeps its digest, so the record before it cannot be changed with its link.
    with tenant_scope(unsigned.acme.id):
        before = AuditSeal.objects.get(sequence=10).id
    tamper("UPDATE audit_event SET actor_label = 'x' WHERE id = %s", before)
    assert verified("acme")[0] is False


def test_only_late_records_of_dropped_months_can_be_vouched_for(unsigned: Cast):
    late, other = record_at(unsigned, 11), record_at(unsigned, 9)
    tamper("DELETE FROM audit_event WHERE id = (SELECT id FROM audit_seal WHERE org_id = %s AND sequence = 9)",
           unsigned.acme.id)  # fmt: skip
    before = beginnings()
    for named, words in (
        ([late], "removed: number 9"),
        ([late, other], "removed: number 9"),
        ([other], "removed: number 9"),
    ):
        arguments = [part for one in named for part in ("--dropped", one)]
        done, found = attested("acme", *arguments, "--unproven", "--reason", "sure")
        assert (done, words in found["acme"]["refusal"]) == (False, True), found["acme"]["refusal"]
    assert beginnings() == before
    with pytest.raises(CommandError, match="Name the organization"):
        call_command("attest_audit", "--dropped", late, stderr=io.StringIO())
    with pytest.raises(CommandError, match="Nothing has the id or name that you gave"):
        call_command("attest_audit", "acme", "--dropped", "evt_typo", "--reason", "sure", stderr=io.StringIO())
    assert beginnings() == before


def test_a_late_record_is_not_vouched_for_where_the_log_says_what_was_dropped(dropped: Cast):
    with tenant_scope(dropped.acme.id):
        removed = AuditSeal.objects.get(sequence=8).id
    old = UUID(int=first_id_at(OLD).int | 7 << 76 | 2 << 62 | 99)
    tamper("DELETE FROM audit_event WHERE id = %s", removed)
    tamper("UPDATE audit_seal SET id = %s WHERE id = %s", old, removed)
    done, found = attested("acme", "--dropped", public_id("evt", old), "--unproven", "--reason", "sure")
    assert not done
    assert "says otherwise of where the log begins" in found["acme"]["refusal"]
    assert attestations(dropped.acme.id) == []


def test_the_log_says_itself_when_its_oldest_records_were_dropped(months: Cast):
    late_one_dropped(months)
    with tenant_scope(months.acme.id):
        rows = list(AuditEvent.objects.filter(event="audit_log.shortened").order_by("id"))
    assert [(row.data["before"], row.data["sequence"], row.data["late"]) for row in rows] == [
        (moment_text(NEXT), 3, 1), (moment_text(month_before(6)), 6, 1),
    ]  # fmt: skip
    assert {row.actor_kind for row in rows} == {"system"}


def test_a_log_with_nothing_left_but_that_record_gets_no_other_for_it(months: Cast):
    tamper("DELETE FROM audit_event WHERE org_id = %s AND id >= %s", months.globex.id, first_id_at(NEXT))
    tamper("DELETE FROM audit_seal WHERE org_id = %s AND sequence > 3", months.globex.id)
    with tenant_scope(months.globex.id):
        record_id = UUID(int=first_id_at(NEXT).int | 7 << 76 | 2 << 62 | 5)
        AuditEvent.objects.create(id=record_id, event="audit_log.shortened", data={"before": moment_text(OLD)})
    seal_everything()
    dropped_by(months)
    with tenant_scope(months.globex.id):
        assert AuditEvent.objects.filter(event="audit_log.shortened").count() == 1
    seal_everything()
    assert verified("globex")[0]
