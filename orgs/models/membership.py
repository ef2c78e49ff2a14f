"""Who belongs to an organization, and as what."""

from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.permissions import PERSONAL_PERMISSIONS, ROLE_PERMISSIONS, Permission, Role
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet
from orgs.models.passkey import Passkey
from orgs.models.sign_in_policy import SignInPolicy
from orgs.models.totp_device import TOTPDevice

ROLE_CHOICES = [(role.value, role.value.capitalize()) for role in Role]


class CustomRoleQuerySet(TenantQuerySet["CustomRole"]):
    """Reads of custom roles."""

    def by_reference(self, reference: str) -> "CustomRole | None":
        """By public id; None for what does not parse, as for what does not exist."""
        role_id = parse_public_id("rol", reference)
        return self.filter(id=role_id).first() if role_id else None


class CustomRole(TenantModel):
    """A named set of permissions that an organization wrote itself, assigned in place of a built-in role."""

    name = models.CharField(max_length=60)
    description = models.CharField(max_length=200, blank=True)
    permissions = ArrayField(models.CharField(max_length=40))

    objects: ClassVar = TenantManager.from_queryset(CustomRoleQuerySet)()

    class Meta:
        db_table = "orgs_custom_role"
        constraints = [models.UniqueConstraint(fields=["org_id", "name"], name="orgs_custom_role_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """`rol_…`."""
        return public_id("rol", self.id)

    @property
    def permission_set(self) -> frozenset[Permission]:
        """The permissions; a name that is no longer known grants nothing."""
        return frozenset(p for p in PERSONAL_PERMISSIONS if p.value in self.permissions)


class RoleHolder(models.Model):
    """What memberships and invitations share: a built-in role, or a custom one in its place."""

    role = models.CharField(max_length=20, choices=ROLE_CHOICES)
    custom_role = TenantForeignKey(CustomRole, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        abstract = True

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the role allows."""
        if self.custom_role_id:
            return self.custom_role.permission_set if self.custom_role else frozenset()
        return ROLE_PERMISSIONS.get(Role(self.role), frozenset())

    @property
    def role_name(self) -> str:
        """For people: `Admin`, or the custom role's name."""
        return self.custom_role.name if self.custom_role else self.get_role_display()


def custom_role_agrees(name: str) -> models.CheckConstraint:
    """A custom role is named exactly when the role is `custom`."""
    return models.CheckConstraint(
        condition=models.Q(role="custom", custom_role__isnull=False)
        | models.Q(~models.Q(role="custom"), custom_role__isnull=True),
        name=name,
    )


class MembershipQuerySet(TenantQuerySet["Membership"]):
    """Reads of memberships."""

    def with_people(self) -> "MembershipQuerySet":
        """With the user and role of each, in one query."""
        return self.select_related("user", "custom_role")

    def of_user(self, user_id: UUID) -> "MembershipQuerySet":
        """One person's."""
        return self.filter(user_id=user_id)

    def with_second_factor(self) -> "MembershipQuerySet":
        """With `has_second_factor`, and `second_factor_required` by the organization, in the same query."""
        theirs = {"user_id": models.OuterRef("user_id")}
        asked = SignInPolicy.objects.filter(org_id=models.OuterRef("org_id"), require_second_factor=True)
        found = {
            "has_second_factor": models.Exists(TOTPDevice.objects.filter(confirmed=True, **theirs))
            | models.Exists(Passkey.objects.filter(**theirs)),
            "second_factor_required": models.Exists(asked),
        }
        return self.annotate(**found)

    def with_single_sign_on(self) -> "MembershipQuerySet":
        """With `single_sign_on`, whether the organization enforces it now for anybody, in the same query."""
        enforcing = SignInPolicy.objects.in_force(timezone.now()).filter(org_id=models.OuterRef("org_id"))
        found = {"single_sign_on": models.Exists(enforcing)}
        return self.annotate(**found)

    def by_reference(self, reference: str) -> "Membership | None":
        """By the user's public id; None for what does not parse, as for who is no member."""
        user_id = parse_public_id("usr", reference)
        return self.of_user(user_id).first() if user_id else None

    def matching(self, text: str) -> "MembershipQuerySet":
        """Those whose name or address contains `text`."""
        return self.filter(models.Q(user__name__icontains=text) | models.Q(user__email__icontains=text))

    def holding(self, permission: Permission) -> "MembershipQuerySet":
        """Those whose role has a permission, with their people; disabled people left out."""
        roles = [role for role, permissions in ROLE_PERMISSIONS.items() if permission in permissions]
        wanted = models.Q(role__in=roles) | models.Q(custom_role__permissions__contains=[permission.value])
        return self.with_people().filter(wanted, user__is_active=True)

    def owners(self) -> "MembershipQuerySet":
        """The owners."""
        return self.filter(role=Role.OWNER)


class Membership(RoleHolder, TenantModel):
    """A person's place in an organization. A trigger keeps the last owner (migration 0002)."""

    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="memberships")

    # What `with_second_factor` adds, and `with_single_sign_on`.
    has_second_factor: bool
    second_factor_required: bool
    single_sign_on: bool

    objects: ClassVar = TenantManager.from_queryset(MembershipQuerySet)()

    class Meta:
        db_table = "orgs_membership"
        constraints = [
            models.UniqueConstraint(fields=["org_id", "user"], name="orgs_membership_user"),
            custom_role_agrees("orgs_membership_custom_role_agrees"),
        ]
        indexes = [models.Index(fields=["org_id", "role"], name="orgs_membership_by_role")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role}"

    @property
    def public_id(self) -> str:
        """A member is named by the user's id: `usr_…`."""
        return public_id("usr", self.user_id)
