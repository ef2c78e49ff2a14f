"""The e-mail domains of an organization, each proven by a record in its DNS."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.models import TenantManager, TenantModel, TenantQuerySet

# How long a registered domain is looked up often, and how often it is before and after that.
PENDING_DAYS = timedelta(days=3)
PENDING_EVERY, PENDING_LATER_EVERY = timedelta(minutes=5), timedelta(hours=6)
PROVEN_EVERY = timedelta(days=1)
# A proven domain whose record was not there is looked up again soon; a lost one comes back when its record does.
MISSING_EVERY = LOST_EVERY = timedelta(hours=1)
# It is lost when so many answers in a row, over at least so long, said that the record is not there.
MISSES, MISSING_FOR = 3, timedelta(hours=3)

TXT_LABEL = "_tenantry"
TXT_PREFIX = "tenantry-domain-verification="


class EmailDomainQuerySet(TenantQuerySet["EmailDomain"]):
    """Reads of e-mail domains."""

    def by_reference(self, reference: str) -> "EmailDomain | None":
        """By public id; None for what does not parse, as for what does not exist."""
        domain_id = parse_public_id("edm", reference)
        return self.filter(id=domain_id).first() if domain_id else None

    def proven(self) -> "EmailDomainQuerySet":
        """Those that belong to their organization."""
        return self.filter(status=EmailDomain.Status.PROVEN)

    def due(self, now: datetime) -> "EmailDomainQuerySet":
        """Those whose record is to be looked up again. What staff vouched for is not."""
        status, young = EmailDomain.Status, models.Q(created_at__gt=now - PENDING_DAYS)
        found = models.Q(status=status.PROVEN, misses=0)
        return self.filter(
            models.Q(checked_at__isnull=True)
            | models.Q(young, status=status.PENDING, checked_at__lte=now - PENDING_EVERY)
            | models.Q(~young, status=status.PENDING, checked_at__lte=now - PENDING_LATER_EVERY)
            | models.Q(found, checked_at__lte=now - PROVEN_EVERY)
            | models.Q(status=status.PROVEN, misses__gt=0, checked_at__lte=now - MISSING_EVERY)
            | models.Q(status=status.LOST, checked_at__lte=now - LOST_EVERY),
            vouched_for="",
        )


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
    missing_since = models.DateTimeField(
        null=True, blank=True, help_text="Since when the record of a proven domain is not there."
    )
    misses = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="How many answers in a row said so.")
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

    @property
    def txt_name(self) -> str:
        """Where the TXT record that proves it belongs."""
        return f"{TXT_LABEL}.{self.domain}"

    @property
    def txt_value(self) -> str:
        """What that record says."""
        return TXT_PREFIX + self.token
