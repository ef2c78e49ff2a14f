"""A signing key was compromised: what it signed counts no more, and operators vouch for where logs begin."""

import io
import json
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit import attesting
from audit.beginnings import Trust, read_beginning
from audit.chain import COLUMNS, canonical, moment_text, next_digest
from audit.checkpoints import make_checkpoint, make_checkpoints, read_statement, signed_link, state_beginning
from audit.models import AuditBeginning, AuditEvent, AuditSeal, Sealer, first_id_at
from audit.services.checkpoints import sign_checkpoint
from audit.tasks import drop_expired
from audit.verifying import _rows
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys import signing
from keys.models import SigningKey
from orgs.management.audit_evidence import INSTALLATION
from tests.audit.archives import made, script, unpacked
from tests.audit.attestations import attestations, attested, beginnings, kept_now, of, withdraw
from tests.audit.months import NEXT, OLD, month_before, name_of, shorter
from tests.audit.test_partitions import partitions
from tests.audit.test_sealing import seal_everything, write
from tests.browsers import signed_in
from tests.cast import Cast
from tests.commands.test_verify_audit import tamper, verified

LOGS = {"acme", "globex", INSTALLATION}
CHECKPOINTS = "/orgs/acme/audit/checkpoints/"
ITS_LOG = "org_id = (SELECT org_id FROM audit_seal WHERE id = %s)"


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
    words = io.StringIO()
    call_command("attest_audit", *kept, stdout=io.StringIO(), stderr=words, no_color=True)
    assert (
        f"acme: to be signed anew: begins behind number 3, since records before {NEXT:%Y-%m-%d} were dropped; its own "
        "record and a kept checkpoint say so too."
    ) in words.getvalue()
    assert "3 beginnings can be signed anew: run it again with --reason." in words.getvalue()
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
    page = signed_in(Client(), months.viewer).get("/orgs/acme/audit/checkpoints/").content.decode()
    assert "on the word of whoever runs this installation, since the key was withdrawn" in page
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


def test_checkpoints_of_a_withdrawn_key_are_marked_wherever_they_are_shown(committed_cast: Cast):
    write(committed_cast.acme.id, 2)
    seal_everything()
    first, _ = make_checkpoint(committed_cast.acme.id)
    assert first is not None
    token = committed_cast.token(committed_cast.viewer)
    browser, program = signed_in(Client(), committed_cast.viewer), Client(HTTP_AUTHORIZATION=f"Bearer {token}")

    def shown() -> list[tuple[int, bool]]:
        rows = program.get("/api/v1/orgs/acme/audit-checkpoints").json()["data"]
        page = browser.get(CHECKPOINTS).content.decode()
        marks = sum(row["withdrawn_at"] is not None for row in rows)
        assert page.count(">key withdrawn<") == marks
        assert ("prove nothing by themselves any more" in page) == bool(marks)
        return [(row["sequence"], row["withdrawn_at"] is not None) for row in rows]

    assert shown() == [(first.sequence, False)]
    kid = withdraw()
    make_checkpoint(committed_cast.acme.id)
    assert shown() == [(first.sequence, False), (first.sequence, True)]
    kept = browser.get(f"{CHECKPOINTS}{first.public_id}/file/").json()
    assert kept["withdrawn_at"] == program.get("/api/v1/orgs/acme/audit-checkpoints").json()["data"][1]["withdrawn_at"]
    # One that somebody wrote over in the database is none of ours; the page is there all the same.
    tamper("UPDATE audit_checkpoint SET statement = 'x' WHERE id = %s", first.id)
    assert shown() == [(first.sequence, False), (first.sequence, False)]
    assert SigningKey.objects.get(kid=kid).withdrawn_at is not None


@pytest.mark.parametrize("path", ["/orgs/acme/audit/checkpoints/", "/api/v1/orgs/acme/audit-checkpoints"])
def test_many_checkpoints_take_the_queries_of_few(committed_cast: Cast, path: str):
    program = Client(HTTP_AUTHORIZATION=f"Bearer {committed_cast.token(committed_cast.viewer)}")
    client = program if "api" in path else signed_in(Client(), committed_cast.viewer)

    def counted() -> int:
        write(committed_cast.acme.id, 1)
        seal_everything()
        make_checkpoint(committed_cast.acme.id)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        return len(captured)

    counted()
    few = counted()
    assert [counted() for _ in range(4)] == [few] * 4


def test_what_a_withdrawn_key_signed_is_said_when_it_speaks_against_a_log(committed_cast: Cast):
    """Since then it is no proof; but whoever cut the log may have forgotten it."""
    write(committed_cast.acme.id, 3)
    seal_everything()
    make_checkpoints()
    withdraw()
    answer = verified("acme")[1]["acme"]
    assert (answer["untrusted_checkpoints"], answer["contradicting_checkpoints"]) == (1, 0)
    with tenant_scope(committed_cast.acme.id):
        last = AuditSeal.objects.head()
    tamper("DELETE FROM audit_event WHERE id = %s", last.id)
    tamper("DELETE FROM audit_seal WHERE id = %s", last.id)
    holds, answers, _ = verified("acme")
    assert (holds, answers["acme"]["contradicting_checkpoints"]) == (True, 1)
    words = io.StringIO()
    call_command("verify_audit", "acme", stdout=io.StringIO(), stderr=words, no_color=True)
    assert "1 of these say otherwise: the log was changed, or whoever has such a key wrote them" in words.getvalue()


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


def test_what_no_kept_checkpoint_confirms_needs_the_word_of_the_operator(dropped: Cast, tmp_path: Path):
    # As an older version dropped it, without a record in the log.
    tamper("DELETE FROM audit_event WHERE event = 'audit_log.shortened' AND org_id = %s", dropped.globex.id)
    tamper("DELETE FROM audit_seal WHERE org_id = %s AND sequence > 10", dropped.globex.id)
    withdraw()
    done, found = attested("--reason", "We have the old worker's log.")
    assert not done
    assert "only your word can speak for its beginning: --unproven" in found["globex"]["refusal"]
    assert "name a checkpoint of number 12 or later with --checkpoint that was kept" in found["acme"]["refusal"]
    done, found = attested("globex", "--unproven", "--reason", "We have the old worker's log.")
    assert (done, found["globex"]["state"], found["globex"]["proven"]) == (True, "signed", False)
    assert attestations(dropped.globex.id)[0].data["proven"] is False
    # What the next key has signed since says nothing of what was before.
    (tmp_path / "late.txt").write_text(signed_link(dropped.acme.id, 12))
    done, found = attested("acme", "--checkpoint", str(tmp_path / "late.txt"), "--reason", "sure")
    assert (done, found["acme"]["state"], found["acme"]["proven"]) == (False, "refused", False)
    # The next key can be compromised, too.
    kid = withdraw()
    done, found = attested("globex", "--unproven", "--reason", "We have the old worker's log.")
    assert (done, found["globex"]["state"], found["globex"]["key"]) == (True, "signed", kid)
    assert max(edition for _, _, edition, _ in beginnings()) == 3
    assert verified("globex")[0]


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
        waiting_for_us = "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        while not _rows(waiting_for_us, []):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        state_beginning(dropped.acme.id, after=7, dropped_before=month_before(5))
    thread.join()
    assert (found[0].state, "meanwhile" in found[0].words) == ("refused", True)
    assert attestations(dropped.acme.id) == []
