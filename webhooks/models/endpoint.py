"""Endpoints: the addresses that an organization has its events sent to, and how they fare."""

from datetime import datetime
from typing import ClassVar
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.sealed import SealedField
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet

MOST_PATTERNS = 50
MOST_HEADERS = 10


class EndpointQuerySet(TenantQuerySet["Endpoint"]):
    """Reads of endpoints."""

    def enabled(self) -> "EndpointQuerySet":
        """Those that events are sent to."""
        return self.filter(state=Endpoint.State.ENABLED)

    def to_mail_by(self, now: datetime) -> "EndpointQuerySet":
        """Those that were disabled by themselves, and nobody was mailed of it yet."""
        return self.filter(disabled_mail_due_at__lte=now)

    def standing_since(self, moment: datetime) -> "EndpointQuerySet":
        """Those with a replay in progress that has not moved after `moment`."""
        return self.filter(replay_moved_at__lte=moment)

    def by_reference(self, reference: str) -> "Endpoint | None":
        """By public id; None for what does not parse, as for what does not exist."""
        endpoint_id = parse_public_id("whe", reference)
        return self.select_related("project").filter(id=endpoint_id).first() if endpoint_id else None


class Endpoint(TenantModel):
    """An address with the events that are sent to it: all of the organization's, or those of one project.

    `events` are names, or patterns: `key.*` for every event of a noun, `*` for all. Deliveries are signed with `secret`
    (`whsec_…`) and until `previous_secret_ends_at` with the one before, too; with `signing_key` (Ed25519) if there is
    one.

    While a replay is in progress it goes on with the event `replay_from`, or the next there is, up to `replay_until`.
    """

    class State(models.TextChoices):
        """Whether events are sent to it."""

        ENABLED = "enabled"
        DISABLED = "disabled"

    class Cause(models.TextChoices):
        """Why it is disabled."""

        BY_HAND = "by_hand", "Somebody disabled it."
        GONE = "gone", "It answered 410 Gone."
        FAILING = "failing", "Every attempt of five days failed."

    project = TenantForeignKey(
        "projects.Project", models.CASCADE, db_index=False, null=True, blank=True, related_name="+"
    )
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=200, blank=True)
    events = ArrayField(models.CharField(max_length=80))
    state = models.CharField(max_length=10, choices=State.choices, default=State.ENABLED)
    disabled_cause = models.CharField(max_length=10, choices=Cause.choices, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_mail_due_at = models.DateTimeField(
        null=True, blank=True, help_text="From when on its managers are to be mailed; none once they are."
    )
    secret = SealedField(help_text="`whsec_` and base64.")
    previous_secret = SealedField(null=True)
    previous_secret_ends_at = models.DateTimeField(null=True, blank=True)
    signing_key = SealedField(null=True, help_text="The private Ed25519 key of `v1a`: `whsk_` and base64.")
    verifying_key = models.CharField(max_length=80, blank=True, help_text="Its public half: `whpk_` and base64.")
    headers = SealedField(null=True, help_text="Headers that go along, as a JSON object.")
    header_names = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="The first failed attempt after which none succeeded."
    )
    held_until = models.DateTimeField(null=True, blank=True, help_text="It asked for patience (Retry-After).")
    replay_from = models.UUIDField(null=True, blank=True)
    replay_until = models.UUIDField(null=True, blank=True)
    replay_moved_at = models.DateTimeField(
        null=True, blank=True, help_text="When the replay in progress came forward, or was asked for once more."
    )
    created_by = models.CharField(max_length=80)

    objects: ClassVar = TenantManager.from_queryset(EndpointQuerySet)()

    class Meta:
        db_table = "webhook_endpoint"
        indexes = [
            # Asked for every event that is recorded, by the trigger that fills the outbox.
            models.Index(fields=["org_id"], condition=models.Q(state="enabled"), name="webhook_endpoint_enabled"),
            models.Index(fields=["project"], name="webhook_endpoint_by_project"),
            models.Index(
                fields=["disabled_mail_due_at"],
                condition=models.Q(disabled_mail_due_at__isnull=False),
                name="webhook_endpoint_to_mail",
            ),
            models.Index(
                fields=["replay_moved_at"],
                condition=models.Q(replay_moved_at__isnull=False),
                name="webhook_endpoint_replaying",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="disabled") ^ models.Q(disabled_cause=""), name="webhook_endpoint_cause"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """`whe_…`."""
        return public_id("whe", self.id)

    @property
    def host(self) -> str:
        """The host of its address. What follows it there may be a secret."""
        return urlsplit(self.url).hostname or ""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.description or self.host

    @property
    def is_enabled(self) -> bool:
        """Whether events are sent to it."""
        return self.state == self.State.ENABLED

    def overlaps_at(self, moment: datetime | None = None) -> bool:
        """Whether the secret before the present one still signs, now or at `moment` (aware)."""
        return self.previous_secret_ends_at is not None and self.previous_secret_ends_at > (moment or timezone.now())


class EndpointHour(TenantModel):
    """What became of the attempts of one endpoint in one hour (UTC), from which its health is told."""

    is_referenced = False

    endpoint = TenantForeignKey(Endpoint, models.CASCADE, db_index=False, related_name="hours")
    hour = models.DateTimeField()
    delivered = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    milliseconds = models.PositiveBigIntegerField(default=0, help_text="Of all attempts together.")
    slowest = models.PositiveIntegerField(default=0, help_text="Milliseconds.")

    class Meta:
        db_table = "webhook_endpoint_hour"
        constraints = [models.UniqueConstraint(fields=["endpoint", "hour"], name="webhook_endpoint_hour_once")]
        indexes = [models.Index(fields=["hour"], name="webhook_endpoint_hour_by_hour")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}h"
