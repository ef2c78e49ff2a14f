"""Who asks, on the fast path: a secret key from memory. Everything else is for the full path to judge."""

import hashlib
from datetime import datetime
from typing import Any

from django.conf import settings

from config.kernel.middleware import client_address_of
from config.kernel.permissions import Permission
from keys.facts import KeyFacts, address_allowed
from keys.hot.cache import cache
from keys.models import Key
from keys.uses import recorder
from keys.verification import state_refusal

SECRET_PREFIX = "sk_"  # noqa: S105 - the beginning of all secret keys
BEARER = "Bearer "


def calling_key(environ: dict[str, Any], permission: Permission, now: datetime) -> KeyFacts | None:
    """The secret key that a request comes with, when it works and carries `permission`; None for the full path.

    The same rules as keys.authentication and the organization gate: no second credential, no browser, address list,
    and agreement of X-Organization-Id.
    """
    authorization, api_key = environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_X_API_KEY")
    if authorization is not None:
        if api_key is not None or not authorization.startswith(BEARER):
            return None
        api_key = authorization[len(BEARER) :]
    if api_key is None or not api_key.startswith(SECRET_PREFIX) or "HTTP_ORIGIN" in environ:
        return None
    key = cache.get(hashlib.sha256(api_key.encode()).digest())
    if key is None or key.kind != Key.Kind.SECRET or permission not in key.permissions:
        return None
    if state_refusal(key, now) is not None or not _agrees(environ, key):
        return None
    # Reading the address costs as much as all the rest, so it is read where it decides, or where a proxy hides it.
    exact = key.networks or settings.TENANTRY_TRUSTED_PROXIES
    ip = client_address_of(environ) if exact else environ.get("REMOTE_ADDR")
    if not address_allowed(ip, key.networks):
        return None
    recorder.note(key.public_id, ip)
    return key


def _agrees(environ: dict[str, Any], key: KeyFacts) -> bool:
    # Rare enough for the full path, which also refuses a key together with a signature.
    if "HTTP_X_ORGANIZATION_NAME" in environ or "HTTP_SIGNATURE" in environ or "HTTP_SIGNATURE_INPUT" in environ:
        return False
    claimed = environ.get("HTTP_X_ORGANIZATION_ID")
    return claimed is None or claimed == key.project.organization.public_id
