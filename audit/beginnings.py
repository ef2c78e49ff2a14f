"""Where logs begin whose oldest months were dropped: what was signed of it, and what the log itself has recorded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DataError

from audit import events
from audit.chain import first_digest
from audit.checkpoints import Statement, UnknownKey, read_statement, shape_of
from audit.findings import Finding, Kind
from audit.models import AuditBeginning, AuditEvent, AuditSeal, first_id_at
from config.kernel.errors import Invalid
from config.kernel.tenancy.scope import INSTALLATION_ID


@dataclass(frozen=True)
class Trust:
    """Whose word counts. `keys` are those of key sets that were kept elsewhere, by kid: they alone count then.

    The rest is for asking whether anything speaks against signing a beginning anew (audit/attesting.py): `withdrawn`
    believes what withdrawn keys signed too, `dropped` that these late records were dropped with their months.
    """

    keys: Mapping[str, bytes] | None = None
    withdrawn: bool = False
    dropped: frozenset[UUID] = frozenset()


@dataclass(frozen=True)
class Beginning:
    """Behind which link a log begins, and which records behind it may be gone, by place.

    It was signed with the key `kid`, which was withdrawn at `withdrawn_at` if ever, and anew `attested_at` if ever;
    `edition` is how often. No kid: nothing was dropped, or nothing follows from what is kept of it.
    """

    sequence: int
    digest: bytes
    record: str = ""
    dropped_before: datetime | None = None
    gone: dict[int, Statement] = field(default_factory=dict)
    kid: str = ""
    withdrawn_at: datetime | None = None
    edition: int = 0
    attested_at: datetime | None = None

    @property
    def shape(self) -> dict[str, Any]:
        """What the log itself has recorded of it."""
        begins = Statement(INSTALLATION_ID, self.sequence, self.digest, self.record, self.dropped_before)
        return shape_of(begins, self.gone.values())


def read_beginning(organization_id: UUID, trust: Trust) -> tuple[Beginning, Finding | None]:
    """Where the log of the organization in scope begins, and what is wrong if nobody who counts has signed that."""
    first = Beginning(0, first_digest(organization_id))
    row = unreadable = None
    try:
        row = AuditBeginning.objects.newest()
    except DataError:
        words = "where the log begins is not what was signed: it says a time that no record can have"
        unreadable = Finding(Kind.CHECKPOINT, None, "", words)
    if row is None:
        return first, unreadable

    def wrong(words: str) -> Finding:
        return Finding(Kind.CHECKPOINT, row.sequence, "", f"that the log begins behind number {row.sequence} {words}")

    try:
        begins, *late = [read_statement(line, trust.keys) for line in row.statement.split()]
    except UnknownKey as error:
        return Beginning(row.sequence, bytes(row.digest)), wrong(f"is not proven: {error.sentence}")
    except (Invalid, ValueError):
        return first, wrong("is not what was signed")
    said = Statement(row.org_id, row.sequence, bytes(row.digest), begins.record, row.dropped_before)
    is_of_it = all(
        (one.organization_id, one.dropped_before) == (row.org_id, row.dropped_before)
        and one.digest_before
        and one.kid == begins.kid
        for one in late
    )
    if begins != replace(said, attested_at=begins.attested_at) or not is_of_it:
        return first, wrong("is not what was signed")
    beginning = Beginning(
        row.sequence,
        bytes(row.digest),
        begins.record,
        row.dropped_before,
        {one.sequence: one for one in [*late, *_said_to_be_dropped(row, trust.dropped)]},
        begins.kid,
        begins.withdrawn_at,
        row.edition,
        begins.attested_at,
    )
    if begins.is_withdrawn and not trust.withdrawn:
        return beginning, wrong(f"was signed with the key {begins.kid}, which was withdrawn since: run attest_audit")
    return beginning, None


def _said_to_be_dropped(row: AuditBeginning, records: frozenset[UUID]) -> Iterator[Statement]:
    """What would be signed of late records of which the operator says that they were dropped with their months."""
    below = first_id_at(row.dropped_before)
    for link in AuditSeal.objects.filter(id__in=records, id__lt=below, sequence__gt=row.sequence):
        before = AuditSeal.objects.filter(sequence=link.sequence - 1).first()
        if before:
            place = row.org_id, link.sequence, bytes(link.digest), link.record_id
            yield Statement(*place, row.dropped_before, bytes(before.digest))


def recorded_as(beginning: Beginning) -> tuple[int | None, Finding | None]:
    """Which number the record has with which the log says where it begins; or that it says otherwise."""
    if beginning.dropped_before is None or not beginning.kid:
        return None, None
    shape = beginning.shape
    recorded_at = None
    rows = AuditEvent.objects.filter(event=events.AUDIT_LOG_SHORTENED.name).with_sequence().exclude(sequence=None)
    for row in rows.order_by("id"):
        if not isinstance(row.data, dict) or row.data.get("before") != shape["before"]:
            continue
        if row.data != shape:
            words = f"the record {row.public_id} says otherwise of where the log begins since a month was dropped"
            return None, Finding(Kind.CHECKPOINT, row.sequence, row.public_id, words)
        recorded_at = row.sequence
    return recorded_at, None
