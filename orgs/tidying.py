"""Forgetting what has served its time."""

from datetime import timedelta

from django.utils import timezone

from config.kernel.tenancy.scope import system_scope
from orgs.models import BrowserSession, Change, IdempotencyKey, KnownDevice
from orgs.services.devices import COOKIE_LIFETIME

IDEMPOTENCY_LIFETIME = timedelta(hours=24)
# Twice the longest silence after which a process still trusts what it kept (orgs/changes.py).
CHANGE_LIFETIME = timedelta(hours=1)


def tidy() -> int:
    """Forgets old idempotency keys and notes of changes, sessions that are over, and devices whose cookie is.

    Returns how many.
    """
    now = timezone.now()
    changes, _ = Change.objects.filter(made_at__lt=now - CHANGE_LIFETIME).delete()
    sessions, _ = BrowserSession.objects.filter(expire_date__lte=now).delete()
    devices, _ = KnownDevice.objects.unused_since(now - COOKIE_LIFETIME).delete()
    with system_scope("forget old idempotency keys"):
        keys = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - IDEMPOTENCY_LIFETIME).delete_all()
    return changes + sessions + devices + keys
