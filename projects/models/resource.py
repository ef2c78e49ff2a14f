"""What products registered as theirs, so that decisions can name it."""

from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.principals import Principal, ProgramPrincipal
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet
from config.kernel.tenancy.scope import current_organization_id
from projects.models.project import Project
from projects.resource_names import KIND_LENGTH, NAME_LENGTH, SERVICE_LENGTH, ResourceName, parse, trn

SCOPE_LENGTH = 64


class ResourceQuerySet(TenantQuerySet["Resource"]):
    """Reads of registered resources."""

    def named(self, name: ResourceName) -> "ResourceQuerySet":
        """The one of that name. The organization in the name must be the one in scope."""
        if name.organization_id != current_organization_id():
            return self.none()
        return self.filter(service=name.service, kind=name.kind, name=name.name)

    def by_reference(self, reference: str) -> "Resource | None":
        """By trn or public id; None for what does not parse, as for what does not exist."""
        name = parse(reference)
        if name:
            return self.named(name).first()
        resource_id = parse_public_id("res", reference)
        return self.filter(id=resource_id).first() if resource_id else None

    def matching(self, *, service: str = "", kind: str = "", project: UUID | None = None) -> "ResourceQuerySet":
        """Narrowed by each value that is given."""
        wanted = {"service": service, "kind": kind, "project_id": project}
        return self.filter(**{name: value for name, value in wanted.items() if value})

    def visible_to(self, principal: Principal) -> "ResourceQuerySet":
        """All of the organization; to a project's program its own project's, and those of no project."""
        if not isinstance(principal, ProgramPrincipal):
            return self
        return self.filter(models.Q(project_id=principal.project_id) | models.Q(project_id=None))

    def services(self) -> list[str]:
        """The services that registered anything."""
        return list(self.order_by("service").values_list("service", flat=True).distinct())


class Resource(TenantModel):
    """A registered resource, of the whole organization or of one project.

    `scopes` are a product's own words for what can be done with it; Tenantry keeps them and decides by permissions.
    """

    project = TenantForeignKey(Project, models.CASCADE, null=True, blank=True, related_name="resources")
    service = models.CharField(max_length=SERVICE_LENGTH)
    kind = models.CharField(max_length=KIND_LENGTH)
    name = models.CharField(max_length=NAME_LENGTH)
    scopes = ArrayField(models.CharField(max_length=SCOPE_LENGTH), default=list, blank=True)

    objects: ClassVar = TenantManager.from_queryset(ResourceQuerySet)()

    class Meta:
        db_table = "projects_resource"
        constraints = [
            models.UniqueConstraint(fields=["org_id", "service", "kind", "name"], name="projects_resource_name")
        ]
        indexes = [
            models.Index(fields=["org_id", "service", "-id"], name="projects_resource_by_service"),
            models.Index(fields=["org_id", "kind", "-id"], name="projects_resource_by_kind"),
            models.Index(fields=["org_id", "project", "-id"], name="projects_resource_by_project"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def public_id(self) -> str:
        """`res_…`."""
        return public_id("res", self.id)

    @property
    def trn(self) -> str:
        """`trn:tenantry:…`, by which decisions name it."""
        return trn(self.service, self.org_id, self.kind, self.name)
