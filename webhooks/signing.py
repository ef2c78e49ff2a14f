"""Signatures of deliveries (https://www.standardwebhooks.com): over id, timestamp and body, by every key in force."""

import base64
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from django.utils import timezone

from orgs.encryption import unseal
from webhooks.models import Endpoint

SECRET_PREFIX, PRIVATE_PREFIX = "whsec_", "whsk_"


@dataclass(frozen=True, repr=False)
class Keys:
    """What signs for one endpoint. The `previous` secret does so until `previous_ends_at`."""

    secret: bytes
    previous: bytes | None = None
    previous_ends_at: datetime | None = None
    private: Ed25519PrivateKey | None = None

    def in_force(self, now: datetime) -> list[bytes]:
        """The symmetric ones, the newest first."""
        if self.previous is not None and self.previous_ends_at is not None and now < self.previous_ends_at:
            return [self.secret, self.previous]
        return [self.secret]


def keys_of(endpoint: Endpoint) -> Keys:
    """Opens the secrets of an endpoint. Raises config.kernel.crypto.UnreadableError."""
    opened = partial(unseal, endpoint)
    return Keys(
        secret=_bytes_of(opened("secret"), SECRET_PREFIX),
        previous=_bytes_of(opened("previous_secret"), SECRET_PREFIX) if endpoint.previous_secret else None,
        previous_ends_at=endpoint.previous_secret_ends_at,
        private=_private_key(opened("signing_key")) if endpoint.signing_key else None,
    )


def signatures(keys: Keys, message_id: str, timestamp: int, body: bytes, *, now: datetime | None = None) -> str:
    """The header `webhook-signature`: `v1,…` for each secret in force and `v1a,…` of the Ed25519 key if there is one.

    `timestamp` in whole seconds since 1970; `now` says which secrets are in force.
    """
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    found = [f"v1,{_base64(_digest(key, signed))}" for key in keys.in_force(now or timezone.now())]
    if keys.private is not None:
        found.append(f"v1a,{_base64(keys.private.sign(signed))}")
    return " ".join(found)


def _digest(key: bytes, signed: bytes) -> bytes:
    # Other than hmac.digest this keeps the interpreter, which the worker's other thread would take meanwhile.
    copy = _begun(key).copy()
    copy.update(signed)
    return copy.finalize()


@lru_cache(maxsize=1000)
def _begun(key: bytes) -> HMAC:
    return HMAC(key, SHA256())


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes_of(text: str, prefix: str) -> bytes:
    return base64.b64decode(text.removeprefix(prefix), validate=True)


def _private_key(text: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_bytes_of(text, PRIVATE_PREFIX))
