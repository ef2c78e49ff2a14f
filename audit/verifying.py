"""Verifying: the whole chain of an organization computed again, against itself and against signed checkpoints.

Reads in portions and keeps one at a time, so a long log needs no more memory than a short one. What is found first is
named, since everything behind it hangs on it.

Where old months were dropped (audit/retention.py), the log begins behind the link that a signed statement names. Links
behind it whose records were of those months (they were sealed late) are named and signed there too, each with the
digest before it: no other record may be gone. The log itself has a record of each such statement.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from audit.beginnings import Beginning, Trust, read_beginning, recorded_as
from audit.chain import canonical_if_any, next_digest
from audit.checkpoints import Statement, UnknownKey, read_statement
from audit.findings import Finding, Kind
from audit.models import AuditCheckpoint, AuditSeal, Sealer, first_id_at
from audit.sealing import READ, current_snapshot
from config.kernel.errors import Invalid
from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.scope import tenant_scope

BY_DEFAULT = Trust()
PORTION = 2000
# How many links behind a wrong one are looked at, to tell a moved record from a changed one.
WINDOW = 1000
LINKS = f"""
SELECT s.sequence, s.id, s.digest, e.id IS NOT NULL, {READ}
FROM audit_seal s LEFT JOIN audit_event e ON e.id = s.id AND e.org_id = s.org_id
WHERE s.org_id = %s AND s.sequence > %s ORDER BY s.sequence LIMIT %s
"""  # noqa: S608 - column names of ours
WITHOUT_LINK = f"""
SELECT {READ}
FROM audit_event e LEFT JOIN audit_seal s ON s.org_id = e.org_id AND s.id = e.id
WHERE e.org_id = %s AND s.id IS NULL
    AND (e.transaction_id < %s OR e.transaction_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
ORDER BY e.id LIMIT %s
"""  # noqa: S608 - column names of ours
# They are few, unless the sealer is off.
WAITING = """
SELECT count(*) FROM audit_event e
WHERE e.org_id = %s AND e.transaction_id >= %s AND NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.id = e.id)
"""


@dataclass(frozen=True)
class Report:
    """What came out. `links` and `checkpoints` were verified; `untrusted` checkpoints are of keys that do not count.

    `unconfirmed` counts the kept checkpoints from before the beginning, of which nothing is left; `recorded_at` is the
    number of the record with which the log itself says that it begins there, None without; `waiting` are not sealed.
    `contradicting` of the untrusted say otherwise than the log: it was changed, or whoever has the key wrote them.
    """

    organization_id: UUID
    links: int
    checkpoints: int
    untrusted: int
    finding: Finding | None
    beginning: Beginning
    unconfirmed: int = 0
    recorded_at: int | None = None
    waiting: int = 0
    contradicting: int = 0


@dataclass(frozen=True)
class Link:
    """A seal with the canonical form of its record: None when that is gone, empty when it can have none any more."""

    sequence: int
    record_id: UUID
    digest: bytes
    content: bytes | None

    @property
    def record(self) -> str:
        """`evt_…`."""
        return public_id("evt", self.record_id)

    def fits(self, before: bytes) -> bool:
        """Whether its own digest says that it follows `before`."""
        if not self.content:
            return False
        return next_digest(before, self.content) == self.digest


def verify(
    organization_id: UUID,
    *,
    kept: list[Statement] | None = None,
    progress: Callable[[int], None] | None = None,
    trust: Trust = BY_DEFAULT,
) -> Report:
    """Verifies one organization's log, against `kept` checkpoints too. `progress` hears which link was last."""
    kept = kept or []
    with tenant_scope(organization_id):
        while True:
            sealer = Sealer.objects.filter(id=1).defer("sealed_at").first()
            beginning, unproven = read_beginning(organization_id, trust)
            statements, doubtful, broken = _statements(kept, beginning, trust)
            links, finding = _walk(organization_id, beginning, statements, progress or (lambda _links: None))
            # A month that was dropped meanwhile is no finding.
            if finding is None or read_beginning(organization_id, trust)[0] == beginning:
                break
        if unproven and not beginning.kid:
            finding = unproven
        recorded_at = None
        if finding is None:
            recorded_at, contradiction = recorded_as(beginning)
            finding = unproven or broken or contradiction or _without_link(organization_id, sealer)
        return Report(
            organization_id,
            links,
            sum(map(len, statements.values())),
            len(doubtful),
            finding,
            beginning,
            sum(statement.sequence < beginning.sequence for statement in kept),
            recorded_at,
            _rows(WAITING, [organization_id, sealer.horizon])[0][0] if sealer else 0,
            _contradicting(beginning, doubtful),
        )


def _statements(
    kept: list[Statement], beginning: Beginning, trust: Trust
) -> tuple[dict[int, list[Statement]], list[Statement | None], Finding | None]:
    """All signed statements by place, those that do not count, and the first that says something else than the log.

    Of those that do not count, the ones that nobody can read are None.

    Those from before the beginning have nothing left that they could be held against, but the time of their records:
    none is later than what was dropped.
    """
    found: dict[int, list[Statement]] = {}
    doubtful, broken = list[Statement | None](), None
    rows = AuditCheckpoint.objects.order_by("sequence", "edition").defer("created_at", "sealed_at")
    for row in rows.iterator(chunk_size=PORTION):
        try:
            statement = read_statement(row.statement, trust.keys)
        except UnknownKey:
            doubtful.append(None)
            continue
        except Invalid:
            statement = Statement(row.org_id, -1, b"", "")
        if statement.is_withdrawn and not trust.withdrawn:
            doubtful.append(statement)
        elif (statement.organization_id, statement.sequence, statement.digest) != (
            row.org_id,
            row.sequence,
            bytes(row.digest),
        ):
            words = f"the checkpoint {row.public_id} is not what was signed"
            broken = broken or Finding(Kind.CHECKPOINT, row.sequence, "", words)
        else:
            found.setdefault(row.sequence, []).append(statement)
    for statement in kept:
        found.setdefault(statement.sequence, []).append(statement)
    if beginning.dropped_before:
        dropped_below = first_id_at(beginning.dropped_before)
        for statement in (one for place in sorted(found) if place <= beginning.sequence for one in found[place]):
            record_id = parse_public_id("evt", statement.record)
            if record_id and record_id >= dropped_below:
                words = f"it is gone, though only records before {beginning.dropped_before:%Y-%m-%d} were dropped"
                broken = broken or Finding(Kind.REMOVED, statement.sequence, statement.record, words)
    found = {place: signed for place, signed in found.items() if place >= beginning.sequence}
    return found, doubtful, broken


def _contradicting(beginning: Beginning, doubtful: list[Statement | None]) -> int:
    """How many say otherwise than the log."""
    read = [one for one in doubtful if one and one.sequence > beginning.sequence]
    links = AuditSeal.objects.filter(sequence__in=[one.sequence for one in read]).defer("created_at")
    there = {link.sequence: (bytes(link.digest), link.record_id) for link in links}
    return sum(there.get(one.sequence) != (one.digest, one.record) for one in read)


def _walk(
    organization_id: UUID,
    beginning: Beginning,
    statements: dict[int, list[Statement]],
    progress: Callable[[int], None],
) -> tuple[int, Finding | None]:
    """How many links hold, and what is wrong with the next one."""
    start = beginning.sequence
    digest = before_previous = beginning.digest
    previous: Link | None = None
    proven = start
    if any(
        statement.digest != digest or (beginning.record and statement.record != beginning.record)
        for statement in statements.get(start, [])
    ):
        words = "a signed checkpoint says otherwise of the link behind which the log begins"
        return 0, Finding(Kind.REWRITTEN, start, "", words)
    for link in _links(organization_id, start):
        place = previous.sequence + 1 if previous else start + 1
        if link.sequence != place:
            return place - 1 - start, _gap(organization_id, place, digest, link)
        wrong = _missing(link, digest, beginning, proven)
        if wrong is None and link.content is not None and not link.fits(digest):
            wrong = _misfit(organization_id, link, digest, previous, before_previous)
        if wrong:
            return place - 1 - start, wrong
        before_previous, digest, previous = digest, link.digest, link
        for statement in statements.get(place, []):
            if (statement.digest, statement.record) != (digest, link.record):
                words = f"a signed checkpoint says otherwise: what lies behind number {proven} was written anew"
                return place - start, Finding(Kind.REWRITTEN, place, link.record, words)
            proven = place
        if place % PORTION == 0:
            progress(place)
    last = previous.sequence if previous else start
    progress(last)
    return last - start, _cut(last, previous, statements)


def _missing(link: Link, digest: bytes, beginning: Beginning, proven: int) -> Finding | None:
    """Tells if a link without a record is none of those whose records were dropped, or was none behind `digest`."""
    if link.content is not None:
        return None
    gone = beginning.gone.get(link.sequence)
    if gone is None or gone.record != link.record:
        return Finding(Kind.REMOVED, link.sequence, link.record, "its record is gone")
    if (gone.digest_before, gone.digest) != (digest, link.digest):
        words = f"its record was dropped behind another one: what lies behind number {proven} was written anew"
        return Finding(Kind.REWRITTEN, link.sequence, link.record, words)
    return None


def _cut(last: int, previous: Link | None, statements: dict[int, list[Statement]]) -> Finding | None:
    """Tells if a checkpoint knows of more than there is."""
    ahead = max(statements, default=last)
    if ahead <= last:
        return None
    end = f"number {last} ({previous.record})" if previous else "its beginning"
    words = f"the log ends at {end}, but a signed checkpoint says that it went on to number {ahead}"
    return Finding(Kind.CUT, last + 1, statements[ahead][0].record if ahead == last + 1 else "", words)


def _misfit(organization_id: UUID, link: Link, digest: bytes, previous: Link | None, before_previous: bytes) -> Finding:
    """Tells what was done, when a link does not follow `digest`."""
    if previous is not None and link.fits(before_previous):
        words = f"number {link.sequence} follows the one before it"
        return Finding(Kind.INSERTED, previous.sequence, previous.record, words)
    assert link.content is not None  # noqa: S101 - for the type checker: the caller has looked
    window = [other for other in _window(organization_id, link.sequence) if other.content]
    for other in window:
        if next_digest(digest, other.content or b"") == link.digest:
            words = f"at its place stands the record of number {other.sequence}, {other.record}"
            return Finding(Kind.REORDERED, link.sequence, link.record, words)
    if any(other.fits(digest) for other in window):
        if any(next_digest(other.digest, link.content) == link.digest for other in window):
            return Finding(Kind.REORDERED, link.sequence, link.record, "it belongs behind others")
        return Finding(Kind.INSERTED, link.sequence, link.record, "those behind it follow the one before it")
    words = "its digest is not that of what it says now"
    if previous is not None:
        words += f"; or {previous.record} before it was changed together with its link"
    return Finding(Kind.CHANGED, link.sequence, link.record, words)


def _gap(organization_id: UUID, place: int, digest: bytes, following: Link) -> Finding:
    """Names the record of a missing link if it is still there."""
    for row in _rows(WITHOUT_LINK, [organization_id, 2**63 - 1, WINDOW]):
        if following.content and following.fits(next_digest(digest, canonical_if_any(row))):
            return Finding(Kind.REMOVED, place, public_id("evt", row[0]), "its link is gone")
    words = f"it is gone, and so is its link; behind it comes {following.record}"
    return Finding(Kind.REMOVED, place, "", words)


def _without_link(organization_id: UUID, sealer: Sealer | None) -> Finding | None:
    """A record that is not in the chain though everything of its time is, or of a transaction that has yet to be."""
    now = current_snapshot()
    # Where other transactions were counted, the sealer has to read the whole ledger first.
    if sealer is None or sealer.rescan_after is not None or not now.continues(sealer):
        return None
    for row in _rows(WITHOUT_LINK, [organization_id, sealer.horizon, 1]):
        words = "it is in no chain, though all of its time was sealed: it was slipped in, or its link was removed"
        return Finding(Kind.INSERTED, None, public_id("evt", row[0]), words)
    return None


def _links(organization_id: UUID, after: int) -> Iterator[Link]:
    """The whole chain behind a link, in portions."""
    portion = None
    while portion is None or len(portion) == PORTION:
        portion = _rows(LINKS, [organization_id, after, PORTION])
        for row in portion:
            yield _link(row)
        if portion:
            after = portion[-1][0]


def _window(organization_id: UUID, after: int) -> list[Link]:
    return [_link(row) for row in _rows(LINKS, [organization_id, after, WINDOW])]


def _link(row: tuple[Any, ...]) -> Link:
    sequence, record_id, digest, is_there, *record = row
    return Link(sequence, record_id, bytes(digest), canonical_if_any(record) if is_there else None)


def _rows(sql: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()
