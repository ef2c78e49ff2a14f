"""Custom roles: a named set of permissions, never more than whoever writes it has."""

from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from audit.services import record
from config.kernel.errors import Absent, Conflict, Invalid
from config.kernel.permissions import PERSONAL_PERMISSIONS, Permission, Role
from config.kernel.principals import Principal
from orgs import events
from orgs.models import CustomRole, Invitation
from orgs.services.authority import lock_organization, require_authority_over
from orgs.services.members import require_manager
from orgs.services.targets import role_target


def checked_permissions(names: list[str]) -> list[str]:
    """The permissions, sorted. Raises Invalid for a name that people cannot hold."""
    known = {permission.value for permission in PERSONAL_PERMISSIONS}
    unknown = sorted(set(names) - known)
    if unknown:
        raise Invalid.field("permissions", f"Not a permission of people: {', '.join(unknown)}.")
    return sorted(set(names) | {Permission.VIEW_ORG.value})


def _require_free_name(name: str) -> None:
    if name.strip().lower() in {role.value for role in Role}:
        raise Invalid.field("name", "This is the name of a built-in role: choose another one.")


@transaction.atomic
def create_role(*, actor: Principal, name: str, permissions: list[str], description: str = "") -> CustomRole:
    """Writes a role in the organization in scope. Raises Forbidden, Invalid, Conflict. `view_org` is always in it."""
    lock_organization()
    require_manager(actor)
    _require_free_name(name)
    chosen = checked_permissions(permissions)
    require_authority_over(actor, frozenset(map(Permission, chosen)))
    try:
        with transaction.atomic():
            role = CustomRole.objects.create(name=name, description=description, permissions=chosen)
    except IntegrityError:
        raise _name_taken() from None
    record(events.ROLE_CREATED, actor=actor, target=role_target(role), data={"permissions": chosen})
    return role


@transaction.atomic
def update_role(
    *,
    actor: Principal,
    role_id: UUID,
    name: str | None = None,
    permissions: list[str] | None = None,
    description: str | None = None,
) -> CustomRole:
    """Changes a role; whoever has it has the new permissions from the next request on. Raises Absent and as create."""
    lock_organization()
    require_manager(actor)
    role = _role(role_id)
    require_authority_over(actor, role.permission_set)
    changes: dict[str, list] = {}
    if name is not None and name != role.name:
        _require_free_name(name)
        changes["name"] = [role.name, name]
        role.name = name
    if description is not None and description != role.description:
        changes["description"] = [role.description, description]
        role.description = description
    if permissions is not None:
        chosen = checked_permissions(permissions)
        require_authority_over(actor, frozenset(map(Permission, chosen)))
        if chosen != role.permissions:
            changes["permissions"] = [role.permissions, chosen]
            role.permissions = chosen
    if not changes:
        return role
    try:
        with transaction.atomic():
            role.save()
    except IntegrityError:
        raise _name_taken() from None
    record(events.ROLE_UPDATED, actor=actor, target=role_target(role), data={"changes": changes})
    return role


@transaction.atomic
def delete_role(*, actor: Principal, role_id: UUID) -> None:
    """Deletes a role that nobody has. Raises Absent, Forbidden, Conflict while somebody has it or is invited to it.

    Invitations that were accepted or revoked go with it; the ledger keeps them.
    """
    lock_organization()
    require_manager(actor)
    role = _role(role_id)
    require_authority_over(actor, role.permission_set)
    target, permissions = role_target(role), role.permissions
    Invitation.objects.closed().filter(custom_role=role).delete_all()
    try:
        role.delete()
    except ProtectedError:
        raise Conflict("Members or invitations have this role: give them another one first.", code="in_use") from None
    record(events.ROLE_DELETED, actor=actor, target=target, data={"permissions": permissions})


def _role(role_id: UUID) -> CustomRole:
    role = CustomRole.objects.select_for_update().filter(id=role_id).first()
    if role is None:
        raise Absent
    return role


def _name_taken() -> Conflict:
    return Conflict("A role of this name exists: choose another name.", code="name_taken")
