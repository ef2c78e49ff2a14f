"""Forgetting what has served its time."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from keys.models import RefreshToken, TokenSession, UsedNonce
from orgs.models import ServiceAccountSecret

# For so long the ledger can still tell that somebody signs with a secret that has ended.
SECRETS_KEPT = timedelta(days=30)
# For so long staff see how a session ended.
SESSIONS_KEPT = timedelta(days=30)


def tidy() -> int:
    """Forgets nonces and refresh tokens too old to pass, and secrets and sessions that ended long ago. Returns how
    many.
    """
    now = timezone.now()
    nonces, _ = UsedNonce.objects.filter(expires_at__lte=now).delete()
    secrets, _ = ServiceAccountSecret.objects.filter(expires_at__lte=now - SECRETS_KEPT).delete()
    tokens, _ = RefreshToken.objects.filter(expires_at__lte=now).delete()
    over = Q(expires_at__lte=now - SESSIONS_KEPT) | Q(ended_at__lte=now - SESSIONS_KEPT)
    sessions, _ = TokenSession.objects.filter(over).delete()
    return nonces + secrets + tokens + sessions
