"""Changing what a key is called, and what it may, from where, how often and until when."""

import json
from datetime import datetime
from typing import Any, TypedDict, Unpack
from uuid import UUID

from django.db import transaction

from audit.services import record
from config.kernel.identifiers import public_id
from config.kernel.permissions import Permission
from config.kernel.principals import Principal
from keys import events
from keys.models import Key, KeyPolicy
from keys.services.keys import key_target, locked_key, require_not_ended
from keys.services.terms import (
    RateLimit,
    checked_end,
    checked_metadata,
    checked_networks,
    checked_uses,
    chosen_permissions,
    limit_columns,
)

WORDS = ("name", "note")


class Changes(TypedDict, total=False):
    """What may be changed. What is left out stays; None takes an end or a limit away."""

    name: str
    note: str
    permissions: str | list[str]
    expires_at: datetime | None
    allowed_ips: list[str]
    rate_limit: RateLimit | None
    remaining: int | None
    metadata: dict[str, Any]


@transaction.atomic
def update_key(
    *, actor: Principal, project_id: UUID, key: str, holder: frozenset[Permission], **changes: Unpack[Changes]
) -> Key:
    """Changes a key. `key` is the public id, `holder` what the actor may do in the project.

    Name and note are free. Everything else is for those who could have made this key, as it was and as it becomes,
    and while it has not ended. Raises Absent, Conflict, Invalid, Forbidden.
    """
    row = locked_key(project_id=project_id, reference=key)
    columns = _columns(row, changes)
    if set(columns) - set(WORDS):
        require_not_ended(row)
        chosen_permissions(actor=actor, kind=row.kind, permissions=list(row.permissions), holder=holder)
        if "permissions" in columns:
            columns["permissions"] = chosen_permissions(
                actor=actor, kind=row.kind, permissions=columns["permissions"], holder=holder
            )
    before = _told(row)
    for column, value in columns.items():
        setattr(row, column, value)
    after = _told(row)
    told = {name: [before[name], after[name]] for name in after if after[name] != before[name]}
    if "metadata" in columns:  # of which only the names are told, and those may be the same
        told["metadata"] = [before["metadata"], after["metadata"]]
    if "expires_at" in told:
        row.noticed_at = None
    if told:
        row.save(update_fields=[*columns, "noticed_at", "updated_at"])
        record(
            events.KEY_UPDATED,
            actor=actor,
            target=key_target(row),
            data={"project": public_id("prj", row.project_id), "changes": told},
        )
    return row


def _columns(row: Key, changes: Changes) -> dict[str, Any]:
    """The columns that would change. Raises Invalid."""
    wanted: dict[str, Any] = {}
    wanted.update({name: changes[name] for name in (*WORDS, "permissions") if name in changes})  # type: ignore[literal-required] # names of Changes
    if "expires_at" in changes and changes["expires_at"] != row.expires_at:
        policy = KeyPolicy.objects.current()
        wanted["expires_at"] = checked_end(policy, made_at=row.created_at, expires_at=changes["expires_at"])
    if "allowed_ips" in changes:
        wanted["allowed_ips"] = checked_networks(changes["allowed_ips"], kind=row.kind)
    if "rate_limit" in changes:
        wanted |= limit_columns(changes["rate_limit"])
    if "remaining" in changes:
        wanted["remaining"] = checked_uses(changes["remaining"])
    found = {name: value for name, value in wanted.items() if value != getattr(row, name)}
    if "metadata" in changes:
        metadata = checked_metadata(changes["metadata"])
        if json.dumps(metadata, sort_keys=True) != json.dumps(row.metadata, sort_keys=True):  # in Python, True == 1
            found["metadata"] = metadata
    return found


def _told(row: Key) -> dict[str, Any]:
    """What the ledger tells of a key. Of metadata, which is the customers' own, only the names."""
    rate_limit = RateLimit.of(row)
    return {
        "name": row.name,
        "note": row.note,
        "permissions": sorted(row.permissions),
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
        "allowed_ips": row.allowed_ips,
        "rate_limit": rate_limit.told() if rate_limit else None,
        "remaining": row.remaining,
        "metadata": sorted(row.metadata),
    }
