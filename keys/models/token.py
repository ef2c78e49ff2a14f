"""Personal tokens. Only their hash is kept."""

from typing import ClassVar
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.permissions import PERSONAL_PERMISSIONS, Permission
from config.kernel.tenancy.models import new_id
from keys.models.key import EXPIRING_SOON, UNUSED_AFTER, Key


class PersonalTokenQuerySet(models.QuerySet["PersonalToken"]):
    """Reads of personal tokens."""

    def of_user(self, user_id: UUID) -> "PersonalTokenQuerySet":
        """One person's."""
        return self.filter(user_id=user_id)

    def by_reference(self, reference: str) -> "PersonalToken | None":
        """By public id; None for what does not parse, as for what does not exist."""
        token_id = parse_public_id("tok", reference)
        return self.filter(id=token_id).first() if token_id else None


class PersonalToken(models.Model):
    """A person's token (`pat_`), in one organization or all of theirs: hence a global row, found before any scope."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="personal_tokens")
    organization = models.ForeignKey("orgs.Organization", models.CASCADE, null=True, blank=True, related_name="+")
    name = models.CharField(max_length=120)
    digest = models.BinaryField(max_length=32, unique=True)
    start = models.CharField(max_length=16)
    permissions = ArrayField(models.CharField(max_length=40), null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="Half a minute or more behind.")
    last_used_ip = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar = PersonalTokenQuerySet.as_manager()

    class Meta:
        db_table = "keys_personal_token"
        indexes = [models.Index(fields=["user", "-id"], name="keys_personal_token_by_user")]

    def __str__(self) -> str:
        return f"{self.name} ({self.start}…)"

    @property
    def public_id(self) -> str:
        """`tok_…`."""
        return public_id("tok", self.id)

    @property
    def is_usable(self) -> bool:
        """Neither revoked nor expired."""
        return self.state == Key.State.ACTIVE

    @property
    def state(self) -> "Key.State":
        """Whether it works now."""
        if self.revoked_at:
            return Key.State.REVOKED
        return Key.State.EXPIRED if self.expires_at and self.expires_at <= timezone.now() else Key.State.ACTIVE

    @property
    def expires_soon(self) -> bool:
        """Whether it works now and ends within EXPIRING_SOON."""
        return self.is_usable and self.expires_at is not None and self.expires_at <= timezone.now() + EXPIRING_SOON

    @property
    def is_unused(self) -> bool:
        """Whether it works now and was not used for UNUSED_AFTER, or never since it was made that long ago."""
        return self.is_usable and (self.last_used_at or self.created_at) <= timezone.now() - UNUSED_AFTER

    @property
    def permission_set(self) -> frozenset[Permission] | None:
        """What it is narrowed to; None means not narrowed."""
        if self.permissions is None:
            return None
        return frozenset(permission for permission in PERSONAL_PERMISSIONS if permission.value in self.permissions)
