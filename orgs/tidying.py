"""Forgetting what has served its time."""

from datetime import timedelta

from django.utils import timezone

from config.kernel.tenancy.scope import system_scope
from orgs.models import IdempotencyKey

IDEMPOTENCY_LIFETIME = timedelta(hours=24)


def tidy() -> int:
    """Forgets old idempotency keys. Returns how many."""
    with system_scope("forget old idempotency keys"):
        return IdempotencyKey.objects.filter(created_at__lt=timezone.now() - IDEMPOTENCY_LIFETIME).delete_all()
