"""Exports of the ledger: files of its records, made in the background."""

from typing import ClassVar

from django.db import models

from config.kernel.identifiers import parse_public_id, public_id
from config.kernel.tenancy.models import TenantManager, TenantModel, TenantQuerySet

ONE_AT_A_TIME = "audit_export_one_at_a_time"


class AuditExportQuerySet(TenantQuerySet["AuditExport"]):
    """Reads of exports."""

    def unfinished(self) -> "AuditExportQuerySet":
        """Waiting or being made."""
        return self.filter(state__in=AuditExport.UNFINISHED)

    def by_reference(self, reference: str) -> "AuditExport | None":
        """By public id; None for what does not parse, as for what does not exist."""
        export_id = parse_public_id("aex", reference)
        return self.filter(id=export_id).first() if export_id else None


class AuditExport(TenantModel):
    """One archive of an organization's records, narrowed by `filters`, made by a background job (audit/exporting.py).

    `plan` is what the job decided when it began: which records in all. `parts` are the files that it has written so
    far, `position` is what comes next. Whoever works on it holds `attempt`; one that lost its turn writes nothing.
    """

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting"
        RUNNING = "running"
        READY = "ready"
        FAILED = "failed"
        CANCELLED = "cancelled"

    class Format(models.TextChoices):
        """How the records are written."""

        JSON_LINES = "jsonl", "JSON Lines"
        CSV = "csv", "CSV"

    UNFINISHED = (State.WAITING, State.RUNNING)

    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    format = models.CharField(max_length=10, choices=Format.choices)
    filters = models.JSONField(default=dict)
    requested_by = models.CharField(max_length=80)
    requested_by_label = models.CharField(max_length=320)
    rows_done = models.PositiveBigIntegerField(default=0)
    rows_total = models.PositiveBigIntegerField(default=0, help_text="As counted in the beginning; 0 if it was not.")
    size = models.PositiveBigIntegerField(default=0)
    path = models.CharField(max_length=200, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    plan = models.JSONField(default=dict)
    parts = models.JSONField(default=list)
    position = models.CharField(max_length=40, blank=True)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar = TenantManager.from_queryset(AuditExportQuerySet)()

    class Meta:
        db_table = "audit_export"
        constraints = [
            models.UniqueConstraint(
                fields=["org_id"],
                condition=models.Q(state__in=("waiting", "running")),
                name=ONE_AT_A_TIME,
            ),
        ]
        indexes = [
            models.Index(fields=["org_id"], condition=~models.Q(parts=[]), name="audit_export_with_parts"),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} {self.state}"

    @property
    def public_id(self) -> str:
        """`aex_…`."""
        return public_id("aex", self.id)

    @property
    def is_whole(self) -> bool:
        """Whether it has every record of a range, and so proves that none is missing."""
        return not set(self.filters) - {"since", "until"}
