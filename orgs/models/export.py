"""Exports of everything an organization owns."""

from datetime import datetime
from typing import ClassVar

from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.models import TenantManager, TenantModel, TenantQuerySet


class DataExportQuerySet(TenantQuerySet["DataExport"]):
    """Reads of exports."""

    def unfinished(self) -> "DataExportQuerySet":
        """Waiting or being made."""
        return self.filter(state__in=[DataExport.State.WAITING, DataExport.State.RUNNING])

    def standing_since(self, moment: datetime) -> "DataExportQuerySet":
        """Unfinished ones that have not moved after `moment`."""
        return self.unfinished().filter(updated_at__lte=moment)

    def by_reference(self, reference: str) -> "DataExport | None":
        """By public id; None for what does not parse, as for what does not exist."""
        export_id = parse_public_id("exp", reference)
        return self.filter(id=export_id).first() if export_id else None


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

    objects: ClassVar = TenantManager.from_queryset(DataExportQuerySet)()

    class Meta:
        db_table = "orgs_data_export"

    def __str__(self) -> str:
        return f"{self.public_id} {self.state}"

    @property
    def public_id(self) -> str:
        """`exp_…`."""
        return public_id("exp", self.id)

    @property
    def percent(self) -> int:
        """How much of it is done."""
        return 100 * self.tables_done // self.tables_total if self.tables_total else 0
