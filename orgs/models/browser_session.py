"""Sessions of browsers: Django's own, with the columns that its owner is shown."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models
from django.utils import timezone

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.sign_in import METHOD_WORDS, Method
from config.kernel.tenancy.models import new_id
from orgs.user_agents import device_words


class BrowserSessionQuerySet(models.QuerySet["BrowserSession"]):
    """Reads of sessions."""

    def of_user(self, user_id: UUID) -> "BrowserSessionQuerySet":
        """One person's."""
        return self.filter(user_id=user_id)


class BrowserSession(AbstractBaseSession):
    """A row of SESSION_ENGINE (orgs.sessions). Deleting it ends the session at once.

    `id` stays while the key changes at each step of a sign-in. The columns repeat what the session's data say.
    """

    # Not unique: for a moment there are the row of the old key and that of the new one.
    id = models.UUIDField(default=new_id, editable=False, db_index=True)
    user = models.ForeignKey("orgs.User", models.CASCADE, null=True, blank=True, related_name="browser_sessions")
    method = models.CharField(max_length=20, blank=True)
    organization_id = models.UUIDField(null=True, blank=True)
    connection_id = models.UUIDField(null=True, blank=True)
    provider_session = models.CharField(
        max_length=255, blank=True, help_text="What the identity provider calls it (`sid`), for back-channel logout."
    )
    ip = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=256, blank=True)
    signed_in_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[Any] = BaseSessionManager.from_queryset(BrowserSessionQuerySet)()

    class Meta:
        db_table = "orgs_browser_session"
        indexes = [
            models.Index(fields=["user", "-id"], name="orgs_browser_session_by_user"),
            models.Index(
                fields=["connection_id", "provider_session"],
                condition=models.Q(connection_id__isnull=False),
                name="orgs_browser_session_by_idp",
            ),
        ]

    @property
    def public_id(self) -> str:
        """`ses_…`."""
        return public_id("ses", self.id)


class SignedInBrowserQuerySet(models.QuerySet["SignedInBrowser"]):
    """Reads of the sessions that people have in browsers."""

    def of_user(self, user_id: UUID) -> "SignedInBrowserQuerySet":
        """One person's."""
        return self.filter(user_id=user_id)

    def living(self) -> "SignedInBrowserQuerySet":
        """Somebody is signed in, and they have not expired."""
        return self.filter(signed_in_at__isnull=False, expire_date__gt=timezone.now())

    def by_reference(self, reference: str) -> "SignedInBrowser | None":
        """By public id; None for what does not parse, as for what does not exist."""
        session_id = parse_public_id("ses", reference)
        return self.filter(id=session_id).first() if session_id else None


class SignedInBrowser(models.Model):
    """The same rows as their people and staff see them: by their id, without key and data, which open the session."""

    id = models.UUIDField(primary_key=True)
    user = models.ForeignKey("orgs.User", models.DO_NOTHING, null=True, related_name="+")
    method = models.CharField(max_length=20)
    organization_id = models.UUIDField(null=True)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=256)
    signed_in_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField()
    expire_date = models.DateTimeField("expires at")

    objects: ClassVar = SignedInBrowserQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "orgs_browser_session"
        verbose_name = "browser session"

    def __str__(self) -> str:
        return f"{self.device} ({self.public_id})"

    @property
    def public_id(self) -> str:
        """`ses_…`."""
        return public_id("ses", self.id)

    @property
    def device(self) -> str:
        """Browser and system in words."""
        return device_words(self.user_agent)

    @property
    def method_words(self) -> str:
        """How the person signed in, in words."""
        return METHOD_WORDS[Method(self.method)]

    @property
    def is_living(self) -> bool:
        """Whether it opens anything now."""
        return self.signed_in_at is not None and self.expire_date > timezone.now()
