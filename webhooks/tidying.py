"""Forgetting what has served its time."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit.models import first_id_at
from config.kernel.tenancy.scope import system_scope
from webhooks.models import Delivery, Endpoint, EndpointHour

BATCH = 2000
# Longer than a replay reaches back, or one that is on its way would send again what had been delivered.
MARGIN = timedelta(days=1)
# Charts show seven days by them, however short a time deliveries are kept.
HOURS_KEPT = timedelta(days=8)


def tidy() -> int:
    """Forgets deliveries that are over with their attempts, hours, and secrets whose overlap is over. Returns how many.

    Each batch is a transaction of its own, so a run that is stopped has done what it did.
    """
    now = timezone.now()
    oldest = now - timedelta(days=settings.TENANTRY_WEBHOOK_DELIVERIES_DAYS) - MARGIN
    with system_scope("webhook deliveries and secrets that have served their time"):
        over = Delivery.objects.filter(id__lt=first_id_at(oldest)).exclude(state=Delivery.State.PENDING)
        deliveries = sum(iter(lambda: _forget_batch(over), 0))
        hours = EndpointHour.objects.filter(hour__lt=min(oldest, now - HOURS_KEPT)).delete_all()
        secrets = Endpoint.objects.filter(previous_secret_ends_at__lte=now).update(
            previous_secret=None, previous_secret_ends_at=None
        )
    return deliveries + hours + secrets


@transaction.atomic
def _forget_batch(over: QuerySet[Delivery]) -> int:
    """What somebody replays at this moment is locked, or pending by then, and stays."""
    ids = list(over.select_for_update(skip_locked=True).order_by("id").values_list("id", flat=True)[:BATCH])
    if not ids:
        return 0
    return Delivery.objects.filter(id__in=ids).delete_all()
