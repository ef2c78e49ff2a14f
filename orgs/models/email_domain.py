"""The e-mail domains of an organization, each proven by a record in its DNS."""

from typing import ClassVar

from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.models import TenantManager, TenantModel, TenantQuerySet


class EmailDomainQuerySet(TenantQuerySet["EmailDomain"]):
    """Reads of e-mail domains."""

    def by_reference(self, reference: str) -> "EmailDomain | None":
        """By public id; None for what does not parse, as for what does not exist."""
        domain_id = parse_public_id("edm", reference)
        return self.filter(id=domain_id).first() if domain_id else None

    def proven(self) -> "EmailDomainQuerySet":
        """Those that belong to their organization."""
        return self.filter(status=EmailDomain.Status.PROVEN)


class EmailDomain(TenantModel):
    """A domain whose people the organization speaks for, once it is proven. Only one organization can have it proven.

    Between two checks it stays proven; one that finds the record gone makes it `lost`, which nobody overlooks.
    """

    class Status(models.TextChoices):
        """What is known of it."""

        PENDING = "pending"
        PROVEN = "proven"
        LOST = "lost"

    domain = models.CharField(max_length=253, help_text="In lower case, as the DNS writes it (punycode).")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    token = models.CharField(max_length=64, help_text="What the TXT record says. No secret: it is published.")
    proven_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    lost_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=200, blank=True, help_text="What the last check found instead.")
    vouched_for = models.CharField(
        max_length=500, blank=True, help_text="The reason for which staff marked it as proven; then no check undoes it."
    )

    objects: ClassVar = TenantManager.from_queryset(EmailDomainQuerySet)()

    class Meta:
        db_table = "orgs_email_domain"
        constraints = [
            models.UniqueConstraint(fields=["org_id", "domain"], name="orgs_email_domain_once"),
            models.UniqueConstraint(
                fields=["domain"], condition=models.Q(status="proven"), name="orgs_email_domain_of_one"
            ),
        ]
        indexes = [models.Index(fields=["status", "checked_at"], name="orgs_email_domain_due")]

    def __str__(self) -> str:
        return self.domain

    @property
    def public_id(self) -> str:
        """`edm_…`."""
        return public_id("edm", self.id)
