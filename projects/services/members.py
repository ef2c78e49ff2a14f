"""Roles of their own that members have in one project."""

from uuid import UUID

from django.db import transaction

from audit.services import record
from config.kernel.errors import Absent, Forbidden, Invalid
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.principals import Principal
from orgs.services.authority import lock_organization, require_authority_over
from orgs.services.members import member_of, require_manager
from orgs.services.targets import member_target
from projects import events
from projects.models import PROJECT_ROLES, ProjectMembership
from projects.services.projects import locked_project


@transaction.atomic
def set_project_role(*, actor: Principal, project_id: UUID, user_id: UUID, role: str) -> ProjectMembership:
    """Gives a member another role in one project. Raises Absent, Invalid, Forbidden above the actor's own role."""
    if role not in PROJECT_ROLES:
        raise Invalid.field("role", f"Choose one of {', '.join(PROJECT_ROLES)}.")
    lock_organization()
    require_manager(actor)
    project, membership = locked_project(project_id), member_of(user_id)
    if membership.role == Role.OWNER:
        raise Forbidden("An owner is an owner in every project.")
    require_authority_over(actor, membership.permissions)
    require_authority_over(actor, ROLE_PERMISSIONS[Role(role)])
    row, _ = ProjectMembership.objects.update_or_create(project=project, membership=membership, defaults={"role": role})
    record(
        events.PROJECT_ROLE_SET,
        actor=actor,
        target=member_target(membership),
        data={"project": project.public_id, "role": role},
    )
    return row


@transaction.atomic
def clear_project_role(*, actor: Principal, project_id: UUID, user_id: UUID) -> None:
    """Lets a member's organization role hold in the project again. Raises Absent, Forbidden."""
    lock_organization()
    require_manager(actor)
    project, membership = locked_project(project_id), member_of(user_id)
    require_authority_over(actor, membership.permissions)
    row = ProjectMembership.objects.filter(project=project, membership=membership).first()
    if row is None:
        raise Absent
    role = row.role
    row.delete()
    record(
        events.PROJECT_ROLE_CLEARED,
        actor=actor,
        target=member_target(membership),
        data={"project": project.public_id, "role": role},
    )
