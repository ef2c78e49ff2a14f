"""Forgetting what has served its time."""

from datetime import timedelta

from django.utils import timezone

from keys.models import UsedNonce
from orgs.models import ServiceAccountSecret

# For so long the ledger can still tell that somebody signs with a secret that has ended.
SECRETS_KEPT = timedelta(days=30)


def tidy() -> int:
    """Forgets used nonces whose signatures are too old to pass, and secrets that ended long ago. Returns how many."""
    now = timezone.now()
    nonces, _ = UsedNonce.objects.filter(expires_at__lte=now).delete()
    secrets, _ = ServiceAccountSecret.objects.filter(expires_at__lte=now - SECRETS_KEPT).delete()
    return nonces + secrets
