"""What an actor may do to other people's roles, judged on the rows as they are now, not as the request saw them."""

from uuid import UUID

from config.kernel.errors import Absent, Forbidden
from config.kernel.permissions import PERSONAL_PERMISSIONS, ROLE_PERMISSIONS, Permission, Role, may_assign
from config.kernel.principals import SYSTEM, Principal, StaffPrincipal, UserPrincipal
from config.kernel.tenancy.scope import require_organization_id
from orgs.models import CustomRole, Membership, Organization


def lock_organization() -> Organization:
    """The organization in scope, locked: changes of its people happen one after the other.

    The trigger that keeps the last owner takes the same lock, so nothing can go past it.
    """
    return Organization.objects.select_for_update().get(id=require_organization_id())


def permissions_of(actor: Principal) -> frozenset[Permission]:
    """What the actor may do in the organization in scope: staff and Tenantry itself everything, programs nothing."""
    if isinstance(actor, UserPrincipal):
        membership = Membership.objects.of_user(actor.user_id).select_related("custom_role").first()
        held = membership.permissions if membership else frozenset()
        return held & actor.allowed if actor.allowed is not None else held
    if isinstance(actor, StaffPrincipal) or actor == SYSTEM:
        return PERSONAL_PERMISSIONS
    return frozenset()


def require_authority_over(actor: Principal, assigned: frozenset[Permission]) -> None:
    """Raises Forbidden unless everything in `assigned` is the actor's own: nobody reaches above themselves."""
    if not may_assign(holder=permissions_of(actor), assigned=assigned):
        raise Forbidden("That role may do more than yours: ask somebody with a higher role.")


def role_from(*, role: str, custom_role_id: UUID | None) -> tuple[Role, CustomRole | None, frozenset[Permission]]:
    """The role asked for, with its permissions. Raises Absent for a custom role that is not here."""
    if custom_role_id is None:
        built_in = Role(role)
        return built_in, None, ROLE_PERMISSIONS[built_in]
    custom_role = CustomRole.objects.filter(id=custom_role_id).first()
    if custom_role is None:
        raise Absent
    return Role.CUSTOM, custom_role, custom_role.permission_set
