"""Forgetting what has served its time."""

from datetime import timedelta

from django.utils import timezone

from config.kernel.tenancy.scope import system_scope
from orgs.models import Change, IdempotencyKey

IDEMPOTENCY_LIFETIME = timedelta(hours=24)
# Twice the longest silence after which a process still trusts what it kept (orgs/changes.py).
CHANGE_LIFETIME = timedelta(hours=1)


def tidy() -> int:
    """Forgets old idempotency keys and notes of changes. Returns how many."""
    changes, _ = Change.objects.filter(made_at__lt=timezone.now() - CHANGE_LIFETIME).delete()
    with system_scope("forget old idempotency keys"):
        keys = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - IDEMPOTENCY_LIFETIME).delete_all()
    return changes + keys
