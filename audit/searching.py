"""Reading the ledger by any combination of filters and words, newest first, always in short time.

One filter with an index of its own is read by it. Everything else asks the blocks of words (audit/indexing.py), and
looks at the records that are in none yet one by one. So that no combination takes long, a page has a budget: when it is
used up before the page is full, the page ends there and says how far it has looked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils.ipv6 import clean_ipv6_address

from audit.models import PLACE_BYTES, AuditBlock, AuditEvent, AuditEventQuerySet, first_id_at, moment_of
from audit.words import SEARCHED, mark, numbers_of, tokens_of, words_in
from config.kernel.identifiers import parse_public_id
from config.kernel.paging import DEFAULT_LIMIT
from config.kernel.tenancy.scope import require_organization_id

# The budget of a page: records that are in no block yet, blocks looked at one after another, blocks found by words
# (that many for one word, fewer for several).
MOST_RECORDS = 800
MOST_BLOCKS = 16
MOST_FOUND = 52
# Terms are frequent when more than one in so many blocks has them all.
FREQUENT = 4
# More blocks than this around one moment come from clocks that are far apart.
MOST_ACROSS = 200
# Tokens may share a number, so records are read beyond those that a page needs.
SPARE = 30

RANDOM_BITS = 80  # of a UUIDv7
LAST = UUID(int=(1 << 128) - 1)
WIDTHS = 50
# A block's id and a bit for each of its records; None when it lacks a term altogether.
Block = tuple[UUID, int | None]
ACROSS = "SELECT id, found FROM audit_blocks_across(%s, %s, %s, %s)"
BELOW = "SELECT id, found FROM audit_blocks_below(%s, %s, %s, %s)"
WITH = "SELECT id, found FROM audit_blocks_with(%s, %s, %s, %s)"


@dataclass(frozen=True)
class Criteria:
    """What is looked for: all of it at once. Empty values filter nothing.

    `words` as `audit.words.words_in` gives them; `event` is a name or a noun with `.*`; `start` counts, `end` does not.
    """

    words: Sequence[str] = ()
    event: str = ""
    actor_id: str = ""
    target_id: str = ""
    result: str = ""
    ip: str = ""
    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def of(cls, filters: Mapping[str, Any]) -> "Criteria":
        """Of filters as REST and the dashboard name them. Absent and empty ones filter nothing."""
        given = filters.get
        ip = given("ip") or ""
        return cls(
            words=words_in(given("q") or ""),
            event=given("event") or "",
            actor_id=given("actor") or "",
            target_id=given("target") or "",
            result=given("result") or "",
            ip=clean_ipv6_address(ip) if ":" in ip else ip,  # as the database spells it
            start=given("since") or None,
            end=given("until") or None,
        )

    def not_before(self, moment: datetime | None) -> "Criteria":
        """The same without what is older than `moment`, if there is one."""
        return replace(self, start=max(filter(None, [self.start, moment]), default=None))

    @property
    def is_direct(self) -> bool:
        """Whether the ledger's own indexes give the rows in order: at most one filter, and one that has an index."""
        exact = [name for name in (self.event, self.actor_id, self.target_id, self.result) if name]
        return not self.words and not self.ip and len(exact) <= 1 and not self.event.endswith(".*")

    @property
    def tokens(self) -> set[str]:
        """What a record must have, the time aside."""
        filters = {
            "event": self.event,
            "actor": self.actor_id,
            "target": self.target_id,
            "result": self.result,
            "ip": self.ip,
        }
        words = {word for word in self.words if parse_public_id("evt", word) is None}
        return words | {mark(name, value) for name, value in filters.items() if value}

    @property
    def record_ids(self) -> list[UUID]:
        """Words that are the id of a record stand for that record."""
        found = (parse_public_id("evt", word) for word in self.words)
        return [record_id for record_id in found if record_id]

    def rows(self) -> AuditEventQuerySet:
        """The rows, if `is_direct`."""
        return AuditEvent.objects.between(self.start, self.end).matching(
            event=self.event, actor_id=self.actor_id, target_id=self.target_id, result=self.result
        )


@dataclass(frozen=True)
class Found:
    """A page of `rows`. There may be more below the id `older`; None at the end.

    `looked_until` is set when the budget was used up: everything since then was looked at.
    """

    rows: list[AuditEvent]
    older: UUID | None
    looked_until: datetime | None = None


def search(
    criteria: Criteria, *, below: UUID | None = None, limit: int = DEFAULT_LIMIT, rows: QuerySet | None = None
) -> Found:
    """The newest records of the organization in scope that meet `criteria`, older than the id `below`.

    `rows` are the records to take them from, for those who annotate them.
    """
    rows = AuditEvent.objects.all() if rows is None else rows
    upper = min(below or LAST, first_id_at(criteria.end) if criteria.end else LAST)
    lower = first_id_at(criteria.start) if criteria.start else UUID(int=0)
    tokens, record_ids = criteria.tokens, criteria.record_ids
    if record_ids:
        rows = rows.filter(id__in=record_ids) if len(record_ids) == 1 else rows.none()
        ids, looked_to = list(rows.filter(id__gte=lower, id__lt=upper).values_list("id", flat=True)), None
    elif not tokens:
        return _page(list(rows.filter(id__gte=lower, id__lt=upper).order_by("-id")[: limit + 1]), limit, None)
    else:
        ids, looked_to = _look(tokens, upper, lower, limit + 1)
    read = sorted(ids, reverse=True)[: limit + 1 + SPARE]
    if len(read) < len(ids):
        looked_to = read[-1]
    # Sorted here, so that no index by time seems the better way to them.
    found = sorted(rows.filter(id__in=read).order_by(), key=attrgetter("id"), reverse=True)
    kept = [row for row in found if tokens <= _tokens(row)]
    return _page(kept, limit, looked_to)


def _page(rows: list[AuditEvent], limit: int, looked_to: UUID | None) -> Found:
    if len(rows) > limit:
        return Found(rows[:limit], older=rows[limit - 1].id)
    if looked_to is None or len(rows) == limit:
        return Found(rows, older=looked_to)
    return Found(rows, older=looked_to, looked_until=moment_of(looked_to))


def _look(tokens: set[str], upper: UUID, lower: UUID, enough: int) -> tuple[list[UUID], UUID | None]:
    """Ids that may have all the tokens, and down to which id everything was looked at; None for `lower`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_unindexed_from()")
        indexed_below = cursor.fetchone()[0]
    ids: list[UUID] = []
    if indexed_below < upper:
        ids, looked_to = _among_records(tokens, upper, max(indexed_below, lower))
        if looked_to is not None or len(ids) >= enough:
            return ids, looked_to
        upper = indexed_below
    if upper <= lower:
        return ids, None
    terms = numbers_of(require_organization_id(), tokens)
    across = _blocks(ACROSS, terms, upper, _bounds(upper), MOST_ACROSS + 1)
    if len(across) > MOST_ACROSS:
        more, looked_to = _among_records(tokens, upper, lower)
    else:
        more, looked_to = _among_blocks(terms, across, upper, lower, enough - len(ids))
    return ids + more, looked_to


def _among_records(tokens: set[str], upper: UUID, lower: UUID) -> tuple[list[UUID], UUID | None]:
    rows = AuditEvent.objects.filter(id__lt=upper, id__gte=lower).order_by("-id")
    looked_at = list(rows.values_list("id", *SEARCHED)[:MOST_RECORDS])
    found = [record_id for record_id, *record in looked_at if tokens <= tokens_of(record)]
    return found, looked_at[-1][0] if len(looked_at) == MOST_RECORDS else None


def _among_blocks(
    terms: list[int], across: list[Block], upper: UUID, lower: UUID, enough: int
) -> tuple[list[UUID], UUID | None]:
    most = max(2 * MOST_BLOCKS // (1 + len(terms)), 1)
    below = _blocks(BELOW, terms, upper, lower, most)
    at_end = len(below) < most
    if not at_end and _count(across + below[:-1]) < enough:
        # Where all terms are in many blocks, only never in one record, finding blocks by them leaves nothing out.
        are_frequent = sum(places is not None for _, places in below) * FREQUENT > len(below)
        most = max(MOST_FOUND // len(terms), 1)
        found = _blocks(BELOW if are_frequent else WITH, terms, below[-1][0], lower, most)
        at_end = len(found) < most
        below += found
    ids, looked_to = _members(across, below, enough)
    if looked_to is None and not at_end:
        looked_to = below[-1][0]
    # What lies below the last block that was looked at may have newer neighbours in blocks that were not.
    return [one for one in ids if max(lower, looked_to or lower) <= one < upper], looked_to


def _members(across: list[Block], below: list[Block], enough: int) -> tuple[list[UUID], UUID | None]:
    """The records that the bits stand for, of as many blocks as it takes; the id of the last block if not of all."""
    wanted, count, looked_to = dict(across), _count(across), None
    for block_id, places in below:
        wanted[block_id] = places
        if count > enough + SPARE and block_id != below[-1][0]:
            looked_to = block_id
            break
        count += _count([(block_id, places)])
    hits = {block_id: places for block_id, places in wanted.items() if places}
    members = AuditBlock.objects.filter(id__in=hits).values_list("id", "members")
    return [one for block_id, ids in members for one in _chosen(hits[block_id], bytes(ids or b""))], looked_to


def _chosen(places: int, members: bytes) -> Iterator[UUID]:
    for number in range(len(members) // 16):
        if places >> number & 1:
            yield UUID(bytes=members[16 * number : 16 * number + 16])


def _count(blocks: list[Block]) -> int:
    """How many records the bits stand for."""
    return sum(places.bit_count() for _, places in blocks if places)


def _blocks(sql: str, terms: list[int], *parameters: Any) -> list[Block]:
    """Blocks with the bits of the records that have all the terms."""
    with connection.cursor() as cursor:
        cursor.execute(sql, [terms, *parameters])
        return [(block_id, _common(found, len(terms))) for block_id, found in cursor.fetchall()]


def _common(found: bytes | None, terms: int) -> int | None:
    if found is None or len(found) < terms * PLACE_BYTES:
        return None
    places = -1
    for start in range(0, len(found), PLACE_BYTES):
        places &= int.from_bytes(found[start : start + PLACE_BYTES])
    return places


def _bounds(moment: UUID) -> list[UUID]:
    """For each width of a block the id that its newest record stays below if it begins below `moment`."""
    milliseconds = moment.int >> RANDOM_BITS
    ends = ((milliseconds + (1 << width) + 1) << RANDOM_BITS for width in range(WIDTHS))
    return [UUID(int=min(end, LAST.int)) for end in ends]


def _tokens(row: AuditEvent) -> set[str]:
    return tokens_of([getattr(row, column) for column in SEARCHED])
