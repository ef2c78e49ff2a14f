"""Following the ledger: a page asks again and again whether the newest records are still those that it shows.

What it shows is told by a fingerprint rather than by the newest id: a record whose transaction ended late comes up
among older ones.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.http import QueryDict

from audit.models import AuditEvent

# Parts of the address that narrow nothing.
FOLLOW, SHOWN = "follow", "shown"


@dataclass(frozen=True)
class Following:
    """Addresses of the same list: followed (`on`), not followed (`off`), and of the next question (`poll`).

    `query` are its filters alone.
    """

    is_on: bool
    on: str
    off: str
    poll: str
    query: str


def following(path: str, filters: QueryDict, *, is_on: bool, rows: Sequence[AuditEvent]) -> Following:
    """How the list of these `filters` is followed while it shows `rows`. `filters` names neither FOLLOW nor SHOWN."""
    query = filters.copy()
    for name in [name for name, value in query.items() if not value]:
        del query[name]
    filtered = query.urlencode()
    off = f"{path}?{filtered}" if filtered else path
    query[FOLLOW] = "on"
    on = f"{path}?{query.urlencode()}"
    return Following(is_on, on, off, f"{on}&{SHOWN}={fingerprint(rows)}", filtered)


def fingerprint(rows: Sequence[AuditEvent]) -> str:
    """The same for the same records in the same order."""
    return hashlib.sha256(b"".join(row.id.bytes for row in rows)).hexdigest()[:32]
