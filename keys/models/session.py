"""Sessions of programs that signed in as a person, and the refresh tokens that keep them alive."""

from typing import ClassVar
from uuid import UUID

from django.db import models
from django.utils import timezone

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.sign_in import Method
from config.kernel.tenancy.models import new_id


class TokenSessionQuerySet(models.QuerySet["TokenSession"]):
    """Reads of sessions."""

    def of_user(self, user_id: UUID) -> "TokenSessionQuerySet":
        """One person's."""
        return self.filter(user_id=user_id)

    def living(self) -> "TokenSessionQuerySet":
        """Neither ended nor expired."""
        return self.filter(ended_at=None, expires_at__gt=timezone.now())

    def by_reference(self, reference: str) -> "TokenSession | None":
        """By public id; None for what does not parse, as for what does not exist."""
        session_id = parse_public_id("ses", reference)
        return self.filter(id=session_id).first() if session_id else None


class TokenSession(models.Model):
    """A program that signed in as a person, in one organization or all of theirs: hence a global row.

    The database ends it by itself when the person is disabled or their password changes (the table's migration).
    """

    class End(models.TextChoices):
        """Why it ended."""

        SIGNED_OUT = "signed out"
        REVOKED = "revoked"
        REUSED = "refresh token reused"
        PASSWORD_CHANGED = "password changed"  # noqa: S105 - the name of a reason
        DISABLED = "person disabled"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="token_sessions")
    organization = models.ForeignKey("orgs.Organization", models.CASCADE, null=True, blank=True, related_name="+")
    method = models.CharField(max_length=20, choices=[(method.value, method.value) for method in Method])
    sso_organization_id = models.UUIDField(
        null=True, blank=True, help_text="Through whose identity provider the person came, by single sign-on."
    )
    ip = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=256, blank=True)
    last_used_at = models.DateTimeField(help_text="When it was last refreshed.")
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=20, choices=End.choices, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar = TokenSessionQuerySet.as_manager()

    class Meta:
        db_table = "keys_token_session"
        indexes = [
            models.Index(fields=["user", "-id"], name="keys_token_session_by_user"),
            models.Index(fields=["expires_at"], name="keys_token_session_by_end"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def public_id(self) -> str:
        """`ses_…`."""
        return public_id("ses", self.id)

    @property
    def is_living(self) -> bool:
        """Neither ended nor expired."""
        return self.ended_at is None and self.expires_at > timezone.now()


class RefreshToken(models.Model):
    """A refresh token (`rft_`), good for one use. The used ones stay until they expire, to notice a copy of one.

    A client that never got the answer to its refresh may ask again by the same Idempotency-Key: `retry` is that key's
    hash and `salt` what the successor was made of. Both are erased once the successor is used.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session = models.ForeignKey(TokenSession, models.CASCADE, related_name="refresh_tokens")
    digest = models.BinaryField(max_length=32, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    retry = models.BinaryField(max_length=32, null=True)
    salt = models.BinaryField(max_length=32, null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager["RefreshToken"]] = models.Manager()

    class Meta:
        db_table = "keys_refresh_token"
        constraints = [
            models.UniqueConstraint(
                fields=["session"], condition=models.Q(used_at=None), name="keys_refresh_token_one_lives"
            )
        ]
        indexes = [models.Index(fields=["expires_at"], name="keys_refresh_token_by_end")]

    def __str__(self) -> str:
        return str(self.session_id)
