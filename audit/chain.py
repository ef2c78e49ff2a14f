"""The chain, as anybody can compute it again (docs/audit.md): nothing here reads the database.

The digest of a record is SHA-256 over the 32 bytes of the digest before it, followed by the record's canonical form.
The digest before the first one is SHA-256 over the organization's public id.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from config.kernel.identifiers import public_id

# The columns that a record is made of, in the order in which `canonical` takes them.
COLUMNS = (
    "id",
    "org_id",
    "created_at",
    "event",
    "actor_kind",
    "actor_id",
    "actor_label",
    "target_kind",
    "target_id",
    "target_label",
    "result",
    "data",
    "ip",
    "user_agent",
    "request_id",
)


def canonical(record: Sequence[Any]) -> bytes:
    """The bytes of a record that are sealed: what `written` gives as JSON in UTF-8, names sorted, without spaces."""
    return json.dumps(written(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def canonical_if_any(record: Sequence[Any]) -> bytes:
    """Its canonical form; empty for what has none, which only SQL by hand can have written.

    Such as a number of too many digits, or a time that Python has no word for, which is given as None.
    """
    if record[COLUMNS.index("created_at")] is None:
        return b""
    try:
        return canonical(record)
    except (ValueError, RecursionError):
        return b""


def written(record: Sequence[Any]) -> dict[str, Any]:
    """A record as REST shows it without what is not its own. `record` holds COLUMNS; its data may still be JSON."""
    (
        record_id, organization_id, created_at, event, actor_kind, actor_id, actor_label,
        target_kind, target_id, target_label, result, data, ip, user_agent, request_id,
    ) = record  # fmt: skip
    return {
        "id": public_id("evt", record_id),
        "organization_id": public_id("org", organization_id),
        "created_at": moment_text(created_at),
        "event": event,
        "actor": {"kind": actor_kind, "id": actor_id, "label": actor_label},
        "target": {"kind": target_kind, "id": target_id, "label": target_label},
        "result": result,
        "data": json.loads(data) if isinstance(data, str) else data,
        "ip": ip,
        "user_agent": user_agent,
        "request_id": request_id,
    }


def moment_text(moment: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def first_digest(organization_id: UUID) -> bytes:
    """What the first link of an organization's chain hangs on."""
    return hashlib.sha256(public_id("org", organization_id).encode()).digest()


def next_digest(before: bytes, content: bytes) -> bytes:
    """The digest of a record of this canonical form after `before`."""
    return hashlib.sha256(before + content).digest()
