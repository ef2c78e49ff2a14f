"""Service accounts of the installation, and what each organization granted them."""

from collections import defaultdict
from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.permissions import GRANT_PERMISSIONS, Permission
from config.kernel.sealed import SealedField
from config.kernel.tenancy.models import TenantManager, TenantModel, TenantQuerySet, new_id


class ServiceAccountQuerySet(models.QuerySet["ServiceAccount"]):
    """Reads of service accounts."""

    def active(self) -> "ServiceAccountQuerySet":
        """Not disabled."""
        return self.filter(disabled_at=None)

    def with_usable_secrets(self) -> "ServiceAccountQuerySet":
        """Each with those `secrets` alone that work, oldest first. One query more."""
        return self.prefetch_related(models.Prefetch("secrets", ServiceAccountSecret.objects.usable().order_by("id")))

    def by_reference(self, reference: str) -> "ServiceAccount | None":
        """By public id; None for what does not parse, as for what does not exist."""
        account_id = parse_public_id("svc", reference)
        return self.filter(id=account_id).first() if account_id else None


class ServiceAccount(models.Model):
    """A product behind Tenantry, which signs its requests. Global: it belongs to the installation."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=120, unique=True)
    description = models.CharField(max_length=500, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar = ServiceAccountQuerySet.as_manager()

    class Meta:
        db_table = "orgs_service_account"

    def __str__(self) -> str:
        return self.name

    @property
    def public_id(self) -> str:
        """`svc_…`."""
        return public_id("svc", self.id)

    @property
    def is_active(self) -> bool:
        """Whether its signatures are accepted."""
        return self.disabled_at is None


class ServiceAccountSecretQuerySet(models.QuerySet["ServiceAccountSecret"]):
    """Reads of the secrets of service accounts."""

    def usable(self) -> "ServiceAccountSecretQuerySet":
        """Not ended."""
        return self.filter(models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now()))

    def by_key_id(self, key_id: str) -> "ServiceAccountSecret | None":
        """By the `keyid` of a signature, with its account; None for what does not parse or does not exist."""
        secret_id = parse_public_id("sas", key_id)
        return self.select_related("account").filter(id=secret_id).first() if secret_id else None


class ServiceAccountSecret(models.Model):
    """A shared secret. Two work while one takes over from the other. Sealed under the installation's data key."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    account = models.ForeignKey(ServiceAccount, models.CASCADE, related_name="secrets")
    sealed = SealedField()
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar = ServiceAccountSecretQuerySet.as_manager()

    class Meta:
        db_table = "orgs_service_account_secret"

    def __str__(self) -> str:
        return self.key_id

    @property
    def key_id(self) -> str:
        """The `keyid` that its signatures name: `sas_…`."""
        return public_id("sas", self.id)


class ServiceGrantQuerySet(TenantQuerySet["ServiceGrant"]):
    """Reads of grants."""

    def in_force(self) -> "ServiceGrantQuerySet":
        """Not withdrawn, of accounts that are not disabled."""
        return self.filter(withdrawn_at=None, account__disabled_at=None)

    def in_state(self, state: str) -> "ServiceGrantQuerySet":
        """Those whose `state` that is."""
        if state == ServiceGrant.State.ACTIVE:
            return self.in_force()
        disabled = state == ServiceGrant.State.DISABLED
        return self.filter(
            withdrawn_at__isnull=disabled, **({"account__disabled_at__isnull": False} if disabled else {})
        )

    def of_account(self, account_id: UUID) -> "ServiceGrantQuerySet":
        """One service account's."""
        return self.filter(account_id=account_id)

    def by_reference(self, reference: str) -> "ServiceGrant | None":
        """By public id; None for what does not parse, as for what does not exist."""
        grant_id = parse_public_id("grt", reference)
        return self.filter(id=grant_id).first() if grant_id else None

    def by_project(self) -> dict[UUID | None, frozenset[Permission]]:
        """The permissions of all these grants by project id; under None what holds for the whole organization."""
        found: dict[UUID | None, frozenset[Permission]] = defaultdict(frozenset)
        for grant in self:
            found[grant.project_id] |= grant.permission_set
        return dict(found)


class ServiceGrant(TenantModel):
    """What an organization lets a service account do, everywhere in it or in one project.

    `project_id` is no foreign key, since projects lie above; a grant for a project that is gone admits to nothing.
    """

    class State(models.TextChoices):
        """`disabled` is a grant that holds again when the operator enables its account."""

        ACTIVE = "active"
        DISABLED = "disabled"
        WITHDRAWN = "withdrawn"

    account = models.ForeignKey(ServiceAccount, models.CASCADE, related_name="grants")
    project_id = models.UUIDField(null=True, blank=True)
    permissions = ArrayField(models.CharField(max_length=40))
    granted_by = models.CharField(max_length=80)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = TenantManager.from_queryset(ServiceGrantQuerySet)()

    class Meta:
        db_table = "orgs_service_grant"
        constraints = [
            models.UniqueConstraint(
                fields=["org_id", "account", "project_id"],
                condition=models.Q(withdrawn_at=None),
                nulls_distinct=False,
                name="orgs_service_grant_in_force_once",
            )
        ]
        indexes = [models.Index(fields=["account", "org_id"], name="orgs_service_grant_by_account")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.permissions}"

    @property
    def public_id(self) -> str:
        """`grt_…`."""
        return public_id("grt", self.id)

    @property
    def state(self) -> str:
        """The State; asks for the account."""
        if self.withdrawn_at is not None:
            return self.State.WITHDRAWN
        return self.State.ACTIVE if self.account.is_active else self.State.DISABLED

    @property
    def permission_set(self) -> frozenset[Permission]:
        """The permissions; a name that is no longer known grants nothing."""
        return frozenset(permission for permission in GRANT_PERMISSIONS if permission.value in self.permissions)
