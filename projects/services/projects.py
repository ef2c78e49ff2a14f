"""Projects: create, rename, archive, restore; roles of their own that members have in one."""

from uuid import UUID

from django.db import IntegrityError, transaction

from audit.services import Target, record
from config.kernel.errors import Absent, Conflict, Forbidden
from config.kernel.principals import Principal, StaffPrincipal
from config.kernel.slugs import require_slug
from projects import events
from projects.models import Project, Resource
from projects.resource_names import OWN_SERVICE, PROJECT_KIND


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
    """Makes a project in the organization in scope, and registers it. Raises Invalid, Conflict for the slug."""
    require_slug(slug)
    try:
        with transaction.atomic():
            project = Project.objects.create(name=name, slug=slug)
    except IntegrityError:
        raise slug_taken() from None
    Resource.objects.create(project=project, service=OWN_SERVICE, kind=PROJECT_KIND, name=project.public_id)
    record(events.PROJECT_CREATED, actor=actor, target=project_target(project), data={"slug": slug})
    return project


@transaction.atomic
def update_project(
    *,
    actor: Principal,
    project_id: UUID,
    name: str | None = None,
    slug: str | None = None,
    unregistered_domains: str | None = None,
) -> Project:
    """Changes name, slug, or what pages of unregistered domains get. Raises Absent, Invalid, Conflict."""
    project = locked_project(project_id)
    changes: dict[str, list[str]] = {}
    if name is not None and name != project.name:
        changes["name"] = [project.name, name]
        project.name = name
    if slug is not None and slug != project.slug:
        require_slug(slug)
        changes["slug"] = [project.slug, slug]
        project.slug = slug
    if unregistered_domains is not None and unregistered_domains != project.unregistered_domains:
        changes["unregistered_domains"] = [project.unregistered_domains, unregistered_domains]
        project.unregistered_domains = Project.UnregisteredDomains(unregistered_domains)
    if not changes:
        return project
    try:
        with transaction.atomic():
            project.save(update_fields=["name", "slug", "unregistered_domains", "updated_at"])
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
def set_system(*, actor: StaffPrincipal, project_id: UUID, is_system: bool) -> Project:
    """Exempts a project's hosts from the plan's limit of domains, or ends that. For the operator's staff only."""
    if not isinstance(actor, StaffPrincipal):
        raise Forbidden("Only the operator makes a project one of the system.")
    project = locked_project(project_id)
    if project.is_system != is_system:
        changes = {"is_system": [project.is_system, is_system]}
        project.is_system = is_system
        project.save(update_fields=["is_system", "updated_at"])
        record(events.PROJECT_UPDATED, actor=actor, target=project_target(project), data={"changes": changes})
    return project


def locked_project(project_id: UUID) -> Project:
    """The project of the organization in scope, locked. Raises Absent."""
    project = Project.objects.select_for_update().filter(id=project_id).first()
    if project is None:
        raise Absent
    return project
