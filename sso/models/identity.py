"""Who a person is to an identity provider."""

from typing import ClassVar

from django.db import models

from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel
from sso.models.connection import Connection


class FederatedIdentity(TenantModel):
    """A person's account at an identity provider: its subject there, which nobody else can have.

    `issuer` is the provider's own name (issuer or entity id). A connection that moves to another provider starts anew:
    the subjects of one provider say nothing at another.
    """

    connection = TenantForeignKey(Connection, models.CASCADE, related_name="identities")
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="+")

    objects: ClassVar = TenantManager()

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
