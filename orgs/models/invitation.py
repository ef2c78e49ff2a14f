"""Invitations by mail: single use, only the token's hash is kept."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.models import TenantManager, TenantModel, TenantQuerySet
from orgs.models.membership import RoleHolder, custom_role_agrees


class InvitationQuerySet(TenantQuerySet["Invitation"]):
    """Reads of invitations."""

    def open(self) -> "InvitationQuerySet":
        """Neither accepted nor revoked; it may have expired."""
        return self.filter(accepted_at=None, revoked_at=None)

    def closed(self) -> "InvitationQuerySet":
        """Accepted or revoked."""
        return self.exclude(accepted_at=None, revoked_at=None)

    def in_state(self, state: "Invitation.State") -> "InvitationQuerySet":
        """Those of which that became, now."""
        if state == Invitation.State.ACCEPTED:
            return self.exclude(accepted_at=None)
        if state == Invitation.State.REVOKED:
            return self.exclude(revoked_at=None)
        if state == Invitation.State.EXPIRED:
            return self.open().filter(expires_at__lte=timezone.now())
        return self.open().filter(expires_at__gt=timezone.now())

    def by_reference(self, reference: str) -> "Invitation | None":
        """By public id; None for what does not parse, as for what does not exist."""
        invitation_id = parse_public_id("inv", reference)
        return self.filter(id=invitation_id).first() if invitation_id else None

    def with_roles(self) -> "InvitationQuerySet":
        """With role and inviter, in one query."""
        return self.select_related("custom_role", "invited_by")


class Invitation(RoleHolder, TenantModel):
    """An offer to join, for exactly one address."""

    class State(models.TextChoices):
        """What became of it."""

        PENDING = "pending"
        EXPIRED = "expired"
        ACCEPTED = "accepted"
        REVOKED = "revoked"

    email = models.EmailField(max_length=254)
    token_hash = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    invited_by = models.ForeignKey("orgs.User", models.SET_NULL, null=True, related_name="+")
    accepted_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects: ClassVar = TenantManager.from_queryset(InvitationQuerySet)()

    class Meta:
        db_table = "orgs_invitation"
        constraints = [
            models.UniqueConstraint(
                fields=["org_id", "email"],
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="orgs_invitation_open_email",
            ),
            custom_role_agrees("orgs_invitation_custom_role_agrees"),
        ]

    def __str__(self) -> str:
        return f"{self.email} {self.state}"

    @property
    def public_id(self) -> str:
        """`inv_…`."""
        return public_id("inv", self.id)

    @property
    def state(self) -> "Invitation.State":
        """What became of it, now."""
        if self.accepted_at:
            return self.State.ACCEPTED
        if self.revoked_at:
            return self.State.REVOKED
        return self.State.EXPIRED if self.expires_at <= timezone.now() else self.State.PENDING
