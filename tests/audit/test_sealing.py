"""The sealer: every committed record gets its place in its organization's chain, once, whatever happens meanwhile."""

import os
import signal
import subprocess
import sys
import threading
import time
from uuid import UUID

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audit import tasks
from audit.chain import COLUMNS, canonical, first_digest, next_digest
from audit.checkpoints import make_checkpoints
from audit.indexing import index_all
from audit.models import BLOCK, AuditBlock, AuditCheckpoint, AuditEvent, AuditSeal, Sealer
from audit.sealing import seal_all
from audit.services import Target, record
from audit.verifying import verify
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from keys.signing import published
from projects.events import PROJECT_RESTORED
from tests.cast import Cast
from tests.commands.test_operator_commands import ROOT, database_url
from tests.database import owner_connection

SEAL = """
import sys
import django
django.setup()
from config.kernel.tenancy.scope import system_scope
from audit.sealing import seal_batch
with system_scope("test"):
    print("ready", flush=True)
    sys.stdin.readline()
    left = int(sys.argv[1])
    while left:
        left -= bool(seal_batch(3).sealed)
    sys.stdin.readline()
"""


def write(organization: UUID, count: int = 1) -> list[UUID]:
    """Records in one transaction."""
    with tenant_scope(organization), transaction.atomic():
        return [
            record(PROJECT_RESTORED, actor=SYSTEM, target=Target("project", f"prj_{number}", "Größe \U0001f680")).id
            for number in range(count)
        ]


def chain_of(organization: UUID) -> list[AuditSeal]:
    with tenant_scope(organization):
        return list(AuditSeal.objects.order_by("sequence"))


def unsealed() -> int:
    with system_scope("test"):
        return AuditEvent.objects.with_sequence().filter(sequence=None).count()


def seal_everything(batch: int = 2000) -> int:
    """Seals until all is sealed: open transactions of the whole cluster, other tests' too, hold sealing back."""
    sealed, deadline = 0, time.monotonic() + 60
    while True:
        sealed += seal_all(batch=batch)
        if not unsealed():
            return sealed
        assert time.monotonic() < deadline, "an open transaction holds sealing back"
        time.sleep(0.05)


def assert_whole(organization: UUID) -> None:
    """Every record is in the chain, which is computed again here."""
    digest = first_digest(organization)
    seals = chain_of(organization)
    assert [seal.sequence for seal in seals] == list(range(1, len(seals) + 1))
    with tenant_scope(organization):
        rows = {row[0]: row for row in AuditEvent.objects.values_list(*COLUMNS)}
    assert {seal.id for seal in seals} == set(rows)
    for seal in seals:
        digest = next_digest(digest, canonical(rows[seal.id]))
        assert bytes(seal.digest) == digest


def sealing_process(batches: int = 1_000_000_000) -> subprocess.Popen[str]:
    """One that seals so many batches of three once it is told to `go`, and then waits for its end."""
    process = subprocess.Popen(
        [sys.executable, "-c", SEAL, str(batches)],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_all_that_was_recorded_is_sealed_in_its_order_also_the_installations_own(committed_cast: Cast):
    first, second = write(committed_cast.acme.id, 3), write(committed_cast.acme.id, 2)
    own = write(INSTALLATION_ID)
    assert seal_everything(batch=2) >= 6
    assert [seal.id for seal in chain_of(committed_cast.acme.id)][-5:] == [*first, *second]
    assert own[0] in [seal.id for seal in chain_of(INSTALLATION_ID)]
    for organization in (committed_cast.acme.id, committed_cast.globex.id, INSTALLATION_ID):
        assert_whole(organization)
    assert seal_all() == 0


def test_what_was_rolled_back_leaves_no_gap(committed_cast: Cast):
    with pytest.raises(RuntimeError), tenant_scope(committed_cast.acme.id), transaction.atomic():
        record(PROJECT_RESTORED, actor=SYSTEM)
        raise RuntimeError
    write(committed_cast.acme.id)
    seal_everything()
    assert_whole(committed_cast.acme.id)


def test_an_open_transaction_holds_back_its_own_records_and_later_ones_and_they_follow_in_order(committed_cast: Cast):
    seal_everything()
    began, end = threading.Event(), threading.Event()
    early: list[UUID] = []

    def slowly() -> None:
        try:
            with tenant_scope(committed_cast.acme.id), transaction.atomic():
                early.append(record(PROJECT_RESTORED, actor=SYSTEM).id)
                began.set()
                end.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=slowly)
    thread.start()
    began.wait(30)
    late = write(committed_cast.acme.id)
    assert seal_all() == 0
    with tenant_scope(committed_cast.acme.id):
        assert AuditEvent.objects.with_sequence().get(id=late[0]).sequence is None
    end.set()
    thread.join()
    assert seal_everything() == 2
    assert [seal.id for seal in chain_of(committed_cast.acme.id)][-2:] == [*early, *late]
    assert_whole(committed_cast.acme.id)


def test_two_sealers_at_once_neither_fork_the_chain_nor_wait_for_each_other(committed_cast: Cast):
    processes = [sealing_process() for _ in range(2)]
    try:
        for process in processes:
            go(process)
        for _ in range(40):
            write(committed_cast.acme.id, 3)
            write(committed_cast.globex.id)
        deadline = time.monotonic() + 60
        while unsealed() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [process.poll() for process in processes] == [None, None]
    finally:
        for process in processes:
            kill(process)
    assert unsealed() == 0
    assert_whole(committed_cast.acme.id)
    assert_whole(committed_cast.globex.id)


def test_killed_sealers_leave_whole_batches_and_the_next_goes_on(committed_cast: Cast):
    write(committed_cast.acme.id, 300)
    for _ in range(2):
        process = sealing_process(batches=30)  # so that some are left, however late it is killed
        before = unsealed()
        go(process)
        deadline = time.monotonic() + 60
        while unsealed() > before - 30 and time.monotonic() < deadline:
            time.sleep(0.01)
        kill(process)
        assert 0 < unsealed() < before
    with system_scope("test"):
        assert AuditSeal.objects.count() % 3 == 0
    seal_everything()
    assert_whole(committed_cast.acme.id)


def test_another_sealers_lock_is_left_alone(committed_cast: Cast):
    write(committed_cast.acme.id)
    seal_everything()
    write(committed_cast.acme.id)
    with psycopg.connect(database_url()) as other:
        other.execute("SELECT 1 FROM audit_sealer FOR UPDATE")
        assert seal_all() == 0
    assert seal_everything() == 1


SLIPPED_IN = """
INSERT INTO audit_event (id, org_id, created_at, event, actor_kind, actor_id, actor_label, target_kind, target_id,
    target_label, result, data, user_agent, request_id)
VALUES (gen_random_uuid(), %s, {created_at}, 'key.created', 'user', '', '', '', '', '', 'done', {data}, '', '')
"""
LINK = "INSERT INTO audit_seal (id, org_id, created_at, sequence, digest) VALUES (gen_random_uuid(), %s, {}, {}, '')"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (SLIPPED_IN.format(created_at="'infinity'", data="'{}'"), "changed"),
        (SLIPPED_IN.format(created_at="'0044-03-15 BC'", data="'{}'"), "changed"),
        (SLIPPED_IN.format(created_at="now()", data="""('{"a": 1' || repeat('0', 5000) || '}')::jsonb"""), "changed"),
        (SLIPPED_IN.format(created_at="now()", data="(repeat('[', 5000) || repeat(']', 5000))::jsonb"), "changed"),
        # This one has a canonical form, but no words.
        (SLIPPED_IN.format(created_at="now()", data="""('{"a": 1' || repeat('0', 400) || '}')::jsonb"""), None),
        (LINK.format("now()", "9223372036854775807"), "removed"),
    ],
    ids=["time without end", "time before our era", "longest number", "deep data", "long number", "last place"],
)
def test_what_the_runtime_role_can_slip_in_is_named_and_keeps_no_other_log_from_its_seals(
    committed_cast: Cast, statement: str, kind: str | None
):
    published()
    write(committed_cast.acme.id)
    seal_everything()
    with tenant_scope(committed_cast.acme.id), connection.cursor() as cursor:
        cursor.execute(statement, [committed_cast.acme.id])
    for _ in range(2):
        write(committed_cast.acme.id, 3)
        write(committed_cast.globex.id, BLOCK)
        deadline = time.monotonic() + 60
        while verify(committed_cast.globex.id).waiting and time.monotonic() < deadline:
            seal_all(batch=2)
    assert_whole(committed_cast.globex.id)
    found = verify(committed_cast.acme.id).finding
    assert (found and found.kind) == kind
    index_all()
    make_checkpoints()
    with tenant_scope(committed_cast.globex.id):
        assert not AuditBlock.objects.filter(terms=None).exists()
        assert AuditCheckpoint.objects.exists()


def test_a_link_of_a_time_that_nobody_can_read_keeps_no_other_log_from_its_checkpoint(committed_cast: Cast):
    cast = committed_cast
    published()
    seal_everything()
    for organization in (cast.acme.id, INSTALLATION_ID):
        with tenant_scope(organization), connection.cursor() as cursor:
            cursor.execute(LINK.format("'infinity'", "1000"), [organization])
    assert tasks.make_checkpoints() == "signed 1"
    with tenant_scope(cast.globex.id):
        assert AuditCheckpoint.objects.count() == 1


def test_no_time_that_somebody_has_written_stops_the_sealer(committed_cast: Cast):
    seal_everything()
    with system_scope("test"), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_sealer SET sealed_at = 'infinity'")
    write(committed_cast.acme.id)
    assert seal_everything() == 1
    assert verify(committed_cast.acme.id).finding is None
    assert Sealer.objects.get().sealed_at <= timezone.now()


def test_a_block_that_is_there_already_does_not_stop_the_sealer(committed_cast: Cast):
    organization = committed_cast.acme.id
    seal_everything()
    with tenant_scope(organization), transaction.atomic():
        last = AuditEvent.objects.create(id=UUID(int=(1 << 128) - 1), event="project.restored").id
        AuditBlock.objects.create(id=last, first_id=last, sequence=1, width=0, terms=[])
    write(organization, BLOCK)
    seal_everything()
    assert_whole(organization)
    with tenant_scope(organization):
        block = AuditBlock.objects.get(id=last)
        assert (block.sequence, block.terms) == (BLOCK, None)


@pytest.mark.parametrize("damage", ["horizon ahead", "another cluster", "lost"])
def test_after_a_restored_dump_old_and_new_records_are_all_sealed(committed_cast: Cast, damage: str):
    write(committed_cast.acme.id, 2)
    seal_everything()
    write(committed_cast.acme.id, 2)
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        # Records of the old cluster's transactions, one of which this cluster will only give out later.
        owner.execute("SET ROLE tenantry_system; RESET ROLE; SET session_replication_role = replica")
        owner.execute("UPDATE audit_event SET transaction_id = transaction_id + 4000000000")
        change = {
            "horizon ahead": "UPDATE audit_sealer SET horizon = 5000000000",
            "another cluster": "UPDATE audit_sealer SET cluster = '1/2', horizon = pg_current_xact_id()::text::bigint",
            "lost": "TRUNCATE audit_sealer",
        }[damage]
        owner.execute(change)
    write(committed_cast.acme.id, 2)
    assert seal_everything(batch=3) == 4
    assert_whole(committed_cast.acme.id)
    assert Sealer.objects.get().rescan_after is None
    write(committed_cast.acme.id)
    assert seal_everything() == 1


def test_the_jobs_say_what_they_did(committed_cast: Cast):
    published()  # makes the signing keys, which the installation's log tells of
    seal_everything()
    assert tasks.make_checkpoints() == "signed 3"
    assert tasks.make_checkpoints() == "signed 0"
    assert tasks.seal() == "sealed 0"


def test_a_clock_that_went_back_changes_nothing(committed_cast: Cast):
    write(committed_cast.acme.id)
    seal_everything()
    with tenant_scope(committed_cast.acme.id):
        early = AuditEvent.objects.create(id=UUID(int=1 << 80), event="project.restored")
    seal_everything()
    assert chain_of(committed_cast.acme.id)[-1].id == early.id
    assert_whole(committed_cast.acme.id)


@pytest.mark.parametrize("table", ["audit_seal", "audit_checkpoint"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET sequence = 7", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_runtime_role_cannot_change_the_chain(committed_cast: Cast, table: str, statement: str):
    write(committed_cast.acme.id)
    seal_everything()
    with tenant_scope(committed_cast.acme.id), pytest.raises(DatabaseError, match="permission denied"):
        connection.cursor().execute(statement.format(table))
    assert_whole(committed_cast.acme.id)


def test_the_canonical_form_is_the_documented_one():
    from datetime import UTC, datetime

    row = (
        UUID("01890a5d-ac96-774b-bcce-b302099a8057"), INSTALLATION_ID, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "key.created", "user", "usr_x", "ö", "key", "key_x", "Ä\n", "done", '{"b": 1, "a": [null, 1.5]}', None, "", "r",
    )  # fmt: skip
    assert canonical(row).decode() == (
        '{"actor":{"id":"usr_x","kind":"user","label":"ö"},"created_at":"2026-01-02T03:04:05.000000Z",'
        '"data":{"a":[null,1.5],"b":1},"event":"key.created","id":"evt_01h455vb4pex5vsknk084sn02q","ip":null,'
        '"organization_id":"org_00000000000000000000000000","request_id":"r","result":"done",'
        '"target":{"id":"key_x","kind":"key","label":"Ä\\n"},"user_agent":""}'
    )
