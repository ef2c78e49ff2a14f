"""Keys of projects. Of a secret key only the hash is kept."""

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.permissions import KEY_PERMISSIONS, Permission
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet

# From when on people are told that a key will end.
EXPIRING_SOON = timedelta(days=14)
# For how long a key is not used before people are asked whether it is still needed.
UNUSED_AFTER = timedelta(days=90)


class KeyQuerySet(TenantQuerySet["Key"]):
    """Reads of keys."""

    def of_project(self, project_id: UUID) -> "KeyQuerySet":
        """One project's."""
        return self.filter(project_id=project_id)

    def not_ended(self) -> "KeyQuerySet":
        """Neither revoked nor expired."""
        now = timezone.now()
        return self.filter(models.Q(expires_at=None) | models.Q(expires_at__gt=now), revoked_at=None)

    def usable(self) -> "KeyQuerySet":
        """Neither revoked nor expired nor in quarantine."""
        return self.not_ended().filter(quarantined_at=None)

    def in_state(self, state: "Key.State") -> "KeyQuerySet":
        """Those that are in that state now."""
        if state == Key.State.REVOKED:
            return self.exclude(revoked_at=None)
        if state == Key.State.EXPIRED:
            return self.filter(expires_at__lte=timezone.now(), revoked_at=None)
        if state == Key.State.QUARANTINED:
            return self.not_ended().exclude(quarantined_at=None)
        return self.usable()

    def expiring(self) -> "KeyQuerySet":
        """Those that work and end soon."""
        return self.usable().filter(expires_at__lte=timezone.now() + EXPIRING_SOON)

    def unused(self) -> "KeyQuerySet":
        """Those that work and were not used for UNUSED_AFTER, or never since they were made that long ago."""
        since = timezone.now() - UNUSED_AFTER
        idle = models.Q(uses__isnull=True) | models.Q(uses__last_used_at__lte=since)
        return self.usable().filter(idle, created_at__lte=since)

    def to_notice_of_end(self) -> "KeyQuerySet":
        """Those that end soon and of which nobody was told. Not those that are replaced already, or were made for so
        short a time.
        """
        short = models.Q(expires_at__lte=models.F("created_at") + EXPIRING_SOON)
        return self.expiring().filter(noticed_at=None, replaced_by=None, project__status="active").exclude(short)

    def to_notice_of_disuse(self) -> "KeyQuerySet":
        """Those that are not used, and of which nobody was told since they were used last."""
        told_since = models.Q(idle_noticed_at=None) | models.Q(uses__last_used_at__gt=models.F("idle_noticed_at"))
        return self.unused().filter(told_since, project__status="active")

    def beyond(self, *, longest_lifetime: timedelta | None, is_expiry_required: bool) -> "KeyQuerySet":
        """Those that have not ended and do not fit what a policy demands."""
        unfit = models.Q()
        if is_expiry_required or longest_lifetime is not None:
            unfit |= models.Q(expires_at=None)
        if longest_lifetime is not None:
            unfit |= models.Q(expires_at__gt=models.F("created_at") + longest_lifetime)
        return self.not_ended().filter(unfit) if unfit else self.none()

    def with_use(self) -> "KeyQuerySet":
        """With when and how often each was used; one query more, however many they are."""
        return self.prefetch_related("uses")

    def matching(self, *, mode: str = "", kind: str = "", state: str = "") -> "KeyQuerySet":
        """Narrowed by each value that is given; `state` is active, expiring, unused, leaked or ended."""
        rows = self.filter(**{name: value for name, value in (("mode", mode), ("kind", kind)) if value})
        if state == "active":
            return rows.usable()
        if state == "expiring":
            return rows.expiring()
        if state == "unused":
            return rows.unused()
        if state == "leaked":
            return rows.exclude(leaked_at=None)
        if state == "ended":
            return rows.filter(models.Q(revoked_at__isnull=False) | models.Q(expires_at__lte=timezone.now()))
        return rows

    def counts(self) -> dict[str, int]:
        """How many work (`working`), of them `secret`, `publishable` and `expiring`; one query."""
        soon = models.Q(expires_at__lte=timezone.now() + EXPIRING_SOON)
        return self.usable().aggregate(
            working=models.Count("id"),
            secret=models.Count("id", filter=models.Q(kind=Key.Kind.SECRET)),
            publishable=models.Count("id", filter=models.Q(kind=Key.Kind.PUBLISHABLE)),
            expiring=models.Count("id", filter=soon),
        )

    def by_reference(self, reference: str) -> "Key | None":
        """By public id; None for what does not parse, as for what does not exist."""
        key_id = parse_public_id("key", reference)
        return self.filter(id=key_id).first() if key_id else None


class Key(TenantModel):
    """A publishable (`pk_`) or secret (`sk_`) key of one project, live or test."""

    class Kind(models.TextChoices):
        """A publishable key is public and may do very little; a secret key does what its permissions say."""

        PUBLISHABLE = "publishable"
        SECRET = "secret"  # noqa: S105 - the name of a kind

    class Mode(models.TextChoices):
        """Which of the project's two environments it is for."""

        LIVE = "live"
        TEST = "test"

    class State(models.TextChoices):
        """Whether it still works."""

        ACTIVE = "active"
        EXPIRED = "expired"
        REVOKED = "revoked"
        QUARANTINED = "quarantined"

    project = TenantForeignKey("projects.Project", models.CASCADE, related_name="keys")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    mode = models.CharField(max_length=10, choices=Mode.choices)
    name = models.CharField(max_length=120)
    note = models.CharField(max_length=500, blank=True)
    digest = models.BinaryField(max_length=32, unique=True)
    start = models.CharField(max_length=16)
    plaintext = models.CharField(max_length=80, blank=True, help_text="Publishable keys only: they are public.")
    permissions = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    allowed_ips = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    rate_limit = models.PositiveIntegerField(null=True, blank=True, help_text="Uses in each window.")
    rate_window_seconds = models.PositiveIntegerField(null=True, blank=True)
    remaining = models.BigIntegerField(null=True, blank=True, help_text="How often it can still be verified.")
    is_imported = models.BooleanField(default=False, db_default=False, help_text="Made elsewhere: no checksum.")
    leaked_at = models.DateTimeField(null=True, blank=True)
    quarantined_at = models.DateTimeField(null=True, blank=True)
    noticed_at = models.DateTimeField(null=True, blank=True, help_text="When its owners were last told of its end.")
    idle_noticed_at = models.DateTimeField(null=True, blank=True, help_text="When they were told that it is not used.")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=80)
    replaces = TenantForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="replaced_by")

    objects: ClassVar = TenantManager.from_queryset(KeyQuerySet)()

    class Meta:
        db_table = "keys_key"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="publishable") | models.Q(plaintext=""),
                name="keys_key_secret_is_never_kept",
            ),
            models.CheckConstraint(
                condition=models.Q(rate_limit__isnull=True, rate_window_seconds__isnull=True)
                | models.Q(rate_limit__gte=1, rate_window_seconds__gte=1),
                name="keys_key_rate_limit_has_a_window",
            ),
            models.CheckConstraint(condition=models.Q(remaining__gte=0), name="keys_key_remaining"),
        ]
        indexes = [models.Index(fields=["org_id", "project", "kind", "-id"], name="keys_key_by_project")]

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"

    @property
    def public_id(self) -> str:
        """`key_…`."""
        return public_id("key", self.id)

    @property
    def state(self) -> "Key.State":
        """Whether it works now."""
        if self.revoked_at:
            return self.State.REVOKED
        if self.expires_at and self.expires_at <= timezone.now():
            return self.State.EXPIRED
        return self.State.QUARANTINED if self.quarantined_at else self.State.ACTIVE

    @property
    def replacement(self) -> "Key | None":
        """The key that it was rotated into, while that one has not ended."""
        return Key.objects.filter(replaces=self).not_ended().order_by("-id").first()

    @property
    def use(self) -> "KeyUse | None":
        """When and how often it was used; None when never. With `with_use` it takes no query."""
        return next(iter(self.uses.all()), None)

    @property
    def expires_soon(self) -> bool:
        """Whether it works now and ends within EXPIRING_SOON."""
        if self.expires_at is None or self.state != self.State.ACTIVE:
            return False
        return self.expires_at <= timezone.now() + EXPIRING_SOON

    @property
    def permission_set(self) -> frozenset[Permission]:
        """The permissions; a name that is no longer known grants nothing."""
        return frozenset(permission for permission in KEY_PERMISSIONS if permission.value in self.permissions)


class KeyUse(TenantModel):
    """When and how often a key was used. Written in batches (keys/uses.py), so a row lags half a minute or more."""

    key = TenantForeignKey(Key, models.CASCADE, related_name="uses")
    last_used_at = models.DateTimeField()
    last_ip = models.GenericIPAddressField(null=True)
    count = models.BigIntegerField(default=0)

    objects: ClassVar = TenantManager()

    class Meta:
        db_table = "keys_key_use"
        constraints = [models.UniqueConstraint(fields=["org_id", "key"], name="keys_key_use_once")]

    def __str__(self) -> str:
        return f"{self.key_id} {self.last_used_at}"
