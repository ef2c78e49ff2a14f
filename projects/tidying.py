"""Forgetting what has served its time."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from audit.models import first_id_at
from config.kernel.tenancy.scope import system_scope
from projects.models import TrackedEvent

AT_ONCE = 10_000


def forget_events() -> int:
    """Forgets the tracked events that are old, some at a time; their counts by day stay. Returns how many.

    Ids tell when a row was made, so the oldest are found by the primary key among all organizations.
    """
    oldest = first_id_at(timezone.now() - timedelta(days=settings.TENANTRY_USAGE_EVENT_DAYS))
    forgotten = 0
    with system_scope("forget old tracked events"):
        while True:
            rows = TrackedEvent.objects.filter(id__lt=oldest).order_by("id").values("id")[:AT_ONCE]
            deleted = TrackedEvent.objects.filter(id__in=rows).delete_all()
            forgotten += deleted
            if deleted < AT_ONCE:
                return forgotten
