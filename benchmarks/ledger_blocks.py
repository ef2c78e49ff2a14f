"""The blocks of the log of `benchmarks/ledger_seeding.py`, as the indexer would make them in an hour or so.

What that log consists of is known, so most of the work can be kept; a sample is compared with the indexer's own.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID
from zlib import crc32

import django
import orjson
import psycopg

RECORDS = """
SELECT id, event, actor_id, actor_label, target_id, target_label, result, data::text, host(ip), request_id
FROM audit_event WHERE org_id = %s AND id > (
    SELECT id FROM audit_seal WHERE org_id = %s AND sequence = %s
    UNION ALL SELECT '00000000-0000-0000-0000-000000000000' LIMIT 1
)
ORDER BY id LIMIT %s
"""
FILL = "UPDATE audit_block SET terms = %s::bigint[], places = %s, members = %s WHERE org_id = %s AND sequence = %s"
WRITTEN_AT_ONCE = 200
COMPARED = 10_000
TEXTS = {"event": (0,), "actor": (1, 2), "result": (5,), "ip": (7,), "text": (6,)}


class Words:
    """The numbers of the records' words, kept for whatever comes again."""

    def __init__(self, organization: UUID) -> None:
        from audit.words import TOKENS, numbers_of, tokens_of

        self._organization, self._tokens, self._numbers_of, self._tokens_of = (
            organization,
            TOKENS,
            numbers_of,
            tokens_of,
        )
        self._base = numbers_of(organization, [""])[0]  # crc32 of nothing is 0
        self._kept: dict[tuple[str, ...], frozenset[int]] = {}
        self._nothing = tokens_of(self._record(()))

    def of(self, record: Sequence[Any]) -> Iterator[frozenset[int]]:
        """Sets of numbers that together are those of a record."""
        event, actor_id, actor_label, target_id, target_label, result, data, ip, request_id = record
        yield self._piece("event", event)
        yield self._piece("actor", actor_id, actor_label)
        yield self._piece("result", result)
        yield self._piece("ip", ip)
        for text in (*data["changes"]["name"], data["words"]):
            yield self._piece("text", text)
        once = (f"\x1ftarget={target_id}", target_id, target_id[4:], "key", "of", "thing", target_label[13:])
        once += (request_id, "req", request_id[4:])
        yield frozenset(self._base + crc32(text.encode()) % self._tokens for text in once)

    def _piece(self, *piece: str) -> frozenset[int]:
        kept = self._kept.get(piece)
        if kept is None:
            tokens = self._tokens_of(self._record(piece)) - self._nothing
            kept = self._kept[piece] = frozenset(self._numbers_of(self._organization, tokens))
        return kept

    def _record(self, piece: tuple[str, ...]) -> list[Any]:
        record: list[Any] = [""] * 9
        for place, text in zip(TEXTS[piece[0]] if piece else (), piece[1:], strict=True):
            record[place] = text
        return record


def write(url: str, organization: UUID, after: int, count: int) -> None:
    """Fills the blocks, which are there, of so many records after a place of the chain that ends a block."""
    from audit.indexing import BLOCK, content_of

    words, rows = Words(organization), []
    with psycopg.connect(url) as reading, psycopg.connect(url) as writing, reading.cursor("records") as records:
        records.itersize = 40 * BLOCK
        records.execute(RECORDS, [organization, organization, after, count])
        block: list[Any] = []
        for number, record in enumerate(records, start=after + 1):
            block.append(record)
            if number % BLOCK:
                continue
            content = block_of(words, block)
            if number // BLOCK % COMPARED == 1:
                compare(content, content_of(organization, block))
            rows.append((*content, organization, number))
            block = []
            if len(rows) == WRITTEN_AT_ONCE:
                writing.cursor().executemany(FILL, rows)
                writing.commit()
                rows = []
        if rows:
            writing.cursor().executemany(FILL, rows)


def block_of(words: Words, block: list[Any]) -> tuple[str, bytes, bytes]:
    """What `audit.indexing.content_of` returns, if the terms' order does not matter."""
    pieces: dict[frozenset[int], int] = {}
    for number, (_, *record) in enumerate(block):
        record[6] = orjson.loads(record[6])
        for numbers in words.of(record):
            pieces[numbers] = pieces.get(numbers, 0) | 1 << number
    places: dict[int, int] = {}
    for numbers, bits in pieces.items():
        for term in numbers:
            places[term] = places.get(term, 0) | bits
    terms = "{" + ",".join(map(str, places)) + "}"
    return terms, b"".join(place.to_bytes(16) for place in places.values()), b"".join(row[0].bytes for row in block)


def compare(ours: tuple[str, bytes, bytes], theirs: tuple[str, bytes, bytes]) -> None:
    """Ends the program if they differ by more than the order of the terms."""

    def by_term(content: tuple[str, bytes, bytes]) -> dict[str, bytes]:
        terms = content[0].strip("{}").split(",")
        return {term: content[1][16 * place : 16 * place + 16] for place, term in enumerate(terms)}

    if by_term(ours) != by_term(theirs) or ours[2] != theirs[2]:
        raise SystemExit("The benchmark does not make the words that the indexer makes.")


if __name__ == "__main__":
    django.setup()
    write(sys.argv[1], UUID(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
