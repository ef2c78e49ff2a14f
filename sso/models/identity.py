"""Who a person is to an identity provider."""

from typing import ClassVar

from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet
from sso.models.connection import Connection


class FederatedIdentityQuerySet(TenantQuerySet["FederatedIdentity"]):
    """Reads of identities."""

    def by_reference(self, reference: str) -> "FederatedIdentity | None":
        """By public id; None for what does not parse, as for what does not exist."""
        identity_id = parse_public_id("fid", reference)
        return self.filter(id=identity_id).first() if identity_id else None


class FederatedIdentity(TenantModel):
    """A person's account at an identity provider: its subject there, which nobody else can have.

    `issuer` is the provider's own name (issuer or entity id). A connection that moves to another provider starts anew:
    the subjects of one provider say nothing at another.
    """

    connection = TenantForeignKey(Connection, models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="+")

    objects: ClassVar = TenantManager.from_queryset(FederatedIdentityQuerySet)()

    class Meta:
        db_table = "sso_federated_identity"
        constraints = [
            models.UniqueConstraint(
                fields=["org_id", "connection", "issuer", "subject"], name="sso_federated_identity_of_subject"
            ),
            models.UniqueConstraint(
                fields=["org_id", "connection", "issuer", "user"], name="sso_federated_identity_of_user"
            ),
        ]
        indexes = [models.Index(fields=["user"], name="sso_federated_identity_by_user")]

    def __str__(self) -> str:
        return self.subject

    @property
    def public_id(self) -> str:
        """`fid_…`."""
        return public_id("fid", self.id)
