"""Browsers that a person has signed in from before."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from django.db import models

from config.kernel.tenancy.models import new_id


class KnownDeviceQuerySet(models.QuerySet["KnownDevice"]):
    """Reads of known devices."""

    def of_user(self, user_id: UUID) -> "KnownDeviceQuerySet":
        """One person's."""
        return self.filter(user_id=user_id)

    def unused_since(self, moment: datetime) -> "KnownDeviceQuerySet":
        """Those that nobody has signed in from since."""
        return self.filter(last_used_at__lt=moment)


class KnownDevice(models.Model):
    """A browser that keeps our device cookie, whose digest this is, and whose person proved themselves there.

    `label` and `network` let a browser that lost its cookie pass for the same one (orgs.services.devices).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey("orgs.User", models.CASCADE, related_name="known_devices")
    digest = models.BinaryField(max_length=32)
    label = models.CharField(max_length=80, help_text="Browser and system in words.")
    network = models.CharField(max_length=50, blank=True, help_text="Of the address last signed in from.")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField()

    objects: ClassVar = KnownDeviceQuerySet.as_manager()

    class Meta:
        db_table = "orgs_known_device"
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="orgs_known_device_once")]
        indexes = [models.Index(fields=["last_used_at"], name="orgs_known_device_by_use")]

    def __str__(self) -> str:
        return self.label
