"""The registry of resources: register and deregister. Both can be repeated without harm.

A project's program works inside its project: it registers and deregisters what is that project's, and nothing else.
"""

import re
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from audit.services import Target, record
from config.kernel.errors import Absent, Conflict, Forbidden, Invalid
from config.kernel.identifiers import public_id
from config.kernel.principals import Principal, ProgramPrincipal
from config.kernel.tenancy.scope import require_organization_id
from projects import events
from projects.models import Project, Resource
from projects.models.resource import SCOPE_LENGTH
from projects.resource_names import KIND, OWN_SERVICE, SERVICE, ResourceName, is_name

MOST_SCOPES = 50
SCOPE = re.compile(rf"\A[a-z][a-z0-9_.:-]{{0,{SCOPE_LENGTH - 1}}}\Z")


class ResourceTaken(Conflict):
    """The name belongs to what the caller's project does not own."""

    code = "resource_taken"
    title = "Resource taken"
    detail = "This name is registered outside of your project: choose another one."


def resource_target(resource: Resource) -> Target:
    """How a resource is named in the ledger."""
    return Target("resource", resource.public_id, str(resource))


@transaction.atomic
def register_resource(
    *,
    actor: Principal,
    service: str,
    kind: str,
    name: str,
    scopes: Sequence[str] = (),
    project_id: UUID | None = None,
) -> Resource:
    """Registers a resource in the organization in scope; one that is there gets these scopes and this project.

    Without `project_id` it is the whole organization's; a program's is always its own project's. Raises Invalid,
    Absent for the project, ResourceTaken.
    """
    require_names(service=service, kind=kind, name=name)
    chosen = checked_scopes(scopes)
    if isinstance(actor, ProgramPrincipal):
        if project_id not in (None, actor.project_id):
            raise Absent
        project_id = actor.project_id
    if project_id is not None and not Project.objects.filter(id=project_id).exists():
        raise Absent
    resource, created = Resource.objects.select_for_update().get_or_create(
        service=service, kind=kind, name=name, defaults={"scopes": chosen, "project_id": project_id}
    )
    if created:
        record(
            events.RESOURCE_REGISTERED,
            actor=actor,
            target=resource_target(resource),
            data={"trn": resource.trn, "scopes": chosen, "project": project_name(resource)},
        )
        return resource
    if isinstance(actor, ProgramPrincipal) and resource.project_id != project_id:
        raise ResourceTaken
    return _update(actor=actor, resource=resource, scopes=chosen, project_id=project_id)


def _update(*, actor: Principal, resource: Resource, scopes: list[str], project_id: UUID | None) -> Resource:
    changes: dict[str, list[object]] = {}
    if resource.scopes != scopes:
        changes["scopes"] = [resource.scopes, scopes]
        resource.scopes = scopes
    if resource.project_id != project_id:
        before = project_name(resource)
        resource.project_id = project_id
        resource.project = None if project_id is None else Project.objects.get(id=project_id)
        changes["project"] = [before, project_name(resource)]
    if changes:
        resource.save(update_fields=["scopes", "project", "updated_at"])
        record(
            events.RESOURCE_UPDATED,
            actor=actor,
            target=resource_target(resource),
            data={"trn": resource.trn, "changes": changes, "project": project_name(resource)},
        )
    return resource


@transaction.atomic
def deregister_resource(*, actor: Principal, resource: ResourceName) -> None:
    """Takes a resource out of the registry of the organization in scope. One that is not there is no error.

    Raises Absent for a name of another organization, Forbidden for what is Tenantry's own.
    """
    if resource.organization_id != require_organization_id():
        raise Absent
    if resource.service == OWN_SERVICE:
        raise Forbidden("Tenantry registers its own resources: archive the project instead.", code="own_resource")
    rows = Resource.objects.select_for_update().named(resource)
    if isinstance(actor, ProgramPrincipal):
        rows = rows.filter(project_id=actor.project_id)
    row = rows.first()
    if row is None:
        return
    target, data = resource_target(row), {"trn": str(resource), "project": project_name(row)}
    row.delete()
    record(events.RESOURCE_DEREGISTERED, actor=actor, target=target, data=data)


def project_name(resource: Resource) -> str | None:
    """The public id of its project; None for the whole organization."""
    return public_id("prj", resource.project_id) if resource.project_id else None


def require_names(*, service: str, kind: str, name: str) -> None:
    """Raises Invalid for what a resource cannot be called."""
    if service == OWN_SERVICE:
        raise Invalid.field("service", "Tenantry registers its own resources by itself: use your product's name.")
    if not SERVICE.match(service):
        raise Invalid.field("service", "Use up to 40 lower-case letters, digits and hyphens, beginning with a letter.")
    if not KIND.match(kind):
        raise Invalid.field(
            "kind", "Use up to 40 lower-case letters, digits, hyphens and underscores, beginning with a letter."
        )
    if not is_name(name):
        raise Invalid.field(
            "name",
            "Use up to 200 letters, digits and . _ ~ @ + = : / -, and between slashes nothing empty, . or .. alone.",
        )


def checked_scopes(scopes: Sequence[str]) -> list[str]:
    """The scopes, each once, sorted. Raises Invalid."""
    chosen = sorted(set(scopes))
    if len(chosen) > MOST_SCOPES:
        raise Invalid.field("scopes", f"Name at most {MOST_SCOPES} scopes.")
    if not all(SCOPE.match(scope) for scope in chosen):
        raise Invalid.field(
            "scopes", f"Use up to {SCOPE_LENGTH} lower-case letters, digits and _ . : -, beginning with a letter."
        )
    return chosen
