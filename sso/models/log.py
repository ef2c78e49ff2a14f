"""What happened at a connection, with the exact cause, for the admins of its organization."""

from typing import ClassVar

from django.db import models

from config.kernel.identifiers import public_id
from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel
from sso.models.connection import Connection


class ConnectionLogEntry(TenantModel):
    """One sign-in, test, logout or failed reading of metadata. `claims` are what came, without tokens and secrets."""

    class Outcome(models.TextChoices):
        """How it ended."""

        SIGNED_IN = "signed_in"
        REFUSED = "refused"
        TEST_PASSED = "test_passed"
        TEST_FAILED = "test_failed"
        SIGNED_OUT = "signed_out"
        METADATA_FAILED = "metadata_failed"

    connection = TenantForeignKey(Connection, models.CASCADE, related_name="log")
    configuration_number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=20, choices=Outcome.choices)
    code = models.CharField(max_length=60, blank=True, help_text="The cause, stable (sso/causes.py).")
    detail = models.CharField(max_length=1000, blank=True, help_text="The cause, exactly, for the admin.")
    email = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=255, blank=True)
    claims = models.JSONField(default=dict)
    ip = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True)

    objects: ClassVar = TenantManager()

    class Meta:
        db_table = "sso_connection_log"
        indexes = [
            models.Index(fields=["org_id", "connection", "-id"], name="sso_connection_log_newest"),
            models.Index(fields=["org_id", "connection", "outcome", "-id"], name="sso_connection_log_by_outcome"),
            models.Index(fields=["org_id", "connection", "email", "-id"], name="sso_connection_log_by_email"),
            models.Index(fields=["created_at"], name="sso_connection_log_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.code}".strip()

    @property
    def public_id(self) -> str:
        """`sle_…`."""
        return public_id("sle", self.id)


class UsedAssertion(TenantModel):
    """An assertion or logout token that came already, kept as long as it would be good: it opens nothing twice."""

    digest = models.BinaryField(max_length=32)
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "sso_used_assertion"
        constraints = [models.UniqueConstraint(fields=["org_id", "digest"], name="sso_used_assertion_once")]
        indexes = [models.Index(fields=["expires_at"], name="sso_used_assertion_by_end")]

    def __str__(self) -> str:
        return self.expires_at.isoformat()
