"""The hosts whose pages use a project's publishable keys: those registered, and those seen without being so."""

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet
from projects.hosts import LONGEST_HOST, WILDCARD, patterns_for
from projects.models.project import Project

LONGEST_PATTERN = LONGEST_HOST + len(WILDCARD)
# A host that was noted within this time is not noted again.
NOTED_RECENTLY = timedelta(minutes=10)


class DomainQuerySet(TenantQuerySet["Domain"]):
    """Reads of registered domains."""

    def of_project(self, project_id: UUID) -> "DomainQuerySet":
        """One project's."""
        return self.filter(project_id=project_id)

    def standing_for(self, host: str) -> "DomainQuerySet":
        """Those whose pattern stands for a normalised host."""
        return self.filter(pattern__in=patterns_for(host))

    def by_reference(self, reference: str) -> "Domain | None":
        """By public id; None for what does not parse, as for what does not exist."""
        domain_id = parse_public_id("dom", reference)
        return self.filter(id=domain_id).first() if domain_id else None

    def counted(self) -> "DomainQuerySet":
        """Those that the plan's limit counts: not of system projects, and not the browsers' own machines."""
        return self.filter(is_loopback=False, project__is_system=False)


class Domain(TenantModel):
    """A registered pattern, as `projects.hosts.pattern_of` writes it."""

    project = TenantForeignKey(Project, models.CASCADE, related_name="domains")
    pattern = models.CharField(max_length=LONGEST_PATTERN)
    is_loopback = models.BooleanField(help_text="This machine's own name: for test keys only, and not counted.")
    created_by = models.CharField(max_length=80)

    objects: ClassVar = TenantManager.from_queryset(DomainQuerySet)()

    class Meta:
        db_table = "projects_domain"
        constraints = [models.UniqueConstraint(fields=["org_id", "project", "pattern"], name="projects_domain_once")]
        indexes = [models.Index(fields=["org_id", "project", "-id"], name="projects_domain_newest")]

    def __str__(self) -> str:
        return self.pattern

    @property
    def public_id(self) -> str:
        """`dom_…`."""
        return public_id("dom", self.id)


class SeenDomainQuerySet(TenantQuerySet["SeenDomain"]):
    """Reads of hosts that were seen."""

    def of_project(self, project_id: UUID) -> "SeenDomainQuerySet":
        """One project's."""
        return self.filter(project_id=project_id)

    def by_reference(self, reference: str) -> "SeenDomain | None":
        """By public id; None for what does not parse, as for what does not exist."""
        seen_id = parse_public_id("seen", reference)
        return self.filter(id=seen_id).first() if seen_id else None

    def counted(self) -> "SeenDomainQuerySet":
        """Those that the plan's limit counts."""
        return self.filter(is_loopback=False, project__is_system=False)


class SeenDomain(TenantModel):
    """A host from which a publishable key was used without being registered; `created_at` is when first.

    `count` grows once in NOTED_RECENTLY at most, so that a busy page costs no write for each request.
    """

    project = TenantForeignKey(Project, models.CASCADE, related_name="seen_domains")
    host = models.CharField(max_length=LONGEST_HOST)
    is_loopback = models.BooleanField()
    last_seen_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)

    objects: ClassVar = TenantManager.from_queryset(SeenDomainQuerySet)()

    class Meta:
        db_table = "projects_seen_domain"
        constraints = [models.UniqueConstraint(fields=["org_id", "project", "host"], name="projects_seen_domain_once")]
        indexes = [models.Index(fields=["org_id", "project", "-id"], name="projects_seen_domain_newest")]

    def __str__(self) -> str:
        return self.host

    @property
    def public_id(self) -> str:
        """`seen_…`."""
        return public_id("seen", self.id)


def hosts_counted() -> int:
    """How many different hosts of the organization in scope count towards its plan's limit, in one query."""
    registered = Domain.objects.counted().values_list("pattern")
    return registered.union(SeenDomain.objects.counted().values_list("host")).count()


def is_counted(host: str) -> bool:
    """Whether a host is among `hosts_counted` already, in one query or two."""
    registered, seen = Domain.objects.counted(), SeenDomain.objects.counted()
    return registered.filter(pattern=host).exists() or seen.filter(host=host).exists()
