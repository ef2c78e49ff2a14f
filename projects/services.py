"""Projects: create, rename, archive, restore; roles of their own that members have in one."""

from uuid import UUID

from django.db import IntegrityError, transaction

from audit.services import Target, record
from config.kernel.errors import Absent, Conflict, Forbidden, Invalid
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.principals import Principal
from config.kernel.slugs import require_slug
from orgs.services.authority import lock_organization, require_authority_over
from orgs.services.members import member_of, require_manager
from orgs.services.targets import member_target
from projects import events
from projects.models import PROJECT_ROLES, Project, ProjectMembership


def project_target(project: Project) -> Target:
    """How a project is named in the ledger."""
    return Target("project", project.public_id, project.name)


def slug_taken() -> Conflict:
    """The one answer to a slug that another project of the organization has."""
    return Conflict(
        "Another project has this slug: choose another one.", code="slug_taken", errors={"slug": ["Taken."]}
    )


@transaction.atomic
def create_project(*, actor: Principal, name: str, slug: str) -> Project:
    """Makes a project in the organization in scope. Raises Invalid, Conflict for the slug."""
    require_slug(slug)
    try:
        with transaction.atomic():
            project = Project.objects.create(name=name, slug=slug)
    except IntegrityError:
        raise slug_taken() from None
    record(events.PROJECT_CREATED, actor=actor, target=project_target(project), data={"slug": slug})
    return project


@transaction.atomic
def update_project(*, actor: Principal, project_id: UUID, name: str | None = None, slug: str | None = None) -> Project:
    """Changes name or slug. Raises Absent, Invalid, Conflict."""
    project = locked_project(project_id)
    changes: dict[str, list[str]] = {}
    if name is not None and name != project.name:
        changes["name"] = [project.name, name]
        project.name = name
    if slug is not None and slug != project.slug:
        require_slug(slug)
        changes["slug"] = [project.slug, slug]
        project.slug = slug
    if not changes:
        return project
    try:
        with transaction.atomic():
            project.save(update_fields=["name", "slug", "updated_at"])
    except IntegrityError:
        raise slug_taken() from None
    record(events.PROJECT_UPDATED, actor=actor, target=project_target(project), data={"changes": changes})
    return project


@transaction.atomic
def archive_project(*, actor: Principal, project_id: UUID) -> Project:
    """Refuses the project's keys from now on. Doing so twice is no error."""
    project = locked_project(project_id)
    if project.is_active:
        project.status = Project.Status.ARCHIVED
        project.save(update_fields=["status", "updated_at"])
        record(events.PROJECT_ARCHIVED, actor=actor, target=project_target(project))
    return project


@transaction.atomic
def restore_project(*, actor: Principal, project_id: UUID) -> Project:
    """Ends archive_project."""
    project = locked_project(project_id)
    if not project.is_active:
        project.status = Project.Status.ACTIVE
        project.save(update_fields=["status", "updated_at"])
        record(events.PROJECT_RESTORED, actor=actor, target=project_target(project))
    return project


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


def locked_project(project_id: UUID) -> Project:
    """The project of the organization in scope, locked. Raises Absent."""
    project = Project.objects.select_for_update().filter(id=project_id).first()
    if project is None:
        raise Absent
    return project
