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
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from audit.chain import COLUMNS, canonical_if_any, first_digest, next_digest
from audit.models import BLOCK, Sealer
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope

BATCH = 2000
# One run ends by itself, so that the task can be stopped between two.
LONGEST_RUN = 20.0
# The row is written when something was sealed, and otherwise only this often.
QUIET = timedelta(seconds=30)
# Nothing can follow that place, which only a link that was slipped in can have. verify_audit names the gap before it.
LAST_PLACE = 2**63 - 1

SNAPSHOT = """
SELECT pg_snapshot_xmin(snapshot)::text::bigint, pg_snapshot_xmax(snapshot)::text::bigint,
       (SELECT system_identifier FROM pg_control_system())::text || '/'
           || (SELECT oid FROM pg_database WHERE datname = current_database())
FROM pg_current_snapshot() AS snapshot
"""
# Of a time that Python has no word for, NULL: no record of ours is from then.
READ = ", ".join(f"e.{column}" for column in COLUMNS).replace(
    "e.created_at", "CASE WHEN e.created_at BETWEEN '0001-01-02' AND '9999-12-30' THEN e.created_at END"
)
UNSEALED = f"""
SELECT {READ}, e.transaction_id
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
        linked = _link(rows) if rows else 0
        moved = _advance(sealer, now, rows, linked=linked, is_last=is_last)
        return Batch(linked, is_last=is_last and not moved)


def _locked() -> Sealer | None:
    """The sealer's row, ours until the transaction ends; None while another process has it."""
    if not Sealer.objects.filter(id=1).exists():
        Sealer.objects.bulk_create([Sealer(cluster="", horizon=0)], ignore_conflicts=True)
    rows = Sealer.objects.select_for_update(skip_locked=True).filter(id=1)
    return rows.defer("sealed_at").first()  # nobody knows which time somebody has written there


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


def _advance(sealer: Sealer, now: Snapshot, rows: list[tuple[Any, ...]], *, linked: int, is_last: bool) -> bool:
    """Notes how far the sealer has come. True when a reading of the whole ledger ended, after which others follow."""
    ended_rescan = False
    if sealer.rescan_after is None:
        # Past a transaction only when nothing of it can ever be linked, so that it is not read for ever.
        sealer.horizon = now.lowest if is_last else rows[-1][-1] + (0 if linked else 1)
    elif is_last:
        sealer.rescan_after, ended_rescan = None, True
    else:
        sealer.rescan_after = rows[-1][0]
    now_at = timezone.now()
    lately = Sealer.objects.filter(sealed_at__range=(now_at - QUIET, now_at))
    if rows or ended_rescan or not lately.exists():
        sealer.save(update_fields=["cluster", "horizon", "rescan_after", "sealed_at"])
    return ended_rescan


def _link(rows: Iterable[tuple[Any, ...]]) -> int:
    """Appends records to their chains, in one statement. Returns how many, without those of a chain that is full."""
    rows = list(rows)
    heads = {organization: (0, first_digest(organization)) for organization in {row[1] for row in rows}}
    records, organizations, places, digests = list[UUID](), list[UUID](), list[int](), list[bytes]()
    blocks_of, block_ends = list[UUID](), list[int]()
    with connection.cursor() as cursor:
        cursor.execute(HEADS, [list(heads)])
        heads.update({organization: (place, bytes(digest)) for organization, place, digest in cursor.fetchall()})
        for row in rows:
            place, before = heads[row[1]]
            if place == LAST_PLACE:
                continue
            # A record without a canonical form gets a link all the same, which never fits it, so that it is named and
            # keeps no other from its seal.
            heads[row[1]] = place + 1, next_digest(before, canonical_if_any(row[: len(COLUMNS)]))
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
    return len(records)
