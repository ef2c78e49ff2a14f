"""Keys of projects: create, rotate, revoke, take out of quarantine. Changing one is in key_changes.py."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.services import Target, record
from config.kernel.errors import Absent, Conflict, Invalid
from config.kernel.permissions import Permission
from config.kernel.principals import Principal
from keys import events
from keys.credentials import generate
from keys.models import Key, KeyPolicy
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

LONGEST_OVERLAP = timedelta(days=30)


def key_target(key: Key) -> Target:
    """How a key is named in the ledger."""
    return Target("key", key.public_id, f"{key.name} ({key.start}…)")


@transaction.atomic
def create_key(
    *,
    actor: Principal,
    holder: frozenset[Permission],
    project_id: UUID,
    kind: str,
    mode: str,
    name: str,
    permissions: str | list[str] | None = None,
    expires_at: datetime | None = None,
    allowed_ips: list[str] | None = None,
    rate_limit: RateLimit | None = None,
    remaining: int | None = None,
    note: str = "",
    metadata: dict[str, Any] | None = None,
) -> tuple[Key, str]:
    """A new key and its plaintext, which is shown this once.

    `permissions` is a preset's name or a list; secret keys get `runner` when nothing is said, publishable keys have
    none. `holder` is what the actor may do in the project: a key never gets a person's permission its maker lacks.
    `remaining` is how often it can be verified. Raises Absent, Conflict for an archived project, Invalid also for an
    end that the organization's policy does not allow, Forbidden.
    """
    project = locked_project(project_id)
    require_active(project)
    chosen = chosen_permissions(actor=actor, kind=kind, permissions=permissions, holder=holder)
    key, plaintext = _new(
        actor=actor,
        project=project,
        kind=kind,
        mode=mode,
        name=name,
        note=note,
        permissions=chosen,
        allowed_ips=checked_networks(allowed_ips or [], kind=kind),
        metadata=checked_metadata(metadata or {}),
        expires_at=checked_end(KeyPolicy.objects.current(), made_at=timezone.now(), expires_at=expires_at),
        remaining=checked_uses(remaining),
        **limit_columns(rate_limit),
    )
    record(
        events.KEY_CREATED,
        actor=actor,
        target=key_target(key),
        data={"project": project.public_id, "kind": kind, "mode": mode, "permissions": chosen},
    )
    return key, plaintext


def _new(*, actor: Principal, project: Project, kind: str, mode: str, **fields: Any) -> tuple[Key, str]:
    credential = generate(f"{'pk' if kind == Key.Kind.PUBLISHABLE else 'sk'}_{mode}_")
    key = Key.objects.create(
        project=project,
        kind=kind,
        mode=mode,
        digest=credential.digest,
        start=credential.start,
        plaintext=credential.plaintext if kind == Key.Kind.PUBLISHABLE else "",
        created_by=actor.id,
        **fields,
    )
    return key, credential.plaintext


def require_active(project: Project) -> None:
    """Raises Conflict for an archived project."""
    if not project.is_active:
        raise Conflict("This project is archived: restore it first.", code="project_archived")


def locked_key(*, project_id: UUID, reference: str) -> Key:
    """The key of that project, locked. Raises Absent, also for a key of another project."""
    key = Key.objects.select_for_update(of=("self",)).of_project(project_id).by_reference(reference)
    if key is None:
        raise Absent
    return key


@transaction.atomic
def rotate_key(
    *,
    actor: Principal,
    holder: frozenset[Permission],
    project_id: UUID,
    key: str,
    overlap: timedelta,
    expires_at: datetime | None = None,
) -> tuple[Key, str]:
    """A new key in place of `key`, which lives on for `overlap` (0 to 30 days). Only this key is touched.

    The new one is of our own format also when the old one was imported, and ends at `expires_at`, by default when the
    old one would have. What is left of its uses goes over to it. Raises Absent, Conflict for a key that has ended,
    Invalid for the overlap and for an end that the policy does not allow, Forbidden when the key may do more than
    the actor.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid.field("overlap_seconds", f"Choose 0 to {int(LONGEST_OVERLAP.total_seconds())} seconds (30 days).")
    project = locked_project(project_id)
    require_active(project)
    old = locked_key(project_id=project_id, reference=key)
    require_not_ended(old)
    chosen_permissions(actor=actor, kind=old.kind, permissions=list(old.permissions), holder=holder)
    if old.replacement is not None:
        raise Conflict(
            "This key was replaced already: rotate its replacement, or revoke that first.", code="key_replaced"
        )
    if overlap and old.remaining is not None:
        raise Invalid.field("overlap_seconds", "Choose 0: the uses that are left go over to the new key.")
    now = timezone.now()
    new, plaintext = _new(
        actor=actor,
        project=project,
        kind=old.kind,
        mode=old.mode,
        name=old.name,
        note=old.note,
        permissions=old.permissions,
        allowed_ips=old.allowed_ips,
        metadata=old.metadata,
        expires_at=checked_end(KeyPolicy.objects.current(), made_at=now, expires_at=expires_at or old.expires_at),
        remaining=old.remaining,
        rate_limit=old.rate_limit,
        rate_window_seconds=old.rate_window_seconds,
        replaces=old,
    )
    if old.remaining is not None:
        old.remaining = 0  # a server that has not heard of the rotation spends nothing of it any more
    end = now + overlap
    if overlap:
        end = min(old.expires_at, end) if old.expires_at else end
        old.expires_at = end
    else:
        old.revoked_at = end
    old.save(update_fields=["expires_at", "revoked_at", "remaining", "updated_at"])
    record(
        events.KEY_ROTATED,
        actor=actor,
        target=key_target(old),
        data={
            "project": project.public_id,
            "replacement": new.public_id,
            "old_expires_at": end.isoformat(),
        },
    )
    return new, plaintext


def require_not_ended(key: Key) -> None:
    """Raises Conflict for a key that is revoked or expired."""
    if key.state in (Key.State.REVOKED, Key.State.EXPIRED):
        raise Conflict("This key no longer works: create a new one instead.", code="key_inactive")


@transaction.atomic
def revoke_key(*, actor: Principal, project_id: UUID, key: str) -> Key:
    """Ends a key at once. Doing so twice is no error. Raises Absent."""
    row = locked_key(project_id=project_id, reference=key)
    if row.revoked_at is None:
        row.revoked_at = timezone.now()
        row.save(update_fields=["revoked_at", "updated_at"])
        record(events.KEY_REVOKED, actor=actor, target=key_target(row), data={"project": row.project.public_id})
    return row


@transaction.atomic
def release_key(*, actor: Principal, holder: frozenset[Permission], project_id: UUID, key: str) -> Key:
    """Takes a key out of quarantine: it works again. One that is not in quarantine stays as it is.

    Raises Absent, Conflict for a key that has ended, Forbidden when the key may do more than the actor.
    """
    row = locked_key(project_id=project_id, reference=key)
    require_not_ended(row)
    if row.quarantined_at is None:
        return row
    chosen_permissions(actor=actor, kind=row.kind, permissions=list(row.permissions), holder=holder)
    row.quarantined_at = None
    row.save(update_fields=["quarantined_at", "updated_at"])
    record(events.KEY_RELEASED, actor=actor, target=key_target(row), data={"project": row.project.public_id})
    return row
