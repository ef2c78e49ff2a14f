"""What projects report of their use: the events, the counts by day, and the counts by month that plans limit.

A key's or agent's id is kept as text, since keys lie above; like a project, neither is deleted before its organization.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q, Sum

from config.kernel.tenancy.models import TenantForeignKey, TenantManager, TenantModel, TenantQuerySet
from projects.models.project import Project

NAME_LENGTH = 100
EVENT_ID_LENGTH = 100
DOMAIN_LENGTH = 253  # RFC 1035, 2.3.4
CALLER_LENGTH = 40

# What counts can be told apart by, in the order in which rows are sorted: the newest day first, then by name.
DIMENSIONS = ("day", "project", "key", "domain", "name")


def next_month(month: date) -> date:
    """The first day of the month after, on which counting begins anew."""
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


class TrackedEvent(TenantModel):
    """One event that was accepted. Kept for TENANTRY_USAGE_EVENT_DAYS, in which its `event_id` counts once.

    Rows come in batches from `keys.tracking` and are never changed; `created_at` is when it was received. There is no
    foreign key to the project, whose check would cost as much as the row, and which is never deleted by itself.
    """

    updated_at = None  # type: ignore[assignment] # nothing here ever changes
    project_id = models.UUIDField()
    key = models.CharField(max_length=CALLER_LENGTH, help_text="The key (key_…) or agent (agt_…) that sent it.")
    domain = models.CharField(max_length=DOMAIN_LENGTH, blank=True, help_text="The browser's host; empty for a server.")
    event_id = models.CharField(max_length=EVENT_ID_LENGTH, null=True, blank=True, db_collation="C")
    name = models.CharField(max_length=NAME_LENGTH)
    occurred_at = models.DateTimeField()
    properties = models.JSONField(default=dict, blank=True)

    objects: ClassVar = TenantManager()

    class Meta:
        db_table = "projects_tracked_event"
        constraints = [
            models.UniqueConstraint(
                fields=["org_id", "project_id", "event_id"],
                condition=Q(event_id__isnull=False),
                name="projects_tracked_event_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.occurred_at}"


class UsageDayQuerySet(TenantQuerySet["UsageDay"]):
    """Reads of the counts by day."""

    def matching(
        self, *, start: date | None = None, end: date | None = None, **values: str | UUID | None
    ) -> "UsageDayQuerySet":
        """From `start` to `end`, both included, narrowed by each of `project_id`, `key`, `domain`, `name` given."""
        rows = self.filter(**{name: value for name, value in values.items() if value is not None})
        if start:
            rows = rows.filter(day__gte=start)
        return rows.filter(day__lte=end) if end else rows

    def total(self) -> int:
        """All events together."""
        return self.aggregate(total=Sum("count"))["total"] or 0

    def grouped(
        self, dimensions: Sequence[str], *, after: Sequence[Any] | None = None
    ) -> "models.QuerySet[UsageDay, dict[str, Any]]":
        """Dictionaries of the dimensions' values and `total`, sorted as DIMENSIONS says.

        `after` are the values of the last group seen, for the page that follows it.
        """
        rows = self if after is None else self.filter(_behind(dimensions, after))
        order = [f"-{name}" if name == "day" else name for name in dimensions]
        return rows.values(*dimensions).annotate(total=Sum("count")).order_by(*order)


def _behind(dimensions: Sequence[str], after: Sequence[Any]) -> Q:
    """The groups that are sorted behind one: equal in the first dimensions, behind it in the next."""
    behind, equal = Q(pk__in=[]), Q()
    for name, value in zip(dimensions, after, strict=True):
        behind |= equal & Q(**{f"{name}__lt" if name == "day" else f"{name}__gt": value})
        equal &= Q(**{name: value})
    return behind


class UsageDay(TenantModel):
    """How many events of one name a key sent on one day (UTC) of their timestamps, from one domain. Kept for good."""

    project = TenantForeignKey(Project, models.CASCADE, related_name="usage", db_index=False)
    day = models.DateField()
    key = models.CharField(max_length=CALLER_LENGTH, db_collation="C")
    domain = models.CharField(max_length=DOMAIN_LENGTH, blank=True, db_collation="C")
    name = models.CharField(max_length=NAME_LENGTH, db_collation="C")
    count = models.BigIntegerField()

    objects: ClassVar = TenantManager.from_queryset(UsageDayQuerySet)()

    class Meta:
        db_table = "projects_usage_day"
        constraints = [
            models.UniqueConstraint(
                fields=["org_id", "project", "day", "key", "domain", "name"], name="projects_usage_day_once"
            )
        ]
        indexes = [models.Index(fields=["org_id", "day"], name="projects_usage_day_by_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.name}: {self.count}"


class UsageMonthQuerySet(TenantQuerySet["UsageMonth"]):
    """Reads of the counts by month."""

    def count_in(self, month: date) -> int:
        """What the organization in scope used in the month that begins on that day."""
        return self.filter(month=month).values_list("count", flat=True).first() or 0

    def to_mail(self) -> "UsageMonthQuerySet":
        """Those with a warning that nobody was mailed yet."""
        return self.filter(
            Q(warned_80_at__isnull=False, mailed_80_at__isnull=True)
            | Q(warned_100_at__isnull=False, mailed_100_at__isnull=True)
        )


class UsageMonth(TenantModel):
    """How many events an organization sent in one calendar month (UTC) by the clock of ours: what its plan limits.

    `warned_…_at` is when a threshold was passed and told as an event, `mailed_…_at` when its mails were handed over.
    """

    month = models.DateField(help_text="Its first day.")
    count = models.BigIntegerField(default=0)
    warned_80_at = models.DateTimeField(null=True, blank=True)
    warned_100_at = models.DateTimeField(null=True, blank=True)
    mailed_80_at = models.DateTimeField(null=True, blank=True)
    mailed_100_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar = TenantManager.from_queryset(UsageMonthQuerySet)()

    class Meta:
        db_table = "projects_usage_month"
        constraints = [models.UniqueConstraint(fields=["org_id", "month"], name="projects_usage_month_once")]
        indexes = [
            models.Index(
                fields=["org_id"],
                condition=Q(warned_80_at__isnull=False, mailed_80_at__isnull=True)
                | Q(warned_100_at__isnull=False, mailed_100_at__isnull=True),
                name="projects_usage_month_to_mail",
            )
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}: {self.count}"
