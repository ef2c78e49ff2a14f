"""A signing key was compromised: what it signed counts no more, and operators vouch for where logs begin."""

import io
import json
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from audit import attesting
from audit.beginnings import Trust, read_beginning
from audit.chain import COLUMNS, canonical, moment_text, next_digest
from audit.checkpoints import make_checkpoint, make_checkpoints, read_statement, state_beginning
from audit.models import AuditBeginning, AuditCheckpoint, AuditEvent, AuditSeal, Sealer, first_id_at
from audit.services.checkpoints import sign_checkpoint
from audit.tasks import drop_expired
from audit.verifying import _rows
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from keys import signing
from keys.models import SigningKey
from orgs.management.audit_evidence import INSTALLATION
from tests.audit.archives import made, script, unpacked
from tests.audit.months import NEXT, OLD, dropped_by, late_one_dropped, month_before, name_of, shorter
from tests.audit.test_partitions import partitions
from tests.audit.test_sealing import seal_everything, write
from tests.cast import Cast
from tests.commands.test_verify_audit import tamper, verified

LOGS = {"acme", "globex", INSTALLATION}
ITS_LOG = "org_id = (SELECT org_id FROM audit_seal WHERE id = %s)"


def attested(*arguments: str) -> tuple[bool, dict[str, Any]]:
    """Whether the command ended well, and its answer for each log that it concerns, by name."""
    out = io.StringIO()
    done = True
    try:
        call_command("attest_audit", *arguments, "--json", stdout=out, stderr=io.StringIO())
    except CommandError:
        done = False
    answer = json.loads(out.getvalue())
    assert answer["done"] == done
    return done, {row["organization"]: row for row in answer["organizations"]}


def withdraw() -> str:
    """As the operator does; the kid of the key that signed until now."""
    row = SigningKey.objects.get(signs_from__isnull=False, signs_until=None, withdrawn_at=None)
    call_command(
        "rotate_signing_key", "--withdraw", row.public_id, "--reason", "found on a laptop", stderr=io.StringIO()
    )
    signing.forget()
    return row.kid


def kept_now(folder: Path) -> list[str]:
    """What everybody keeps: a checkpoint of each log, and the key set; as arguments."""
    make_checkpoints()
    with system_scope("test"):
        statements = [row.statement for row in AuditCheckpoint.objects.order_by("id")]
    (folder / "kept.txt").write_text("\n".join(statements))
    (folder / "keys.json").write_text(json.dumps({"keys": signing.published()}))
    return ["--checkpoint", str(folder / "kept.txt"), "--keys", str(folder / "keys.json")]


def beginnings() -> list[tuple[Any, ...]]:
    with system_scope("test"):
        return list(AuditBeginning.objects.order_by("id").values_list("org_id", "sequence", "edition", "statement"))


def attestations(organization: UUID) -> list[AuditEvent]:
    with tenant_scope(organization):
        return list(AuditEvent.objects.filter(event="audit_log.attested").order_by("id"))


@pytest.fixture
def dropped(months: Cast) -> Cast:
    """Both old months are dropped, and the logs have sealed their own records of that."""
    dropped_by(months)
    seal_everything()
    return months


def test_after_a_signing_key_was_compromised_everything_goes_on_with_the_next_one(months: Cast, tmp_path: Path):
    """The steps of docs/operators.md."""
    with shorter(installation=(timezone.now() - NEXT).days - 1):
        assert drop_expired() == "dropped 1"
    seal_everything()
    kept = kept_now(tmp_path)
    # 1. The key is withdrawn. The logs say why they do not hold, and none is dropped meanwhile.
    kid = withdraw()
    holds, answers, _ = verified()
    assert not holds
    for name in LOGS:
        finding = answers[name]["finding"]
        assert (finding["kind"], finding["sequence"]) == ("checkpoint", 3)
        assert f"was signed with the key {kid}, which was withdrawn since: run attest_audit" in finding["words"]
        assert answers[name]["untrusted_checkpoints"] == 1
    with shorter(installation=100):
        assert drop_expired() == "dropped 0"
    # 2. What would be signed; nothing is yet.
    before = beginnings()
    done, found = attested(*kept)
    assert done
    assert {name: (row["state"], row["proven"], row["key"]) for name, row in found.items()} == dict.fromkeys(
        LOGS, ("ready", True, kid)
    )
    assert beginnings() == before
    # 3. It is signed, and on the record of each log and of the installation.
    done, found = attested(*kept, "--reason", "The drops are in our change log of May.")
    assert done
    assert {row["state"] for row in found.values()} == {"signed"}
    assert len(beginnings()) == len(before) + 3
    (event,) = attestations(months.acme.id)
    assert event.actor_id == "command_line"
    assert event.data == {
        "before": moment_text(NEXT), "sequence": 3, "key": kid, "reason": "The drops are in our change log of May.",
        "proven": True, "checkpoints": 1, "records": [],
    }  # fmt: skip
    told = [row.target_id for row in attestations(INSTALLATION_ID)]
    assert sorted(told) == sorted([public_id("org", INSTALLATION_ID), months.acme.public_id, months.globex.public_id])
    # 4. Doing it again changes nothing.
    assert attested(*kept, "--reason", "again") == (True, {})
    assert len(attestations(months.acme.id)) == 1
    # 5. The logs hold, and say that somebody vouched for them.
    seal_everything()
    assert verified(*kept)[0]  # the next key was in the key set before it signed
    holds, answers, _ = verified()
    assert holds
    assert answers["acme"]["attested_at"]
    words = io.StringIO()
    call_command("verify_audit", "acme", stdout=io.StringIO(), stderr=words, no_color=True)
    assert "and signed anew on an operator's word on" in words.getvalue()
    # 6. Each log gets a checkpoint of the new key within the hour.
    assert make_checkpoints() == 3
    assert verified()[1]["acme"]["checkpoints"] == 1
    # 7. Old months are dropped again, and exports prove themselves, against what was kept before, too.
    with shorter(installation=100):
        assert drop_expired() == "dropped 1"
    assert name_of(NEXT) not in partitions()
    folder = unpacked(made(months), tmp_path / "archive")
    ended = script(folder)
    assert (ended.returncode, ended.stderr) == (0, "")
    # A checkpoint that Acme kept since before counts for them, with the key set that they kept.
    (acme,) = [line for line in (tmp_path / "kept.txt").read_text().split() if of(line) == months.acme.id]
    (folder / "mine.json").write_text(json.dumps({"statement": acme}))
    assert script(folder, "mine.json").returncode == 1
    assert script(folder, "mine.json", "../keys.json").returncode == 0


def of(statement: str) -> UUID:
    return read_statement(statement).organization_id


def test_a_quiet_log_gets_another_checkpoint_when_a_key_was_withdrawn(committed_cast: Cast):
    signing.published()
    seal_everything()
    first, _ = make_checkpoint(committed_cast.acme.id)
    others = make_checkpoints()
    assert make_checkpoints() == 0
    kid = withdraw()
    with tenant_scope(committed_cast.acme.id):
        signed = sign_checkpoint(actor=SYSTEM)
    assert first is not None
    assert (signed.sequence, signed.edition) == (first.sequence, 2)
    assert read_statement(first.statement).kid == kid
    assert not read_statement(signed.statement).is_withdrawn
    seal_everything()
    assert make_checkpoints() >= others
    SigningKey.objects.exclude(withdrawn_at=None).update(withdrawn_at=timezone.now() - timedelta(seconds=30))
    assert make_checkpoints() == 0


def forge(organization: UUID, *, after: int, digest: str, record: str, before: datetime) -> str:
    """Signed by whoever has the key."""
    return signing.sign_checkpoint(
        {
            "organization": public_id("org", organization), "sequence": after, "digest": digest, "record": record,
            "sealed_at": moment_text(before), "dropped_before": moment_text(before),
        }
    )  # fmt: skip


def move_beginning(cast: Cast, after: int) -> None:
    """Whoever has the key and the database hides the records up to that number."""
    before = month_before(6)
    with tenant_scope(cast.acme.id):
        link = AuditSeal.objects.get(sequence=after)
    old = UUID(int=first_id_at(OLD).int | 7 << 76 | 2 << 62 | 99)
    forged = forge(cast.acme.id, after=after, digest=link.digest_text, record=public_id("evt", old), before=before)
    gone = "(SELECT id FROM audit_seal WHERE org_id = %s AND sequence <= %s)"
    tamper(f"DELETE FROM audit_event WHERE id IN {gone}", cast.acme.id, after)
    tamper("DELETE FROM audit_seal WHERE org_id = %s AND sequence < %s", cast.acme.id, after)
    tamper("UPDATE audit_seal SET id = %s WHERE id = %s", old, link.id)
    tamper(
        "UPDATE audit_beginning SET sequence = %s, digest = %s, statement = %s "
        "WHERE org_id = %s AND dropped_before = %s",
        after, bytes(link.digest), forged, cast.acme.id, before,
    )  # fmt: skip


def write_pin_anew(cast: Cast) -> None:
    """And makes the log's own record of the drop fit, with the chain behind it."""
    with tenant_scope(cast.acme.id):
        beginning = AuditBeginning.objects.newest()
        pin = AuditEvent.objects.filter(event="audit_log.shortened").order_by("-id").first()
        seals = list(AuditSeal.objects.filter(sequence__gt=beginning.sequence).order_by("sequence"))
        said = read_beginning(cast.acme.id, Trust(withdrawn=True))[0].shape
    tamper("UPDATE audit_event SET data = %s WHERE id = %s", json.dumps(said), pin.id)
    digest = bytes(beginning.digest)
    for seal in seals:
        with tenant_scope(cast.acme.id):
            row = _rows(f"SELECT {', '.join(COLUMNS)} FROM audit_event WHERE id = %s", [seal.id])[0]
        digest = next_digest(digest, canonical(row))
        tamper("UPDATE audit_seal SET digest = %s WHERE id = %s", digest, seal.id)
    tamper("DELETE FROM audit_checkpoint WHERE org_id = %s", cast.acme.id)


@pytest.mark.parametrize("word", [[], ["--unproven"]])
def test_whoever_has_the_withdrawn_key_hides_no_removal_by_moving_the_beginning(
    dropped: Cast, tmp_path: Path, word: list[str]
):
    kept = kept_now(tmp_path)
    move_beginning(dropped, 8)
    withdraw()
    before = beginnings()
    done, found = attested("acme", "--reason", "sure", *word)
    assert not done
    assert "checkpoint" in found["acme"]["refusal"]
    assert "says otherwise of where the log begins" in found["acme"]["refusal"]
    # With the log's own record written anew to fit, what was kept elsewhere tells; without, nothing speaks for the log.
    write_pin_anew(dropped)
    kept[1] = str(tmp_path / "acme.txt")
    lines = (tmp_path / "kept.txt").read_text().split()
    (tmp_path / "acme.txt").write_text("\n".join(line for line in lines if of(line) == dropped.acme.id))
    done, found = attested("acme", *kept, "--reason", "sure", *word)
    assert not done
    assert "written anew" in found["acme"]["refusal"]
    if not word:
        done, found = attested("acme", "--reason", "sure")
        assert not done
        assert "with --checkpoint" in found["acme"]["refusal"]
    assert beginnings() == before
    assert attestations(dropped.acme.id) == []


@pytest.mark.parametrize(
    ("tampering", "words"),
    [
        ("UPDATE audit_event SET actor_label = 'x' WHERE id = %s", "changed: number 8"),
        ("DELETE FROM audit_event WHERE id = %s", "removed: number 8"),
        (f"DELETE FROM audit_seal WHERE {ITS_LOG} AND sequence > 8", "cut"),
        (f"DELETE FROM audit_seal WHERE {ITS_LOG} AND sequence = 6", "gone"),
        (f"UPDATE audit_beginning SET sequence = 7 WHERE {ITS_LOG}", "is not what was signed"),
    ],
)
def test_the_beginning_of_a_log_that_does_not_hold_otherwise_is_not_signed(dropped: Cast, tampering: str, words: str):
    make_checkpoints()
    with tenant_scope(dropped.acme.id):
        record_id = AuditSeal.objects.get(sequence=8).id
    withdraw()
    tamper(tampering, record_id)
    if words == "cut":
        gone = "NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.id = e.id)"
        tamper(f"DELETE FROM audit_event e WHERE org_id = %s AND {gone}", dropped.acme.id)
    before = beginnings()
    done, found = attested("acme", "--unproven", "--reason", "sure")
    assert not done
    assert (found["acme"]["state"], words in found["acme"]["refusal"]) == ("refused", True), found["acme"]["refusal"]
    assert beginnings() == before
    assert attestations(dropped.acme.id) == attestations(INSTALLATION_ID) == []
    # The others are no worse for it.
    done, found = attested("--unproven", "--reason", "sure")
    assert not done
    assert {name: row["state"] for name, row in found.items()} == {
        "acme": "refused", "globex": "signed", INSTALLATION: "signed",
    }  # fmt: skip


def test_what_no_kept_checkpoint_confirms_needs_the_word_of_the_operator(dropped: Cast):
    # As an older version dropped it, without a record in the log.
    tamper("DELETE FROM audit_event WHERE event = 'audit_log.shortened' AND org_id = %s", dropped.globex.id)
    tamper("DELETE FROM audit_seal WHERE org_id = %s AND sequence > 10", dropped.globex.id)
    withdraw()
    done, found = attested("--reason", "We have the old worker's log.")
    assert not done
    assert "only your word can speak for its beginning: --unproven" in found["globex"]["refusal"]
    assert "name a kept checkpoint of number 12 or later" in found["acme"]["refusal"]
    done, found = attested("globex", "--unproven", "--reason", "We have the old worker's log.")
    assert (done, found["globex"]["state"], found["globex"]["proven"]) == (True, "signed", False)
    assert attestations(dropped.globex.id)[0].data["proven"] is False


def test_a_checkpoint_of_a_withdrawn_key_counts_only_with_the_key_set_that_was_kept(dropped: Cast, tmp_path: Path):
    kept = kept_now(tmp_path)
    withdraw()
    for command in ("verify_audit", "attest_audit"):
        with pytest.raises(CommandError, match="name the key set that you kept with it"):
            call_command(command, *kept[:2], stderr=io.StringIO())
    assert attested(*kept)[0]


def test_of_two_operators_at_once_one_signs(dropped: Cast):
    withdraw()
    gate, states = threading.Barrier(2), list[str]()

    def run() -> None:
        gate.wait()
        try:
            found = attesting.attest(
                actor=SYSTEM,
                organization_id=dropped.acme.id,
                evidence=attesting.Evidence(is_word_enough=True),
                reason="sure",
            )
            states.append(found.state)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states.count("signed") == 1
    assert len(attestations(dropped.acme.id)) == 1
    assert verified("acme")[0]


def test_a_month_that_is_dropped_between_looking_and_signing_is_left_alone(dropped: Cast):
    withdraw()
    found = list[attesting.Attestation]()

    def run() -> None:
        try:
            evidence = attesting.Evidence(is_word_enough=True)
            found.append(
                attesting.attest(actor=SYSTEM, organization_id=dropped.acme.id, evidence=evidence, reason="sure")
            )
        finally:
            connection.close()

    with transaction.atomic():
        list(Sealer.objects.select_for_update().filter(id=1))
        thread = threading.Thread(target=run)
        thread.start()
        deadline = time.monotonic() + 30
        while not _rows("SELECT 1 FROM pg_locks WHERE NOT granted", []):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        state_beginning(dropped.acme.id, after=7, dropped_before=month_before(5))
    thread.join()
    assert (found[0].state, "meanwhile" in found[0].words) == ("refused", True)
    assert attestations(dropped.acme.id) == []


# -- months that an older version dropped ----------------------------------------------------------------------------
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
