"""The sealer: links records into their organizations' chains within seconds of their commit.

Recording takes no lock in the user's transaction, so the order of the chain is found afterwards. A record carries the
id of its transaction; once every transaction below some id has ended (`pg_snapshot_xmin`), the records below it are
all there that will ever be, and are sealed in the order of transaction and record. Each batch is one transaction under
the lock of the sealer's row: a killed sealer leaves whole batches, and a second one waits for its turn.

What is sealed is asked of the seals themselves; the horizon only spares reading the ledger from its start. When the
transactions of another cluster are counted (the database came from a dump), or run backwards, the whole ledger is read
once more, so that nothing stays unsealed. Ids that this cluster has not given yet then belong to ended transactions of
the old one.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from audit.chain import COLUMNS, canonical, first_digest, next_digest
from audit.models import BLOCK, Sealer
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope

BATCH = 2000
# One run ends by itself, so that the task can be stopped between two.
LONGEST_RUN = 20.0
# The row is written when something was sealed, and otherwise only this often.
QUIET_SECONDS = 30.0

SNAPSHOT = """
SELECT pg_snapshot_xmin(snapshot)::text::bigint, pg_snapshot_xmax(snapshot)::text::bigint,
       (SELECT system_identifier FROM pg_control_system())::text || '/'
           || (SELECT oid FROM pg_database WHERE datname = current_database())
FROM pg_current_snapshot() AS snapshot
"""
UNSEALED = f"""
SELECT {", ".join(f"e.{column}" for column in COLUMNS)}, e.transaction_id
FROM audit_event e
WHERE NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.id = e.id)
"""  # noqa: S608 - column names of ours
NEXT = UNSEALED + "AND e.transaction_id >= %s AND e.transaction_id < %s ORDER BY e.transaction_id, e.id LIMIT %s"
RESCAN = UNSEALED + "AND e.id > %s AND (e.transaction_id < %s OR e.transaction_id >= %s) ORDER BY e.id LIMIT %s"
HEADS = """
SELECT head.org_id, head.sequence, head.digest
FROM unnest(%s::uuid[]) AS wanted (org_id)
CROSS JOIN LATERAL (
    SELECT s.org_id, s.sequence, s.digest FROM audit_seal s
    WHERE s.org_id = wanted.org_id ORDER BY s.sequence DESC LIMIT 1
) AS head
"""
INSERT = """
INSERT INTO audit_seal (id, org_id, created_at, sequence, digest)
SELECT record, organization, %s, place, digest
FROM unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::bytea[]) AS link (record, organization, place, digest)
"""
ADD_BLOCKS = "SELECT audit_add_blocks(%s::uuid[], %s::bigint[])"


@dataclass(frozen=True)
class Batch:
    """What one transaction sealed. `is_last` when nothing more can be sealed now, also because somebody else seals."""

    sealed: int
    is_last: bool


@dataclass(frozen=True)
class Snapshot:
    """Which transactions have ended: all below `lowest`. Those from `highest` on have not begun in this `cluster`."""

    lowest: int
    highest: int
    cluster: str

    def continues(self, sealer: Sealer) -> bool:
        """Whether the transactions that the sealer has counted are of this cluster, and ran on."""
        return sealer.cluster == self.cluster and sealer.horizon <= self.highest


def seal_all(*, longest: float = LONGEST_RUN, batch: int = BATCH) -> int:
    """Seals until nothing is left that can be, or for `longest` seconds. Returns how many records."""
    sealed, end = 0, time.monotonic() + longest
    with system_scope("seal the records of every organization"):
        while time.monotonic() < end:
            done = seal_batch(batch)
            sealed += done.sealed
            if done.is_last:
                break
    return sealed


def seal_batch(batch: int = BATCH) -> Batch:
    """One batch in one transaction; needs the system scope."""
    with transaction.atomic():
        sealer = _locked()
        if sealer is None:
            return Batch(0, is_last=True)
        now = current_snapshot()
        if not now.continues(sealer):
            # Whatever was counted before means nothing here.
            sealer.cluster, sealer.horizon, sealer.rescan_after = now.cluster, now.lowest, INSTALLATION_ID
        rows = _rows(sealer, now, batch)
        is_last = len(rows) < batch
        if rows:
            _link(rows)
        moved = _advance(sealer, now, rows, is_last=is_last)
        return Batch(len(rows), is_last=is_last and not moved)


def _locked() -> Sealer | None:
    """The sealer's row, ours until the transaction ends; None while another process has it."""
    if not Sealer.objects.filter(id=1).exists():
        Sealer.objects.bulk_create([Sealer(cluster="", horizon=0)], ignore_conflicts=True)
    return Sealer.objects.select_for_update(skip_locked=True).filter(id=1).first()


def current_snapshot() -> Snapshot:
    """The transactions of this moment."""
    # Before the records are read, in a statement of its own: theirs sees at least all that had ended here.
    with connection.cursor() as cursor:
        cursor.execute(SNAPSHOT)
        return Snapshot(*cursor.fetchone())


def _rows(sealer: Sealer, now: Snapshot, batch: int) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        if sealer.rescan_after is None:
            cursor.execute(NEXT, [sealer.horizon, now.lowest, batch])
        else:
            cursor.execute(RESCAN, [sealer.rescan_after, now.lowest, now.highest, batch])
        return cursor.fetchall()


def _advance(sealer: Sealer, now: Snapshot, rows: list[tuple[Any, ...]], *, is_last: bool) -> bool:
    """Notes how far the sealer has come. True when a reading of the whole ledger ended, after which others follow."""
    ended_rescan = False
    if sealer.rescan_after is None:
        sealer.horizon = now.lowest if is_last else rows[-1][-1]
    elif is_last:
        sealer.rescan_after, ended_rescan = None, True
    else:
        sealer.rescan_after = rows[-1][0]
    quiet = (timezone.now() - sealer.sealed_at).total_seconds()
    if rows or ended_rescan or not 0 <= quiet < QUIET_SECONDS:
        sealer.save()
    return ended_rescan


def _link(rows: Iterable[tuple[Any, ...]]) -> None:
    """Appends records to their chains, in one statement."""
    rows = list(rows)
    heads = {organization: (0, first_digest(organization)) for organization in {row[1] for row in rows}}
    records, organizations, places, digests = list[UUID](), list[UUID](), list[int](), list[bytes]()
    blocks_of, block_ends = list[UUID](), list[int]()
    with connection.cursor() as cursor:
        cursor.execute(HEADS, [list(heads)])
        heads.update({organization: (place, bytes(digest)) for organization, place, digest in cursor.fetchall()})
        for row in rows:
            place, before = heads[row[1]]
            heads[row[1]] = place + 1, next_digest(before, canonical(row[: len(COLUMNS)]))
            records.append(row[0])
            organizations.append(row[1])
            places.append(heads[row[1]][0])
            digests.append(heads[row[1]][1])
            if heads[row[1]][0] % BLOCK == 0:
                blocks_of.append(row[1])
                block_ends.append(heads[row[1]][0])
        cursor.execute(INSERT, [timezone.now(), records, organizations, places, digests])
        if blocks_of:  # for the indexer (audit/indexing.py)
            cursor.execute(ADD_BLOCKS, [blocks_of, block_ends])
