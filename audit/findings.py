"""What a verification of the log can find."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What was done to the log."""

    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT = "cut"
    REWRITTEN = "rewritten"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Finding:
    """The first thing that is wrong: at which place of the chain, with which record (`evt_…`, empty if unknown)."""

    kind: Kind
    sequence: int | None
    record: str
    words: str
