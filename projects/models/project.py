"""Projects."""

from typing import ClassVar

from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.principals import Principal, ProgramPrincipal
from config.kernel.slugs import SLUG, SLUG_LENGTH, validate_slug
from config.kernel.tenancy.models import TenantManager, TenantModel, TenantQuerySet


class ProjectQuerySet(TenantQuerySet["Project"]):
    """Reads of projects."""

    def active(self) -> "ProjectQuerySet":
        """Not archived."""
        return self.filter(status=Project.Status.ACTIVE)

    def matching(self, *, search: str = "", status: str = "") -> "ProjectQuerySet":
        """Narrowed by a part of the name or slug, and by status, where given."""
        rows = self.filter(status=status) if status else self
        return rows.filter(models.Q(name__icontains=search) | models.Q(slug__icontains=search)) if search else rows

    def counts(self) -> dict[str, int]:
        """How many are `active` and `archived`, in one query."""
        active = models.Q(status=Project.Status.ACTIVE)
        return self.aggregate(active=models.Count("id", filter=active), archived=models.Count("id", filter=~active))

    def visible_to(self, principal: Principal) -> "ProjectQuerySet":
        """All of the organization; to a project's program its own only, since the gate calls others absent."""
        return self.filter(id=principal.project_id) if isinstance(principal, ProgramPrincipal) else self

    def by_reference(self, reference: str) -> "Project | None":
        """By public id or slug; None for what does not parse, as for what does not exist."""
        project_id = parse_public_id("prj", reference)
        if project_id:
            return self.filter(id=project_id).first()
        return self.filter(slug=reference).first() if SLUG.match(reference) else None


class Project(TenantModel):
    """A product, or a part of one, that has keys of its own."""

    class Status(models.TextChoices):
        """An archived project's keys are refused, nothing is deleted."""

        ACTIVE = "active"
        ARCHIVED = "archived"

    class UnregisteredDomains(models.TextChoices):
        """What pages of other hosts than the registered ones get: the features of the free plan, or nothing."""

        DOWNGRADE = "downgrade"
        REJECT = "reject"

    name = models.CharField(max_length=120)
    slug = models.CharField(max_length=SLUG_LENGTH, validators=[validate_slug])
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.ACTIVE)
    unregistered_domains = models.CharField(
        max_length=20,
        choices=UnregisteredDomains.choices,
        default=UnregisteredDomains.DOWNGRADE,
        db_default=UnregisteredDomains.DOWNGRADE.value,
    )
    is_system = models.BooleanField(
        default=False, db_default=False, help_text="Its hosts do not count towards the plan's limit of domains."
    )

    objects: ClassVar = TenantManager.from_queryset(ProjectQuerySet)()

    class Meta:
        db_table = "projects_project"
        constraints = [models.UniqueConstraint(fields=["org_id", "slug"], name="projects_project_slug")]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """`prj_…`."""
        return public_id("prj", self.id)

    @property
    def is_active(self) -> bool:
        """Whether its keys are accepted."""
        return self.status == self.Status.ACTIVE
