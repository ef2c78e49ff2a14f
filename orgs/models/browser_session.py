"""Sessions of browsers: Django's own, with the columns that its owner is shown."""

from typing import Any, ClassVar
from uuid import UUID

from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models

from config.kernel.identifiers import public_id
from config.kernel.tenancy.models import new_id


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
