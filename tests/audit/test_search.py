"""Full-text search of the log: which words find a record, and the indexer behind it, whatever happens to it."""

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from audit import searching
from audit.indexing import index_all, index_batch, rebuild
from audit.models import BLOCK, AuditBlock, AuditEvent, Sealer
from audit.sealing import seal_all
from audit.searching import Criteria, search
from audit.words import numbers_of, words_in
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import system_scope, tenant_scope
from tests.audit.ledgers import BEGINNING, EVENTS, expected, fill, index_everything, pending_blocks, walked
from tests.audit.test_sealing import go, kill, seal_everything
from tests.cast import Cast
from tests.commands.test_operator_commands import ROOT, database_url
from tests.commands.test_verify_audit import tamper

INDEX_HALF = """
import sys
import django
django.setup()
from config.kernel.tenancy.scope import system_scope
from audit.indexing import index_batch
with system_scope("test"):
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(10):  # so that some are left, however late it is killed
        index_batch(1)
    sys.stdin.readline()
"""
RECORD: dict[str, Any] = {
    "event": "member.role_changed",
    "actor_kind": "user",
    "actor_id": "usr_01h455vb4pex5vsknk084sn02q",
    "actor_label": "Ada Byron <ada.lovelace+log@mail.acme.example>",
    "target_kind": "member",
    "target_id": "usr_01h455vb4pex5vsknk084sn02r",
    "target_label": "STRASSE, Größe (\u212bngström)",
    "data": {
        "changes": {"role": ["viewer", "admin"]},
        "list": [{"deep": "https://hooks.x.example/in?a=1"}, 4711, True, "Μαΐου from 2001:0DB8:0::0042"],
    },
    "ip": "2001:db8::7",
    "request_id": "req_5f2c",
}
FOUND = [
    "member.role_changed", "member", "role_changed", "changed", "CHANGED", "usr_01h455vb4pex5vsknk084sn02q",
    "01h455vb4pex5vsknk084sn02r", "ada", "byron", "ada.lovelace+log@mail.acme.example", "mail.acme.example",
    "lovelace", "ada.lovelace", "<ada.lovelace+log@mail.acme.example>", "straße", "GRÖSSE", "größe", "ångström",
    "viewer", "hooks.x.example", "https://hooks.x.example/in?a=1", "4711", "2001:db8::7", "2001:0DB8:0::7", "req_5f2c",
    "5f2c", "ada admin 4711", "μαΐου".upper(), "μαΐου", "2001:0DB8:0::0042", "2001:db8::42",
]  # fmt: skip
NOT_FOUND = ["changes", "deep", "love", "acme.exampl", "true", "byron globex", "event=member.role_changed", "usr_01h"]


def blocks_of(organization: UUID) -> list[tuple[Any, ...]]:
    with tenant_scope(organization):
        rows = AuditBlock.objects.order_by("sequence").values_list(
            "sequence", "id", "first_id", "width", "terms", "places"
        )
        return [
            (
                *row,
                dict(
                    zip(
                        terms or [], [bytes(places)[16 * n : 16 * n + 16] for n in range(len(terms or []))], strict=True
                    )
                ),
            )
            for *row, terms, places in rows
        ]


def finds(text: str) -> list[UUID]:
    """By a search in the organization in scope."""
    return [row.id for row in search(Criteria(words=words_in(text))).rows]


@pytest.mark.parametrize("state", ["new", "indexed"])
def test_words_and_parts_of_addresses_and_ids_are_found_and_nothing_else(committed_cast: Cast, state: str):
    organization = committed_cast.acme.id
    with tenant_scope(organization):
        wanted = AuditEvent.objects.create(**RECORD)
    if state == "indexed":
        fill(organization, BLOCK)
        index_everything()
        with tenant_scope(organization):
            assert AuditBlock.objects.count() == 1
    with tenant_scope(organization):
        for text in FOUND:
            assert wanted.id in finds(text), text
        for text in NOT_FOUND:
            assert wanted.id not in finds(text), text
        assert finds(wanted.public_id) == [wanted.id]
        assert finds(f"{wanted.public_id} byron") == [wanted.id]
        assert finds(f"{wanted.public_id} globex") == []


@pytest.mark.parametrize("state", ["new", "indexed"])
def test_a_word_of_another_organization_finds_nothing(committed_cast: Cast, browse: Any, api: Any, state: str):
    fill(committed_cast.acme.id, 2 * BLOCK)
    fill(committed_cast.globex.id, BLOCK)
    with tenant_scope(committed_cast.globex.id):
        foreign = AuditEvent.objects.create(**RECORD | {"target_label": "Xylophone"})
    if state == "indexed":
        fill(committed_cast.globex.id, BLOCK)
        index_everything()
    page = browse(committed_cast.viewer).get("/orgs/acme/audit/", {"q": "xylophone"})
    assert "No record matches" in page.content.decode()
    rest = api(committed_cast.viewer).get("/api/v1/orgs/acme/audit-events", {"q": "xylophone"}).json()
    assert rest == {"data": [], "next": None}
    for text in ("xylophone", foreign.public_id):
        with tenant_scope(committed_cast.acme.id):
            assert finds(text) == []
        with tenant_scope(committed_cast.globex.id):
            assert finds(text) == [foreign.id]


def test_the_functions_of_the_index_answer_for_the_organization_in_scope_alone(committed_cast: Cast):
    fill(committed_cast.globex.id, 2 * BLOCK)
    index_everything()
    terms = numbers_of(committed_cast.globex.id, ["lovelace"])
    calls = {
        "SELECT count(*) FROM audit_blocks_with(%s, %s, %s, 9)": [terms, searching.LAST, UUID(int=0)],
        "SELECT count(*) FROM audit_blocks_below(%s, %s, %s, 9)": [terms, searching.LAST, UUID(int=0)],
    }

    def counts() -> list[int]:
        with connection.cursor() as cursor:
            found = []
            for sql, parameters in calls.items():
                cursor.execute(sql, parameters)
                found.append(cursor.fetchone()[0])
            return found

    with tenant_scope(committed_cast.globex.id):
        assert counts() == [2, 2]
    with tenant_scope(committed_cast.acme.id):
        assert counts() == [0, 0]
    with transaction.atomic():
        assert counts() == [0, 0]


def test_a_walk_finds_every_record_once_whatever_is_indexed_and_however_small_the_budget(
    committed_cast: Cast, monkeypatch: pytest.MonkeyPatch
):
    organization = committed_cast.acme.id
    fill(organization, 6 * BLOCK, disorder=0.2)
    with tenant_scope(organization):  # clocks that are far off
        for number in (1 << 80, (1 << 128) - (1 << 100)):
            AuditEvent.objects.create(id=UUID(int=number), **RECORD | {"event": EVENTS[0]})
    seal_everything()
    with system_scope("test"):
        index_batch(3)
    fill(organization, 40, seed=2)
    assert pending_blocks() == 3
    wanted = [
        Criteria(words=["lovelace"]), Criteria(words=["old3", "new5"]), Criteria(event="key.*", ip="203.0.113.7"),
        Criteria(words=["nobody"]), Criteria(actor_id="usr_1", target_id="prj_1", result="refused"),
    ]  # fmt: skip
    budgets = [{}, {"MOST_RECORDS": 90, "MOST_BLOCKS": 1, "MOST_FOUND": 1, "SPARE": 1}, {"MOST_ACROSS": 0}]
    for state in ("some", "all"):
        if state == "all":
            index_everything()
        for budget in budgets:
            for name, most in budget.items():
                monkeypatch.setattr(searching, name, most)
            with tenant_scope(organization):
                for criteria in wanted:
                    found, cut = walked(criteria, limit=30)
                    assert found == expected(criteria), (state, budget, criteria)
                    assert cut or not budget or criteria.words == ["lovelace"] or "MOST_ACROSS" in budget
            monkeypatch.undo()


def test_a_walk_finds_every_record_once_in_whatever_month_its_block_lies(
    committed_cast: Cast, monkeypatch: pytest.MonkeyPatch
):
    """In several months' partitions, and in the default one before and behind them."""
    organization = committed_cast.acme.id
    fill(organization, BLOCK, seed=3, beginning=datetime(1999, 1, 1, tzinfo=UTC), step=timedelta(days=1))
    fill(organization, 6 * BLOCK, disorder=0.1, step=timedelta(hours=5))
    index_everything()
    with system_scope("test"), connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT tableoid::regclass::text FROM audit_block")
        partitions = {row[0] for row in cursor.fetchall()}
    assert "audit_block_default" in partitions
    assert len(partitions) > 3
    wanted = [Criteria(words=["old3", "new5"]), Criteria(words=["400"]), Criteria(words=["nobody"]),
              Criteria(words=["old3"], start=BEGINNING, end=BEGINNING + timedelta(days=50))]  # fmt: skip
    with tenant_scope(organization):
        for most in (searching.MOST_FOUND, 2, 1):
            monkeypatch.setattr(searching, "MOST_FOUND", most)
            monkeypatch.setattr(searching, "MOST_BLOCKS", min(most, searching.MOST_BLOCKS))
            for criteria in wanted:
                assert walked(criteria, limit=7)[0] == expected(criteria), (most, criteria)


def test_without_a_sealer_and_while_the_whole_log_is_read_again_everything_is_found(committed_cast: Cast):
    organization = committed_cast.acme.id
    fill(organization, 2 * BLOCK)
    index_everything()
    criteria = Criteria(words=["old3"])
    with tenant_scope(organization):
        wanted = expected(criteria)
        for change in ({"rescan_after": UUID(int=0)}, {"rescan_after": None, "horizon": 0}):
            Sealer.objects.update(**change)
            assert walked(criteria)[0] == wanted
        Sealer.objects.all().filter(id=1).update(horizon=1 << 60)
        assert walked(criteria)[0] == wanted


def test_what_was_indexed_before_a_restore_on_another_server_is_not_read_one_by_one(committed_cast: Cast):
    organization = committed_cast.acme.id
    fill(organization, 2 * BLOCK)
    index_everything()
    # Where fewer transactions were counted than on the server that the dump is of.
    tamper("UPDATE audit_event SET transaction_id = transaction_id + 4000000000")
    tamper("UPDATE audit_sealer SET horizon = 5000000000, cluster = '1/2'")
    criteria = Criteria(words=["old3"])

    def unindexed_from() -> UUID:
        with tenant_scope(organization), connection.cursor() as cursor:
            assert walked(criteria)[0] == expected(criteria)
            cursor.execute("SELECT audit_unindexed_from()")
            return cursor.fetchone()[0]

    assert unindexed_from() == UUID(int=0)
    seal_everything()
    tamper("UPDATE audit_sealer SET cluster = '1/2'")
    assert unindexed_from() == UUID(int=0)
    deadline = time.monotonic() + 60
    while Sealer.objects.filter(cluster="1/2").exists() and time.monotonic() < deadline:
        seal_all()
    with tenant_scope(organization):
        newest_block = AuditBlock.objects.order_by("-id").first().id
    assert unindexed_from() > newest_block


def test_a_killed_indexer_leaves_whole_blocks_and_the_next_goes_on(committed_cast: Cast):
    organization = committed_cast.acme.id
    fill(organization, 20 * BLOCK)
    seal_everything()
    before = pending_blocks()
    assert before == 20
    process = subprocess.Popen(
        [sys.executable, "-c", INDEX_HALF], cwd=ROOT, env={**os.environ, "DATABASE_URL": database_url()},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    go(process)
    deadline = time.monotonic() + 60
    while pending_blocks() > before - 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    kill(process)
    assert 0 < pending_blocks() < before
    criteria = Criteria(words=["old3"])
    with tenant_scope(organization):
        assert walked(criteria)[0] == expected(criteria)
    index_everything()
    with tenant_scope(organization):
        assert walked(criteria)[0] == expected(criteria)


def test_several_indexers_share_the_blocks_and_write_each_once(committed_cast: Cast):
    for organization in (committed_cast.acme.id, committed_cast.globex.id):
        fill(organization, 12 * BLOCK)
    seal_everything()
    written: list[int] = []

    def serve() -> None:
        try:
            while done := index_all(batch=2):
                written.append(done)
        finally:
            connection.close()

    threads = [threading.Thread(target=serve) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(written) == 24
    assert pending_blocks() == 0
    with tenant_scope(committed_cast.globex.id):
        assert walked(Criteria(words=["new5"]))[0] == expected(Criteria(words=["new5"]))


def test_the_command_makes_the_same_blocks_again(committed_cast: Cast, capsys: pytest.CaptureFixture):
    organization = committed_cast.acme.id
    fill(organization, 3 * BLOCK, disorder=0.3)
    fill(committed_cast.globex.id, BLOCK)
    index_everything()
    before, others = blocks_of(organization), blocks_of(committed_cast.globex.id)
    with tenant_scope(organization):
        AuditBlock.objects.all().delete_all()
    call_command("rebuild_audit_search", "acme")
    assert "3 blocks" in capsys.readouterr().err
    assert blocks_of(organization) == before
    assert blocks_of(committed_cast.globex.id) == others
    assert rebuild() == 4
    index_everything()
    assert blocks_of(organization) == before


def test_a_block_is_made_with_the_seal_of_its_last_record_and_not_before(committed_cast: Cast):
    organization = committed_cast.acme.id
    with tenant_scope(organization):
        there = AuditEvent.objects.count()
    fill(organization, BLOCK - 1 - there)
    seal_everything()
    assert pending_blocks() == 0
    with tenant_scope(organization):
        AuditEvent.objects.create(id=new_id(), **RECORD)
    seal_everything()
    assert pending_blocks() == 1
    with tenant_scope(organization):
        block = AuditBlock.objects.get()
        assert block.sequence == BLOCK
        assert [block.first_id, block.id] == [
            AuditEvent.objects.order_by("id").first().id, AuditEvent.objects.order_by("id").last().id,
        ]  # fmt: skip
        assert 1 << block.width > (block.id.int >> 80) - (block.first_id.int >> 80)
