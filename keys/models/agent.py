"""Agents: named programs of one project that carry short tokens and renew them by themselves."""

from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.permissions import KEY_PERMISSIONS, Permission
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet

SHORTEST_LIFETIME = 60
LONGEST_LIFETIME = 24 * 3600
LIFETIME = 3600


class AgentQuerySet(TenantQuerySet["Agent"]):
    """Reads of agents."""

    def of_project(self, project_id: UUID) -> "AgentQuerySet":
        """One project's."""
        return self.filter(project_id=project_id)

    def in_state(self, state: "Agent.State | str") -> "AgentQuerySet":
        """Those that are in that state now."""
        if state == Agent.State.REVOKED:
            return self.exclude(revoked_at=None)
        return self.filter(revoked_at=None, enrolled_at__isnull=state == Agent.State.WAITING)

    def by_reference(self, reference: str) -> "Agent | None":
        """By public id; None for what does not parse, as for what does not exist."""
        agent_id = parse_public_id("agt", reference)
        return self.filter(id=agent_id).first() if agent_id else None


class Agent(TenantModel):
    """A named agent of a project. Its tokens say only who it is; what it may is read from here at each request.

    `generation` counts its enrolments: a token of an earlier one is refused.
    """

    class State(models.TextChoices):
        """WAITING has never been enrolled."""

        WAITING = "waiting"
        ENROLLED = "enrolled"
        REVOKED = "revoked"

    project = TenantForeignKey("projects.Project", models.CASCADE, related_name="agents")
    name = models.CharField(max_length=120)
    permissions = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    token_lifetime_seconds = models.PositiveIntegerField(default=LIFETIME)
    generation = models.PositiveIntegerField(default=0)
    enrolment_digest = models.BinaryField(max_length=32, unique=True)
    enrolment_expires_at = models.DateTimeField()
    enrolment_used_at = models.DateTimeField(null=True, blank=True)
    enrolled_at = models.DateTimeField(null=True, blank=True)
    last_renewed_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=80)

    objects: ClassVar = TenantManager.from_queryset(AgentQuerySet)()

    class Meta:
        db_table = "keys_agent"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    token_lifetime_seconds__gte=SHORTEST_LIFETIME, token_lifetime_seconds__lte=LONGEST_LIFETIME
                ),
                name="keys_agent_token_lifetime",
            ),
            models.UniqueConstraint(
                fields=["org_id", "project", "name"],
                condition=models.Q(revoked_at=None),
                name="keys_agent_name_once",
            ),
        ]
        indexes = [models.Index(fields=["org_id", "project", "-id"], name="keys_agent_by_project")]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """`agt_…`."""
        return public_id("agt", self.id)

    @property
    def state(self) -> "Agent.State":
        """What it is now."""
        if self.revoked_at:
            return self.State.REVOKED
        return self.State.ENROLLED if self.enrolled_at else self.State.WAITING

    @property
    def enrolment_is_open(self) -> bool:
        """Whether its enrolment token can still be exchanged."""
        return self.revoked_at is None and self.enrolment_used_at is None and self.enrolment_expires_at > timezone.now()

    @property
    def permission_set(self) -> frozenset[Permission]:
        """The permissions; a name that is no longer known grants nothing."""
        return frozenset(permission for permission in KEY_PERMISSIONS if permission.value in self.permissions)
