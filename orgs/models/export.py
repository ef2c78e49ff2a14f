"""Exports of everything an organization owns."""

from django.db import models

from config.kernel.identifiers import public_id
from config.kernel.tenancy.models import TenantModel


class DataExport(TenantModel):
    """One archive of an organization's rows (JSON Lines per table, no secrets), made by a background job."""

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting"
        RUNNING = "running"
        READY = "ready"
        FAILED = "failed"

    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    requested_by = models.ForeignKey("orgs.User", models.SET_NULL, null=True, related_name="+")
    tables_done = models.PositiveIntegerField(default=0)
    tables_total = models.PositiveIntegerField(default=0)
    rows = models.PositiveBigIntegerField(default=0)
    size = models.PositiveBigIntegerField(default=0)
    path = models.CharField(max_length=200, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "orgs_data_export"

    def __str__(self) -> str:
        return f"{self.public_id} {self.state}"

    @property
    def public_id(self) -> str:
        """`exp_…`."""
        return public_id("exp", self.id)
