"""What an organization asks of its people when they sign in."""

from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from django.db import models

from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet

# Enforcement that let no owner or admin in for so long after it took effect has ended by itself.
ROLLBACK_AFTER = timedelta(hours=1)
# How long before it takes effect people are reminded of it.
REMIND_BEFORE = timedelta(days=1)


class SignInPolicyQuerySet(TenantQuerySet["SignInPolicy"]):
    """Reads of policies."""

    def of_organization(self, organization_id: UUID) -> "SignInPolicy | None":
        """An organization's, None for one that never wrote one."""
        return self.filter(org_id=organization_id).first()

    def in_force(self, now: datetime) -> "SignInPolicyQuerySet":
        """Those that enforce single sign-on at `now`, for all or for pilots: what `SignInPolicy.holds_at` says."""
        return self.filter(taken_effect(now), models.Q(confirmed_at__isnull=False) | within_the_hour(now))

    def to_roll_back(self, now: datetime) -> "SignInPolicyQuerySet":
        """Those whose hour is over without an owner or admin coming in. They are in force no more."""
        return self.filter(taken_effect(now), ~within_the_hour(now), confirmed_at__isnull=True)

    def to_remind_of(self, now: datetime) -> "SignInPolicyQuerySet":
        """Those that take effect within a day and were announced earlier than that."""
        soon = models.Q(required_from__gt=now, required_from__lte=now + REMIND_BEFORE)
        early = models.Q(switched_on_at__lt=models.F("required_from") - REMIND_BEFORE)
        return self.filter(soon, early, enforcement=SignInPolicy.Enforcement.REQUIRED, reminded_at__isnull=True)


def taken_effect(now: datetime) -> models.Q:
    """Enforcement that has begun, confirmed or not."""
    required = models.Q(enforcement=SignInPolicy.Enforcement.REQUIRED, required_from__lte=now)
    return required | models.Q(enforcement=SignInPolicy.Enforcement.PILOT)


def within_the_hour(now: datetime) -> models.Q:
    """Enforcement that has not yet been in effect for as long as it may be without an owner or admin coming in."""
    required = models.Q(enforcement=SignInPolicy.Enforcement.REQUIRED, required_from__gt=now - ROLLBACK_AFTER)
    since = models.Q(switched_on_at__isnull=True) | models.Q(switched_on_at__gt=now - ROLLBACK_AFTER)
    return required | models.Q(since, enforcement=SignInPolicy.Enforcement.PILOT)


class SignInPolicy(TenantModel):
    """One row an organization. Without one: no enforcement, no second factor asked for, guests welcome."""

    class Enforcement(models.TextChoices):
        """For whom single sign-on is the only way in: nobody, chosen members, or everybody of the proven domains."""

        OFF = "off"
        PILOT = "pilot"
        REQUIRED = "required"

    class Guests(models.TextChoices):
        """What holds for members whose address is outside the proven domains while single sign-on is required."""

        SECOND_FACTOR = "second_factor"
        REFUSED = "refused"

    enforcement = models.CharField(max_length=10, choices=Enforcement.choices, default=Enforcement.OFF)
    required_from = models.DateTimeField(
        null=True, blank=True, help_text="From when on it is required; people are warned until then."
    )
    switched_on_at = models.DateTimeField(null=True, blank=True)
    switched_on_by = models.ForeignKey("orgs.User", models.SET_NULL, null=True, blank=True, related_name="+")
    confirmed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the first owner or admin got in after it took effect."
    )
    rolled_back_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
    guests = models.CharField(max_length=20, choices=Guests.choices, default=Guests.SECOND_FACTOR)
    session_hours = models.PositiveIntegerField(
        default=24, help_text="For how long one single sign-on holds, for sessions and for personal tokens."
    )
    require_second_factor = models.BooleanField(default=False)

    objects: ClassVar = TenantManager.from_queryset(SignInPolicyQuerySet)()

    class Meta:
        db_table = "orgs_sign_in_policy"
        constraints = [
            models.UniqueConstraint(fields=["org_id"], name="orgs_sign_in_policy_one"),
            models.CheckConstraint(
                condition=models.Q(session_hours__gte=1, session_hours__lte=720), name="orgs_sign_in_policy_hours"
            ),
            models.CheckConstraint(
                condition=~models.Q(enforcement="required") | models.Q(required_from__isnull=False),
                name="orgs_sign_in_policy_from",
            ),
        ]
        indexes = [
            models.Index(
                fields=["required_from"], condition=~models.Q(enforcement="off"), name="orgs_sign_in_policy_on"
            )
        ]

    def __str__(self) -> str:
        return self.enforcement

    @property
    def took_effect_at(self) -> datetime | None:
        """Since, or from, when enforcement holds; None while it is off."""
        if self.enforcement == self.Enforcement.REQUIRED:
            return self.required_from
        return self.switched_on_at if self.enforcement == self.Enforcement.PILOT else None

    @property
    def ends_unconfirmed_at(self) -> datetime | None:
        """When enforcement ends by itself unless an owner or admin comes in before; None where it does not."""
        began = self.took_effect_at
        return began + ROLLBACK_AFTER if began is not None and self.confirmed_at is None else None

    def has_begun(self, now: datetime) -> bool:
        """Whether enforcement has taken effect, and perhaps ended by itself since."""
        if self.enforcement == self.Enforcement.REQUIRED:
            return self.required_from is not None and self.required_from <= now
        return self.enforcement == self.Enforcement.PILOT

    def ended_by_itself(self, now: datetime) -> bool:
        """Whether the last that was switched on let no owner or admin in for an hour, noted by a job or not."""
        return self.rolled_back_at is not None or (self.has_begun(now) and not self.holds_at(now))

    def holds_at(self, now: datetime) -> bool:
        """Whether single sign-on is enforced at `now`, for all or for pilots."""
        end = self.ends_unconfirmed_at
        return self.has_begun(now) and (end is None or now < end)


class PilotMember(TenantModel):
    """A member for whom single sign-on is required already while the organization tries it."""

    membership = TenantForeignKey("orgs.Membership", models.CASCADE, related_name="+")

    class Meta:
        db_table = "orgs_pilot_member"
        constraints = [models.UniqueConstraint(fields=["org_id", "membership"], name="orgs_pilot_member_once")]

    def __str__(self) -> str:
        return str(self.membership_id)


class BreakGlassCode(TenantModel):
    """A code by which one owner gets in, with password and second factor, when the identity provider lets nobody in."""

    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="+")
    digest = models.BinaryField(max_length=32, unique=True)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "orgs_break_glass_code"
        indexes = [models.Index(fields=["org_id", "user"], name="orgs_break_glass_by_user")]

    def __str__(self) -> str:
        return str(self.user_id)


class SsoSignIn(TenantModel):
    """When a person last came in through the organization's own identity provider. `subject` is who they are there."""

    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="+")
    connection_id = models.UUIDField()
    subject = models.CharField(max_length=255)
    last_at = models.DateTimeField()

    class Meta:
        db_table = "orgs_sso_sign_in"
        constraints = [models.UniqueConstraint(fields=["org_id", "user"], name="orgs_sso_sign_in_one")]
        indexes = [models.Index(fields=["user"], name="orgs_sso_sign_in_by_user")]

    def __str__(self) -> str:
        return str(self.user_id)


class RemovedMember(TenantModel):
    """Somebody who was removed, and whom single sign-on must not bring back by itself; an invitation does."""

    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="+")

    class Meta:
        db_table = "orgs_removed_member"
        constraints = [models.UniqueConstraint(fields=["org_id", "user"], name="orgs_removed_member_once")]

    def __str__(self) -> str:
        return str(self.user_id)
