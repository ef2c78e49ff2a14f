"""Programs without a browser of their own that wait for a person's consent (RFC 8628)."""

from django.db import models

from config.kernel.identifiers import public_id
from config.kernel.tenancy.models import new_id


class DeviceAuthorization(models.Model):
    """One request of a command line. It belongs to no organization before somebody approves it: hence a global row."""

    class Status(models.TextChoices):
        """How far it came."""

        PENDING = "pending"
        APPROVED = "approved"
        DENIED = "denied"
        USED = "used"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    device_digest = models.BinaryField(max_length=32, unique=True)
    user_digest = models.BinaryField(max_length=32, unique=True)
    client_name = models.CharField(max_length=120)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    user = models.ForeignKey("orgs.User", models.CASCADE, null=True, blank=True, related_name="+")
    organization = models.ForeignKey("orgs.Organization", models.CASCADE, null=True, blank=True, related_name="+")
    sign_in = models.JSONField(null=True, blank=True, help_text="How the approving person proved themselves.")
    interval_seconds = models.PositiveIntegerField(default=5)
    polled_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField()
    ip = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=256, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "sso_device_authorization"
        indexes = [models.Index(fields=["expires_at"], name="sso_device_authorization_end")]

    def __str__(self) -> str:
        return self.client_name

    @property
    def public_id(self) -> str:
        """`dev_…`."""
        return public_id("dev", self.id)
