"""What an organization demands of its keys."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models

from config.kernel.tenancy.models import TenantManager, TenantModel, TenantQuerySet

LONGEST_LIFETIME_DAYS = 3650


class KeyPolicyQuerySet(TenantQuerySet["KeyPolicy"]):
    """Reads of key policies."""

    def current(self) -> "KeyPolicy":
        """That of the organization in scope; one that was never saved demands nothing."""
        return self.first() or KeyPolicy()


class KeyPolicy(TenantModel):
    """At most one for each organization."""

    class OnLeak(models.TextChoices):
        """What happens to a key of which somebody shows that it leaked."""

        REVOKE = "revoke"
        QUARANTINE = "quarantine"
        REPORT = "report"

    longest_lifetime_days = models.PositiveIntegerField(null=True, blank=True)
    is_expiry_required = models.BooleanField(default=False, db_default=False)
    # Stops the misuse as surely as revoking does, and a slip can be taken back.
    on_leak = models.CharField(
        max_length=20, choices=OnLeak.choices, default=OnLeak.QUARANTINE, db_default=OnLeak.QUARANTINE.value
    )

    objects: ClassVar = TenantManager.from_queryset(KeyPolicyQuerySet)()

    class Meta:
        db_table = "keys_key_policy"
        constraints = [
            models.UniqueConstraint(fields=["org_id"], name="keys_key_policy_once"),
            models.CheckConstraint(
                condition=models.Q(longest_lifetime_days__isnull=True)
                | models.Q(longest_lifetime_days__gte=1, longest_lifetime_days__lte=LONGEST_LIFETIME_DAYS),
                name="keys_key_policy_lifetime",
            ),
        ]

    def __str__(self) -> str:
        return str(self.org_id)

    @property
    def longest_lifetime(self) -> timedelta | None:
        """From a key's making to its end; None for no limit."""
        return timedelta(days=self.longest_lifetime_days) if self.longest_lifetime_days else None

    def refusal(self, *, made_at: datetime, expires_at: datetime | None) -> str | None:
        """Why a key that is made then may not end then, in a sentence; None when it may."""
        longest = self.longest_lifetime
        if expires_at is None:
            if longest is not None:
                return (
                    f"Keys of this organization live for at most {self.longest_lifetime_days} days: say when it ends."
                )
            return "Keys of this organization must have an end: say when it ends." if self.is_expiry_required else None
        if longest is not None and expires_at > made_at + longest:
            return (
                f"Keys of this organization live for at most {self.longest_lifetime_days} days: choose an end "
                f"until {made_at + longest:%Y-%m-%d %H:%M} UTC."
            )
        return None
