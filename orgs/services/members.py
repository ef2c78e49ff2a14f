"""Members: change a role, remove, leave, hand over ownership.

Every change locks the organization first, so two people removing each other come one after the other, and the
second finds itself without authority. Below it a trigger refuses to take the last owner, whoever tries.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import IntegrityError, transaction

from audit.services import record
from config.kernel.errors import Absent, Conflict, Forbidden, LastOwner
from config.kernel.events import EventType
from config.kernel.permissions import Permission, Role
from config.kernel.principals import Principal, UserPrincipal
from orgs import events
from orgs.models import Membership, RemovedMember
from orgs.services.authority import lock_organization, permissions_of, require_authority_over, role_from
from orgs.services.targets import member_target

LAST_OWNER_CONSTRAINT = "orgs_membership_last_owner"


@contextmanager
def last_owner_kept() -> Iterator[None]:
    """Turns the trigger's refusal into LastOwner."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if diagnosis is not None and diagnosis.constraint_name == LAST_OWNER_CONSTRAINT:
            raise LastOwner from None
        raise


def member_of(user_id: UUID) -> Membership:
    """The member of the organization in scope, locked. Raises Absent."""
    membership = Membership.objects.select_for_update(of=("self",)).with_people().of_user(user_id).first()
    if membership is None:
        raise Absent
    return membership


def require_manager(actor: Principal) -> None:
    """Raises Forbidden when the actor lost manage_members while the request was on its way."""
    if Permission.MANAGE_MEMBERS not in permissions_of(actor):
        raise Forbidden("You may no longer manage the members of this organization.")


@transaction.atomic
def change_role(*, actor: Principal, user_id: UUID, role: str, custom_role_id: UUID | None = None) -> Membership:
    """Gives a member another role. Raises Absent, Forbidden above the actor's own role, LastOwner."""
    lock_organization()
    require_manager(actor)
    membership = member_of(user_id)
    before = membership.role_name
    require_authority_over(actor, membership.permissions)
    new_role, custom_role, permissions = role_from(role=role, custom_role_id=custom_role_id)
    require_authority_over(actor, permissions)
    if (membership.role, membership.custom_role_id) == (new_role, custom_role.id if custom_role else None):
        return membership
    membership.role, membership.custom_role = new_role, custom_role
    with last_owner_kept():
        membership.save(update_fields=["role", "custom_role", "updated_at"])
    record(
        events.MEMBER_ROLE_CHANGED,
        actor=actor,
        target=member_target(membership),
        data={"changes": {"role": [before, membership.role_name]}},
    )
    return membership


@transaction.atomic
def remove_member(*, actor: Principal, user_id: UUID) -> None:
    """Ends a membership; single sign-on does not bring it back. Whoever removes themselves leaves.

    Raises Absent, Forbidden, LastOwner.
    """
    if isinstance(actor, UserPrincipal) and actor.user_id == user_id:
        leave(actor=actor)
        return
    lock_organization()
    require_manager(actor)
    membership = member_of(user_id)
    require_authority_over(actor, membership.permissions)
    _end(membership, event=events.MEMBER_REMOVED, actor=actor)
    RemovedMember.objects.get_or_create(user_id=user_id)


@transaction.atomic
def leave(*, actor: UserPrincipal) -> None:
    """Ends the actor's own membership. Raises Absent, LastOwner."""
    lock_organization()
    _end(member_of(actor.user_id), event=events.MEMBER_LEFT, actor=actor)


def _end(membership: Membership, *, event: EventType, actor: Principal) -> None:
    target, role = member_target(membership), membership.role_name
    with last_owner_kept():
        membership.delete()
    record(event, actor=actor, target=target, data={"role": role})


@transaction.atomic
def transfer_ownership(*, actor: UserPrincipal, to_user_id: UUID, own_role: str = Role.ADMIN) -> Membership:
    """Makes another member an owner and puts the actor on `own_role`. Raises Forbidden unless the actor is an owner."""
    lock_organization()
    mine = member_of(actor.user_id)
    if mine.role != Role.OWNER or Permission.DELETE_ORG not in permissions_of(actor):
        raise Forbidden("Only an owner can hand the organization over.")
    if to_user_id == actor.user_id:
        raise Conflict("You are an owner already: choose another member.")
    theirs = member_of(to_user_id)
    theirs.role, theirs.custom_role = Role.OWNER, None
    theirs.save(update_fields=["role", "custom_role", "updated_at"])
    mine.role, mine.custom_role = Role(own_role), None
    mine.save(update_fields=["role", "custom_role", "updated_at"])
    record(
        events.OWNERSHIP_TRANSFERRED,
        actor=actor,
        target=member_target(theirs),
        data={"to": theirs.public_id, "role": mine.role},
    )
    return theirs
