"""The indexer: writes the words of the ledger's blocks, after the sealer made them, outside of everybody's way.

A block (audit/models/block.py) is made in the transaction that seals its last record, so none can be forgotten. Each
is written in one statement under its own lock: a killed indexer leaves it as it was, and several share the work.
Nothing here is a source of truth: `rebuild` makes all of it again from the ledger.
"""

import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from audit.models import BLOCK, PLACE_BYTES, AuditBlock, Sealer
from audit.words import SEARCHED, record_numbers
from config.kernel.tenancy.scope import system_scope

# So many blocks are locked at once.
BATCH = 10
DATA = SEARCHED.index("data")
# One run ends by itself, so that it takes no worker from the sealer for longer than a log may lag.
LONGEST_RUN = 3.0

PENDING = """
SELECT id, org_id, sequence FROM audit_block
WHERE terms IS NULL ORDER BY id DESC LIMIT %s FOR UPDATE SKIP LOCKED
"""
RECORDS = f"""
SELECT e.id, {", ".join(f"e.{column}" for column in SEARCHED)}
FROM audit_event e WHERE e.id = ANY (ARRAY(
    SELECT s.id FROM audit_seal s WHERE s.org_id = %s AND s.sequence > %s AND s.sequence <= %s
))
ORDER BY e.id
"""  # noqa: S608 - column names of ours
FILL = "UPDATE audit_block SET terms = %s::bigint[], places = %s, members = %s WHERE id = %s"
ADD = """
SELECT audit_add_blocks(array_agg(org_id), array_agg(sequence)) FROM audit_seal
WHERE sequence %% %s = 0 AND (%s::uuid IS NULL OR org_id = %s)
"""


def index_all(*, longest: float = LONGEST_RUN, batch: int = BATCH) -> int:
    """Writes the words of blocks until none is left, or for `longest` seconds. Returns how many blocks."""
    written, end = 0, time.monotonic() + longest
    with system_scope("index the records of every organization"):
        while time.monotonic() < end:
            done = index_batch(batch)
            written += done
            if done < batch:
                break
    return written


def index_batch(batch: int = BATCH) -> int:
    """At most so many blocks in one transaction; needs the system scope. Returns how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(PENDING, [batch])
        pending = cursor.fetchall()
        for block_id, organization_id, sequence in pending:
            cursor.execute(RECORDS, [organization_id, sequence - BLOCK, sequence])
            cursor.execute(FILL, [*content_of(organization_id, cursor.fetchall()), block_id])
    return len(pending)


def rebuild(organization_id: UUID | None = None) -> int:
    """Forgets the blocks of one organization, or of all, and makes them again without words. Returns how many.

    Sealing waits meanwhile. Until the indexer has come by, records are searched one by one.
    """
    with system_scope("make the blocks of the ledger again"), transaction.atomic():
        list(Sealer.objects.select_for_update())
        blocks = AuditBlock.objects.all()
        if organization_id:
            blocks = blocks.filter(org_id=organization_id)
        blocks.delete_all()
        with connection.cursor() as cursor:
            cursor.execute(ADD, [BLOCK, organization_id, organization_id])
        return blocks.count()


def content_of(organization_id: UUID, records: Sequence[tuple[Any, ...]]) -> tuple[str, bytes, bytes]:
    """`terms`, `places` and `members` of a block of these records, each its id and its SEARCHED columns.

    The terms are PostgreSQL's text of an array, which takes a fraction of the time to make.
    """
    places: dict[int, int] = {}
    for number, (_, *record) in enumerate(records):
        record[DATA] = _read(record[DATA])
        bit = 1 << number
        for term in record_numbers(organization_id, record):
            places[term] = places.get(term, 0) | bit
    return (
        "{" + ",".join(map(str, places)) + "}",
        b"".join(place.to_bytes(PLACE_BYTES) for place in places.values()),
        b"".join(record[0].bytes for record in records),
    )


def _read(data: str) -> Any:
    """None for what nobody can read, which only SQL by hand can have written, so its block is made all the same."""
    try:
        return orjson.loads(data)
    except ValueError:
        return None
