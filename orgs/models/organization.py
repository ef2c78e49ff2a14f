"""Organizations: the customers of an installation."""

from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.indexes import OpClass
from django.db import connection, models
from django.db.models.functions import Upper
from django.utils import timezone

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.slugs import SLUG, SLUG_LENGTH, validate_slug
from config.kernel.tenancy.models import new_id


class OrganizationQuerySet(models.QuerySet["Organization"]):
    """Reads of organizations."""

    def by_reference(self, reference: str) -> "Organization | None":
        """By public id, slug or retired slug; None for what does not parse, as for what does not exist."""
        organization_id = parse_public_id("org", reference)
        if organization_id:
            return self.filter(id=organization_id).first()
        if not SLUG.fullmatch(reference):
            return None
        return self.filter(models.Q(slug=reference) | models.Q(retired_slugs__slug=reference)).first()

    def due_for_erasure(self) -> "OrganizationQuerySet":
        """Deleting, with the grace period over."""
        return self.filter(status=Organization.Status.DELETING, erase_after__lte=timezone.now())


class Organization(models.Model):
    """A customer of the installation. Global: it holds nothing but name and state."""

    class Plan(models.TextChoices):
        """What the customer has subscribed to."""

        FREE = "free"
        PRO = "pro"
        ENTERPRISE = "enterprise"

    class Status(models.TextChoices):
        """`disabled` refuses every credential at once; `deleting` waits for erasure and can be restored."""

        ACTIVE = "active"
        DISABLED = "disabled"
        DELETING = "deleting"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.CharField(max_length=SLUG_LENGTH, unique=True, validators=[validate_slug])
    name = models.CharField(max_length=120)
    plan = models.CharField(max_length=20, choices=Plan.choices, default=Plan.FREE)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.ACTIVE)
    erase_after = models.DateTimeField(null=True, blank=True)
    # The database's own, set by a trigger: whoever may write `erase_after` cannot shorten the grace period by it.
    deleting_since = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar = OrganizationQuerySet.as_manager()

    class Meta:
        db_table = "orgs_organization"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status="deleting", erase_after__isnull=False)
                | models.Q(~models.Q(status="deleting"), erase_after__isnull=True),
                name="orgs_organization_erase_after_if_deleting",
            ),
        ]
        indexes = [
            models.Index(
                fields=["erase_after"],
                condition=models.Q(status="deleting"),
                name="orgs_organization_erasure",
            ),
            models.Index(OpClass(Upper("name"), "varchar_pattern_ops"), name="orgs_organization_name"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """`org_…`."""
        return public_id("org", self.id)

    @property
    def is_active(self) -> bool:
        """Whether its people and credentials may act."""
        return self.status == self.Status.ACTIVE

    def may_be_erased(self) -> bool:
        """Whether the grace period is over, as the database judges by itself. One query."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT orgs_may_erase(%s)", [self.id])
            return cursor.fetchone()[0]


def erasure_time() -> datetime:
    """When an organization deleted now is erased."""
    return timezone.now() + timedelta(days=settings.TENANTRY_DELETION_GRACE_DAYS)


class RetiredSlug(models.Model):
    """A slug an organization had before: its addresses go on leading to it, and nobody else can take it."""

    slug = models.CharField(max_length=SLUG_LENGTH, primary_key=True)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="retired_slugs")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "orgs_retired_slug"

    def __str__(self) -> str:
        return self.slug


def organization_by_id(organization_id: UUID) -> Organization | None:
    """The organization of an id, or None."""
    return Organization.objects.filter(id=organization_id).first()
