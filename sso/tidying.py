"""Forgetting what has served its time."""

from datetime import timedelta

from django.utils import timezone

from config.kernel.tenancy.scope import system_scope
from sso.models import ConnectionLogEntry, DeviceAuthorization, HandoverToken, UsedAssertion

LOG_LIFETIME = timedelta(days=90)
# So long a code that comes again still ends the session that it opened.
HANDOVER_LIFETIME = timedelta(days=1)
# So long a command line that asks again is told why it has no tokens.
DEVICE_LIFETIME = timedelta(days=1)


def tidy() -> int:
    """Forgets old lines of connections' logs, assertions that are no longer good anyway, old handovers and devices.

    Returns how many.
    """
    now = timezone.now()
    with system_scope("forget old lines of connections' logs and assertions that have ended"):
        lines = ConnectionLogEntry.objects.filter(created_at__lt=now - LOG_LIFETIME).delete_all()
        assertions = UsedAssertion.objects.filter(expires_at__lt=now).delete_all()
    with system_scope("forget old handovers"):
        handovers = HandoverToken.objects.filter(expires_at__lt=now - HANDOVER_LIFETIME).delete_all()
    devices, _ = DeviceAuthorization.objects.filter(expires_at__lt=now - DEVICE_LIFETIME).delete()
    return lines + assertions + handovers + devices
