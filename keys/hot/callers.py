"""Who asks, on the fast path: a secret key from memory. Everything else is for the full path to judge."""

import hashlib
from typing import Any

from django.conf import settings

from config.kernel.hot import Answer
from config.kernel.middleware import client_address_of
from keys.facts import NO_TERMS, KeyFacts, address_allowed
from keys.hot.cache import cache
from keys.limits import take
from keys.models import Key
from keys.uses import NOTED, recorder
from keys.verification import state_refusal

SECRET = Key.Kind.SECRET.value
SECRET_PREFIX = "sk_"  # noqa: S105 - the beginning of all secret keys
BEARER = "Bearer "
# Where the caller's address stands. It is noted as it stands there, and read when it is written.
ADDRESS_HEADER = "HTTP_X_FORWARDED_FOR" if settings.TENANTRY_TRUSTED_PROXIES else "REMOTE_ADDR"


def calling_key(environ: dict[str, Any], permission: str, now: float, *, may_wait: bool = True) -> KeyFacts | None:
    """The secret key that a request comes with, when it works and carries `permission`; None for the full path.

    Unless it `may_wait`, it asks memory alone: neither PostgreSQL for the key nor Valkey for a rate limit.

    The same rules as keys.authentication and the organization gate: no second credential, no browser, address list,
    rate limit. A claim of X-Organization-Id is rare enough for the full path to compare.
    """
    text = presented(environ)
    if text is None:
        return None
    digest = hashlib.sha256(text.encode()).digest()
    key = cache.get(digest) if may_wait else cache.kept(digest)
    if (
        key is None
        or key.family.kind != SECRET
        or permission not in key.family.permissions
        or key.terms.is_imported  # the full path looks at its spelling
        or state_refusal(key, now) is not None
    ):
        return None
    if key.terms is not NO_TERMS:
        # Reading the address costs as much as all the rest, so it is read where it decides.
        if key.terms.networks and not address_allowed(client_address_of(environ), key.terms.networks):
            return None
        if key.terms.rate is not None and not (may_wait and take(key, 1).is_granted):
            return None
    recorder.note(key, environ.get(ADDRESS_HEADER), now)
    return key


def left(environ: dict[str, Any]) -> Answer | None:
    """Leaves a request to the full path after its key was found, and its use counted: no answer."""
    environ[NOTED] = True
    return None


def presented(environ: dict[str, Any]) -> str | None:
    """The one credential of a request that looks like a secret key, of a request without anything unusual."""
    if "HTTP_ORIGIN" in environ or "HTTP_X_ORGANIZATION_ID" in environ or "HTTP_X_ORGANIZATION_NAME" in environ:
        return None
    authorization, api_key = environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_X_API_KEY")
    if authorization is not None:
        if api_key is not None or not authorization.startswith(BEARER):
            return None
        api_key = authorization[len(BEARER) :]
    return api_key if api_key is not None and api_key.startswith(SECRET_PREFIX) else None
