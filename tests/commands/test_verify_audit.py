"""manage.py verify_audit: names the very record after each way of tampering, by whoever may do everything."""

import io
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from audit import verifying
from audit.chain import COLUMNS, canonical, next_digest
from audit.checkpoints import make_checkpoint, make_checkpoints
from audit.models import AuditCheckpoint
from audit.sealing import seal_all
from config.kernel.errors import AuthFailure
from config.kernel.identifiers import public_id
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys import signing
from keys.models import SigningKey
from tests.audit.test_sealing import chain_of, seal_everything, write
from tests.cast import Cast
from tests.database import owner_connection


def tamper(sql: str, *parameters: Any) -> None:
    """As the owner, past every trigger."""
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(sql, parameters)


def verified(*arguments: str) -> tuple[bool, dict[str, Any], str]:
    """Whether the command ended well, each organization's answer by name, and its words."""
    out, words = io.StringIO(), io.StringIO()
    holds = True
    try:
        call_command("verify_audit", *arguments, "--json", stdout=out, stderr=words)
    except CommandError:
        holds = False
    answer = json.loads(out.getvalue())
    assert answer["holds"] == holds
    return holds, {row["organization"]: row for row in answer["organizations"]}, words.getvalue()


def finding(*arguments: str) -> tuple[str, int | None, str]:
    """Of Acme; the other logs hold."""
    holds, answers, _ = verified(*arguments)
    assert not holds
    assert [name for name, row in answers.items() if row["finding"]] == ["acme"]
    found = answers["acme"]["finding"]
    return found["kind"], found["sequence"], found["record"]


@dataclass
class Log:
    """Acme's sealed log: the links' ids by place (the first is 1), and a checkpoint that was kept."""

    cast: Cast
    ids: list[Any]
    kept: Path

    def name(self, place: int) -> str:
        return public_id("evt", self.ids[place])

    @property
    def last(self) -> int:
        return len(self.ids) - 1


@pytest.fixture
def log(committed_cast: Cast, tmp_path: Path) -> Log:
    for _ in range(6):
        write(committed_cast.acme.id, 2)
    seal_everything()
    made, _ = make_checkpoint(committed_cast.acme.id)
    assert made is not None
    kept = tmp_path / "checkpoint.txt"
    kept.write_text(made.statement)
    tamper("DELETE FROM audit_checkpoint")
    return Log(committed_cast, [None, *(seal.id for seal in chain_of(committed_cast.acme.id))], kept)


def test_an_untouched_log_holds_also_against_the_kept_checkpoint(log: Log):
    make_checkpoints()
    holds, answers, words = verified("--checkpoint", str(log.kept))
    assert holds
    assert words == ""
    assert answers["acme"]["records"] == log.last
    assert answers["acme"]["checkpoints"] == 2
    assert {"installation", "acme", "globex"} == set(answers)
    out, words_of_people = io.StringIO(), io.StringIO()
    call_command("verify_audit", "acme", stdout=out, stderr=words_of_people, no_color=True)
    assert f"acme: {log.last} records hold, 1 checkpoints agree." in words_of_people.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        "event = 'key.revoked'", "actor_label = 'Somebody else'", "actor_id = 'usr_x'", "actor_kind = 'staff'",
        "target_id = 'prj_x'", "target_label = ''", "target_kind = 'agent'", "result = 'refused'",
        """data = '{"a": 1}'""", "ip = '192.0.2.1'", "user_agent = 'x'", "request_id = 'x'",
        "created_at = created_at + interval '1 microsecond'", "created_at = 'infinity'", "created_at = '20000-01-01'",
        "created_at = '0044-03-15 BC'", """data = ('{"a": 1' || repeat('0', 5000) || '}')::jsonb""",
    ],
)  # fmt: skip
def test_a_changed_field_is_found(log: Log, change: str):
    tamper(f"UPDATE audit_event SET {change} WHERE id = %s", log.ids[5])
    assert finding() == ("changed", 5, log.name(5))


def test_a_record_that_changed_its_organization_is_gone_from_the_first(log: Log):
    tamper("UPDATE audit_event SET org_id = %s WHERE id = %s", INSTALLATION_ID, log.ids[5])
    holds, answers, _ = verified("acme")
    assert not holds
    assert answers["acme"]["finding"]["record"] == log.name(5)


def test_a_removed_record_is_found(log: Log):
    tamper("DELETE FROM audit_event WHERE id = %s", log.ids[5])
    assert finding() == ("removed", 5, log.name(5))


def test_a_record_removed_with_its_link_is_found(log: Log):
    tamper("DELETE FROM audit_event WHERE id = %s", log.ids[5])
    tamper("DELETE FROM audit_seal WHERE id = %s", log.ids[5])
    assert finding() == ("removed", 5, "")


def test_a_removed_link_is_found(log: Log):
    tamper("DELETE FROM audit_seal WHERE id = %s", log.ids[5])
    assert finding() == ("removed", 5, log.name(5))


def copy_of(log: Log, place: int) -> Any:
    """A record slipped in: a copy of another one under a new id."""
    new = UUID(int=log.ids[place].int + 1)
    tamper(
        "INSERT INTO audit_event (id, org_id, created_at, event, actor_kind, actor_id, actor_label, target_kind, "
        "target_id, target_label, result, data, ip, user_agent, request_id, transaction_id) "
        "SELECT %s, org_id, created_at, event, actor_kind, actor_id, actor_label, target_kind, target_id, "
        "target_label, result, data, ip, user_agent, request_id, transaction_id FROM audit_event WHERE id = %s",
        new,
        log.ids[place],
    )
    return new


def test_a_record_slipped_in_without_a_link_is_found(log: Log):
    new = copy_of(log, 5)
    assert finding() == ("inserted", None, public_id("evt", new))


@pytest.mark.parametrize("ahead", [1_000_000, 2**62])
def test_a_record_slipped_in_as_of_a_transaction_that_is_yet_to_come_is_found(log: Log, ahead: int):
    """The sealer waits for that transaction for ever."""
    new = copy_of(log, 5)
    tamper("UPDATE audit_event SET transaction_id = transaction_id + %s WHERE id = %s", ahead, new)
    seal_all()
    assert finding() == ("inserted", None, public_id("evt", new))


@pytest.mark.parametrize("forged", [True, False])
def test_a_record_slipped_in_with_a_link_is_found(log: Log, forged: bool):
    new = copy_of(log, 5)
    digest = b"x" * 32
    if forged:  # a link that fits the one before it
        link = next(row for row in chain_of(log.cast.acme.id) if row.sequence == 5)
        with tenant_scope(log.cast.acme.id):
            content = canonical(
                verifying._rows(f"SELECT {', '.join(COLUMNS)} FROM audit_event WHERE id = %s", [new])[0]
            )
        digest = next_digest(bytes(link.digest), content)
    tamper("UPDATE audit_seal SET sequence = sequence + 1000 WHERE org_id = %s AND sequence > 5", log.cast.acme.id)
    tamper("UPDATE audit_seal SET sequence = sequence - 999 WHERE org_id = %s AND sequence > 1000", log.cast.acme.id)
    tamper(
        "INSERT INTO audit_seal (id, org_id, created_at, sequence, digest) VALUES (%s, %s, now(), 6, %s)",
        new,
        log.cast.acme.id,
        digest,
    )
    assert finding() == ("inserted", 6, public_id("evt", new))


@pytest.mark.parametrize("other", [6, 9])
def test_links_that_changed_places_are_found(log: Log, other: int):
    for before, after in ((5, 1005), (other, 5), (1005, other)):
        tamper(
            "UPDATE audit_seal SET sequence = %s WHERE org_id = %s AND sequence = %s", after, log.cast.acme.id, before
        )
    kind, place, record = finding()
    assert (kind, place) == ("reordered", 5)
    assert record == log.name(other)


def test_records_that_changed_places_in_the_chain_are_found(log: Log):
    unused = UUID(int=1)
    for before, after in ((log.ids[5], unused), (log.ids[8], log.ids[5]), (unused, log.ids[8])):
        tamper("UPDATE audit_seal SET id = %s WHERE id = %s", after, before)
    assert finding() == ("reordered", 5, log.name(8))


def cut(log: Log, after: int) -> None:
    tamper("DELETE FROM audit_event e USING audit_seal s WHERE e.id = s.id AND e.org_id = %s AND s.sequence > %s",
           log.cast.acme.id, after)  # fmt: skip
    tamper("DELETE FROM audit_seal WHERE org_id = %s AND sequence > %s", log.cast.acme.id, after)


def test_a_cut_tail_is_found_by_the_kept_checkpoint_alone(log: Log):
    cut(log, log.last - 1)
    assert verified()[0]
    assert finding("--checkpoint", str(log.kept)) == ("cut", log.last, log.name(log.last))
    cut(log, 4)
    assert finding("--checkpoint", str(log.kept)) == ("cut", 5, "")
    cut(log, 0)
    assert finding("--checkpoint", str(log.kept)) == ("cut", 1, "")


def test_a_log_written_anew_is_found_by_the_kept_checkpoint(log: Log):
    tamper("UPDATE audit_event SET actor_label = 'Somebody else' WHERE id = %s", log.ids[5])
    tamper("DELETE FROM audit_seal WHERE org_id = %s", log.cast.acme.id)
    tamper("TRUNCATE audit_sealer")
    seal_everything()
    assert verified()[0]
    assert finding("--checkpoint", str(log.kept))[0] == "rewritten"


def test_records_that_are_not_sealed_yet_are_no_finding(log: Log):
    write(log.cast.acme.id, 2)
    assert verified()[0]


def test_checkpoints_of_our_own_table_are_verified_too(log: Log):
    make_checkpoints()
    tamper("UPDATE audit_checkpoint SET digest = %s WHERE org_id = %s", b"x" * 32, log.cast.acme.id)
    assert finding() == ("checkpoint", log.last, "")
    tamper("UPDATE audit_checkpoint SET statement = 'x'")
    assert not verified()[0]


def test_each_hour_signs_what_is_new_and_nothing_else(committed_cast: Cast):
    signing.published()
    write(committed_cast.acme.id)
    seal_everything()
    first = make_checkpoints()
    assert first >= 2
    assert make_checkpoints() == 0
    write(committed_cast.acme.id)
    seal_everything()
    assert make_checkpoints() == 1
    head = chain_of(committed_cast.acme.id)[-1]
    with tenant_scope(committed_cast.acme.id):
        row = AuditCheckpoint.objects.order_by("-id").first()
    key = jwt.PyJWKSet(signing.published()).keys[0]
    claims = jwt.decode(row.statement, key, algorithms=["EdDSA"])
    assert claims["organization"] == committed_cast.acme.public_id
    assert (claims["sequence"], claims["digest"]) == (head.sequence, bytes(head.digest).hex())
    assert claims["record"] == head.record_id


def test_a_checkpoint_passes_for_no_token_and_no_token_for_a_checkpoint(log: Log):
    statement = log.kept.read_text()
    for purpose in signing.Purpose:
        with pytest.raises(AuthFailure):
            signing.read(statement, purpose=purpose, audience=signing.ourselves())
        token = signing.sign(purpose, {}, lifetime=timedelta(hours=1), audience=signing.ourselves())
        with pytest.raises(AuthFailure):
            signing.read_checkpoint(token)


def test_a_retired_key_still_counts_and_a_withdrawn_one_does_not(log: Log):
    make_checkpoints()
    SigningKey.objects.filter(signs_from__isnull=False).update(signs_until=timezone.now() - timedelta(days=900))
    holds, answers, _ = verified("--checkpoint", str(log.kept))
    assert holds
    assert answers["acme"]["checkpoints"] == 2
    SigningKey.objects.filter(signs_from__isnull=False).update(withdrawn_at=timezone.now())
    holds, answers, _ = verified()
    assert (holds, answers["acme"]["checkpoints"], answers["acme"]["untrusted_checkpoints"]) == (True, 0, 1)
    with pytest.raises(CommandError, match="withdrawn"):
        call_command("verify_audit", "--checkpoint", str(log.kept))


def key_set(log: Log, *rows: Any) -> str:
    """A key set that was kept elsewhere: of these keys, or what is published now."""
    file = log.kept.with_name(f"keys{len(rows)}.json")
    file.write_text(json.dumps({"keys": [signing._published(row) for row in rows] or signing.published()}))
    return str(file)


def test_with_key_sets_that_were_kept_elsewhere_the_keys_in_the_database_prove_nothing(log: Log):
    keys = key_set(log)
    # Whoever has all of the database writes the log anew, and signs it with a key of their own in place of ours.
    tamper("UPDATE audit_event SET actor_label = 'Somebody else' WHERE id = %s", log.ids[5])
    tamper("DELETE FROM audit_seal WHERE org_id = %s", log.cast.acme.id)
    tamper("TRUNCATE audit_sealer")
    tamper("DELETE FROM keys_signing_key")
    signing.forget()
    seal_everything()
    make_checkpoints()
    assert verified()[1]["acme"]["finding"] is None
    with pytest.raises(CommandError, match="no checkpoint that was signed here"):
        call_command("verify_audit", "--checkpoint", str(log.kept), stderr=io.StringIO())
    holds, answers, _ = verified("acme", "--keys", keys)
    assert (holds, answers["acme"]["checkpoints"], answers["acme"]["untrusted_checkpoints"]) == (True, 0, 1)
    holds, answers, _ = verified("acme", "--checkpoint", str(log.kept), "--keys", keys)
    assert (holds, answers["acme"]["finding"]["kind"]) == (False, "rewritten")


def test_a_checkpoint_whose_key_is_in_none_of_the_kept_key_sets_is_refused_with_what_to_do(log: Log):
    other = SigningKey.objects.get(signs_from=None)
    with pytest.raises(CommandError, match="name the key set of its day too"):
        call_command("verify_audit", "--checkpoint", str(log.kept), "--keys", key_set(log, other), stderr=io.StringIO())
    # Of several, any may have it.
    assert verified("acme", "--checkpoint", str(log.kept), "--keys", key_set(log, other), "--keys", key_set(log))[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "no key set"), ("[]", "no key set"), ('{"keys": [{"kid": "a"}]}', "no key set"),
        ('{"keys": []}', "empty"), ('{"keys": [{"kid": "%s", "x": "AAAA"}]}', "another key"),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_key_set_or_another_key_is_refused(log: Log, text: str, words: str):
    kid = signing.published()[0]["kid"]
    (log.kept.with_name("odd.json")).write_text(text % kid if "%s" in text else text)
    arguments = ["--keys", key_set(log), "--keys", str(log.kept.with_name("odd.json"))]
    with pytest.raises(CommandError, match=words):
        call_command("verify_audit", *arguments, stderr=io.StringIO())


@pytest.mark.parametrize("text", ["x", "{}", "[1]", '{"data": [{"statement": "x"}]}', "{", "eyJhbGciOiJub25lIn0.e30."])
def test_a_file_that_holds_no_checkpoint_is_refused(log: Log, text: str):
    log.kept.write_text(text)
    with pytest.raises(CommandError):
        call_command("verify_audit", "--checkpoint", str(log.kept), stderr=io.StringIO())


def test_a_checkpoint_of_another_organization_is_refused(log: Log):
    with pytest.raises(CommandError, match="other organizations"):
        call_command("verify_audit", "globex", "--checkpoint", str(log.kept))


def test_a_forged_statement_is_refused(log: Log, tmp_path: Path):
    head, _, signature = log.kept.read_text().split(".")
    forged = jwt.encode({"organization": log.cast.acme.public_id, "sequence": 1}, "k" * 32, algorithm="HS256")
    log.kept.write_text(f"{head}.{forged.split('.')[1]}.{signature}")
    with pytest.raises(CommandError, match="no checkpoint"):
        call_command("verify_audit", "--checkpoint", str(log.kept))


def test_a_log_longer_than_one_portion_is_verified_whole(log: Log):
    verifying.PORTION, portion = 5, verifying.PORTION
    try:
        assert verified()[1]["acme"]["records"] == log.last
        tamper("UPDATE audit_event SET event = 'key.created' WHERE id = %s", log.ids[11])
        assert finding() == ("changed", 11, log.name(11))
    finally:
        verifying.PORTION = portion


BEGINNING = (
    "INSERT INTO audit_beginning (id, org_id, created_at, sequence, digest, dropped_before, statement) "
    "VALUES (gen_random_uuid(), %s, {}, 1, '', {}, '')"
)
CHECKPOINT = (
    "INSERT INTO audit_checkpoint (id, org_id, created_at, sequence, digest, sealed_at, statement) "
    "VALUES (gen_random_uuid(), %s, {}, 1, '', {}, '')"
)


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        (BEGINNING.format("now()", "'infinity'"), None),
        (BEGINNING.format("'0044-03-15 BC'", "now()"), None),
        (CHECKPOINT.format("'infinity'", "'20000-01-01'"), 1),
    ],
    ids=["beginning without end", "beginning before our era", "checkpoint"],
)
def test_a_statement_of_a_time_that_nobody_can_read_is_named(log: Log, statement: str, place: int | None):
    """As the runtime role can write it."""
    with tenant_scope(log.cast.acme.id), connection.cursor() as cursor:
        cursor.execute(statement, [log.cast.acme.id])
    assert finding() == ("checkpoint", place, "")


def test_a_log_whose_organization_was_removed_in_the_database_is_verified_and_named(log: Log):
    number = log.cast.acme.id
    tamper("UPDATE orgs_organization SET id = gen_random_uuid() WHERE id = %s", number)
    words = io.StringIO()
    call_command("verify_audit", stdout=io.StringIO(), stderr=words, no_color=True)
    (told,) = [line for line in words.getvalue().splitlines() if "Its organization is not there" in line]
    assert told.startswith(f"{public_id('org', number)}: {log.last} records hold")
    tamper("UPDATE audit_event SET result = 'refused' WHERE id = %s", log.ids[2])
    holds, answers, _ = verified()
    assert not holds
    assert answers[public_id("org", number)]["finding"]["record"] == log.name(2)
    assert answers["acme"]["records"] == 0
