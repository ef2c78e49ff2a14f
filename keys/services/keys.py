"""Keys of projects: create, change, rotate, revoke."""

import ipaddress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.services import Target, record
from config.kernel.errors import Absent, Conflict, Forbidden, Invalid
from config.kernel.permissions import KEY_PERMISSIONS, KEY_PRESETS, PERSONAL_PERMISSIONS, Permission
from config.kernel.principals import SYSTEM, Principal, StaffPrincipal, UserPrincipal
from keys import events
from keys.credentials import generate
from keys.models import Key
from projects.models import Project
from projects.services.projects import locked_project

LONGEST_OVERLAP = timedelta(days=30)
MOST_ADDRESSES = 50
METADATA_ITEMS = 50


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
    note: str = "",
    metadata: dict[str, Any] | None = None,
) -> tuple[Key, str]:
    """A new key and its plaintext, which is shown this once.

    `permissions` is a preset's name or a list; secret keys get `runner` when nothing is said, publishable keys have
    none. `holder` is what the actor may do in the project: a key never gets a person's permission its maker lacks.
    Raises Absent, Conflict for an archived project, Invalid, Forbidden.
    """
    project = locked_project(project_id)
    require_active(project)
    chosen = chosen_permissions(actor=actor, kind=kind, permissions=permissions, holder=holder)
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid.field("expires_at", "Choose a time in the future.")
    if kind == Key.Kind.PUBLISHABLE and allowed_ips:
        raise Invalid.field("allowed_ips", "Publishable keys are used from browsers: lock them to domains instead.")
    if len(metadata or {}) > METADATA_ITEMS:
        raise Invalid.field("metadata", f"Keep at most {METADATA_ITEMS} entries.")
    key, plaintext = _new(
        actor=actor,
        project=project,
        kind=kind,
        mode=mode,
        name=name,
        note=note,
        permissions=chosen,
        allowed_ips=checked_networks(allowed_ips or []),
        metadata=metadata or {},
        expires_at=expires_at,
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


def chosen_permissions(
    *, actor: Principal, kind: str, permissions: str | list[str] | None, holder: frozenset[Permission]
) -> list[str]:
    """The permissions a new key or agent gets, sorted. Raises Invalid, Forbidden.

    A person gives of the permissions of people only their own; a program gives nothing that it has not.
    """
    if kind == Key.Kind.PUBLISHABLE:
        if permissions:
            raise Invalid.field("permissions", "Publishable keys are public and have no permissions.")
        return []
    if permissions is None:
        permissions = "runner"
    if isinstance(permissions, str):
        if permissions not in KEY_PRESETS:
            raise Invalid.field("permissions", f"Choose a preset ({', '.join(KEY_PRESETS)}) or a list of permissions.")
        chosen = KEY_PRESETS[permissions]
    else:
        unknown = sorted(set(permissions) - {permission.value for permission in KEY_PERMISSIONS})
        if unknown:
            raise Invalid.field("permissions", f"Not a permission of keys: {', '.join(unknown)}.")
        chosen = frozenset(map(Permission, permissions))
    person = isinstance(actor, UserPrincipal | StaffPrincipal) or actor == SYSTEM
    bounded = chosen & PERSONAL_PERMISSIONS if person else chosen
    beyond = sorted(bounded - holder)
    if beyond:
        raise Forbidden(f"You may not give what you may not do yourself: {', '.join(beyond)}.")
    return sorted(chosen)


def checked_networks(networks: list[str]) -> list[str]:
    """CIDR networks in their canonical spelling. Raises Invalid."""
    if len(networks) > MOST_ADDRESSES:
        raise Invalid.field("allowed_ips", f"Name at most {MOST_ADDRESSES} networks.")
    unreadable = Invalid.field("allowed_ips", "Write addresses or networks such as 203.0.113.0/24.")
    if any("%" in network for network in networks):  # a scope zone (RFC 4007) means nothing on another machine
        raise unreadable
    try:
        return sorted({str(ipaddress.ip_network(network, strict=False)) for network in networks})
    except ValueError:
        raise unreadable from None


def locked_key(*, project_id: UUID, reference: str) -> Key:
    """The key of that project, locked. Raises Absent, also for a key of another project."""
    key = Key.objects.select_for_update(of=("self",)).of_project(project_id).by_reference(reference)
    if key is None:
        raise Absent
    return key


@transaction.atomic
def update_key(
    *, actor: Principal, project_id: UUID, key: str, name: str | None = None, note: str | None = None
) -> Key:
    """Changes name or note. `key` is the public id. Raises Absent."""
    row = locked_key(project_id=project_id, reference=key)
    changes: dict[str, list[str]] = {}
    if name is not None and name != row.name:
        changes["name"] = [row.name, name]
        row.name = name
    if note is not None and note != row.note:
        changes["note"] = [row.note, note]
        row.note = note
    if changes:
        row.save(update_fields=["name", "note", "updated_at"])
        record(events.KEY_UPDATED, actor=actor, target=key_target(row), data={"changes": changes})
    return row


@transaction.atomic
def rotate_key(
    *, actor: Principal, holder: frozenset[Permission], project_id: UUID, key: str, overlap: timedelta
) -> tuple[Key, str]:
    """A new key in place of `key`, which lives on for `overlap` (0 to 30 days). Only this key is touched.

    Raises Absent, Conflict for a key that no longer works, Invalid for the overlap, Forbidden when the key may do
    more than the actor.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise Invalid.field("overlap_seconds", f"Choose 0 to {int(LONGEST_OVERLAP.total_seconds())} seconds (30 days).")
    project = locked_project(project_id)
    require_active(project)
    old = locked_key(project_id=project_id, reference=key)
    if old.state != Key.State.ACTIVE:
        raise Conflict("This key no longer works: create a new one instead.", code="key_inactive")
    chosen_permissions(actor=actor, kind=old.kind, permissions=list(old.permissions), holder=holder)
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
        expires_at=old.expires_at,
        replaces=old,
    )
    end = timezone.now() + overlap
    if overlap:
        end = min(old.expires_at, end) if old.expires_at else end
        old.expires_at = end
    else:
        old.revoked_at = end
    old.save(update_fields=["expires_at", "revoked_at", "updated_at"])
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


@transaction.atomic
def revoke_key(*, actor: Principal, project_id: UUID, key: str) -> Key:
    """Ends a key at once. Doing so twice is no error. Raises Absent."""
    row = locked_key(project_id=project_id, reference=key)
    if row.revoked_at is None:
        row.revoked_at = timezone.now()
        row.save(update_fields=["revoked_at", "updated_at"])
        record(events.KEY_REVOKED, actor=actor, target=key_target(row), data={"project": row.project.public_id})
    return row
