"""Keys of another system, taken over by their SHA-256: whoever uses them goes on as before."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.services import record
from config.kernel.errors import Conflict, Forbidden, Invalid, TenantryError
from config.kernel.permissions import Permission
from config.kernel.principals import Principal
from keys import events
from keys.credentials import could_be_ours
from keys.models import Key, KeyPolicy
from keys.services.keys import key_target, require_active
from keys.services.terms import (
    RateLimit,
    checked_end,
    checked_metadata,
    checked_networks,
    checked_uses,
    chosen_permissions,
    limit_columns,
)
from projects.models import Project
from projects.services.projects import locked_project

MOST_LINES = 100
START_LENGTH = 16
SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)


@dataclass(frozen=True)
class Line:
    """One key to take over. `sha256` is in hexadecimal, `start` its first characters, to recognize it by."""

    sha256: str
    start: str
    name: str
    mode: str = Key.Mode.LIVE
    note: str = ""
    permissions: str | list[str] | None = None
    expires_at: datetime | None = None
    allowed_ips: list[str] = field(default_factory=list)
    rate_limit: RateLimit | None = None
    remaining: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


class Status(StrEnum):
    """What became of a line."""

    IMPORTED = "imported"
    EXISTS = "exists"
    REFUSED = "refused"


@dataclass(frozen=True)
class Result:
    """What became of a line; `key` unless it was refused, `error` if it was."""

    status: Status
    key: Key | None = None
    error: TenantryError | None = None


@transaction.atomic
def import_keys(
    *, actor: Principal, holder: frozenset[Permission], project_id: UUID, lines: Sequence[Line]
) -> list[Result]:
    """Takes over secret keys of another system, in order. Each line stands for itself: one that is refused stops none.

    A key that the project has already stays as it is, so the same lines can be sent again. `holder` is what the actor
    may do in the project. Raises Absent, Conflict for an archived project, Invalid for too many lines.
    """
    if len(lines) > MOST_LINES:
        raise Invalid.field("keys", f"Import at most {MOST_LINES} keys at a time.")
    project = locked_project(project_id)
    require_active(project)
    policy = KeyPolicy.objects.current()
    return [_imported(line, actor=actor, holder=holder, project=project, policy=policy) for line in lines]


def _imported(
    line: Line, *, actor: Principal, holder: frozenset[Permission], project: Project, policy: KeyPolicy
) -> Result:
    try:
        digest = _checked_digest(line)
        _require_start(line, digest)
        present = _present(digest, project)
        if present is not None:
            return Result(Status.EXISTS, key=present)
        chosen = chosen_permissions(actor=actor, kind=Key.Kind.SECRET, permissions=line.permissions, holder=holder)
        fields = {
            "allowed_ips": checked_networks(line.allowed_ips, kind=Key.Kind.SECRET),
            "metadata": checked_metadata(line.metadata),
            "expires_at": checked_end(policy, made_at=timezone.now(), expires_at=line.expires_at),
            "remaining": checked_uses(line.remaining),
            **limit_columns(line.rate_limit),
        }
        with transaction.atomic():
            key = Key.objects.create(
                project=project,
                kind=Key.Kind.SECRET,
                mode=line.mode,
                name=line.name,
                note=line.note,
                digest=digest,
                start=line.start,
                permissions=chosen,
                is_imported=True,
                created_by=actor.id,
                **fields,
            )
            record(
                events.KEY_IMPORTED,
                actor=actor,
                target=key_target(key),
                data={"project": project.public_id, "mode": line.mode, "permissions": chosen},
            )
    except IntegrityError:  # another organization has it, which nobody here may know of
        return Result(
            Status.REFUSED, error=Conflict("This SHA-256 cannot be imported: make a new key instead.", code="key_taken")
        )
    except (Invalid, Forbidden, Conflict) as error:
        return Result(Status.REFUSED, error=error)
    return Result(Status.IMPORTED, key=key)


def _checked_digest(line: Line) -> bytes:
    if not SHA256.fullmatch(line.sha256):
        raise Invalid.field("sha256", "Write the SHA-256 of the key in 64 hexadecimal digits.")
    return bytes.fromhex(line.sha256)


def _require_start(line: Line, digest: bytes) -> None:
    if not 1 <= len(line.start) <= START_LENGTH or not line.start.isprintable():
        raise Invalid.field("start", f"Give the first characters of the key, at most {START_LENGTH}.")
    if hashlib.sha256(line.start.encode()).digest() == digest:
        raise Invalid.field("start", "This is the whole key: give only its first characters, never the key itself.")
    # A key of that form without our checksum is refused before it is looked up.
    if not could_be_ours(line.start):
        raise Invalid.field("start", "Keys that begin like ours cannot be imported: make a new key instead.")


def _present(digest: bytes, project: Project) -> Key | None:
    """The organization's key with that SHA-256. Raises Conflict when it is another project's."""
    key = Key.objects.filter(digest=digest).first()
    if key is not None and key.project_id != project.id:
        raise Conflict("This key belongs to another project of the organization.", code="key_taken")
    return key
