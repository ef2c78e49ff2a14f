"""Handing a person who signed in over to a product behind Tenantry."""

from typing import ClassVar

from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet


class HandoverAddressQuerySet(TenantQuerySet["HandoverAddress"]):
    """Reads of addresses."""

    def by_reference(self, reference: str) -> "HandoverAddress | None":
        """By public id; None for what does not parse, as for what does not exist."""
        address_id = parse_public_id("hva", reference)
        return self.filter(id=address_id).first() if address_id else None


class HandoverAddress(TenantModel):
    """Where a project's product takes people over. Compared exactly, character by character (RFC 9700, 2.1)."""

    project = TenantForeignKey("projects.Project", models.CASCADE, related_name="handover_addresses")
    address = models.CharField(max_length=500)
    created_by = models.CharField(max_length=80)

    objects: ClassVar = TenantManager.from_queryset(HandoverAddressQuerySet)()

    class Meta:
        db_table = "sso_handover_address"
        constraints = [
            models.UniqueConstraint(fields=["org_id", "project", "address"], name="sso_handover_address_once")
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def public_id(self) -> str:
        """`hva_…`."""
        return public_id("hva", self.id)


class HandoverToken(TenantModel):
    """A one-time token on its way through the browser. Only its digest is kept, and it is good for a minute."""

    project = TenantForeignKey("projects.Project", models.CASCADE, related_name="+")
    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="+")
    digest = models.BinaryField(max_length=32, unique=True)
    address = models.CharField(max_length=500)
    code_challenge = models.CharField(max_length=128, blank=True, help_text="Of PKCE (RFC 7636, S256), if asked for.")
    sign_in = models.JSONField(help_text="How the person proved themselves (config.kernel.sign_in).")
    browser_session_id = models.UUIDField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    token_session_id = models.UUIDField(null=True, blank=True, help_text="What the exchange opened; a replay ends it.")

    class Meta:
        db_table = "sso_handover_token"
        indexes = [models.Index(fields=["expires_at"], name="sso_handover_token_by_end")]

    def __str__(self) -> str:
        return self.address
