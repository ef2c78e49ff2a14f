"""The tokens that the installation signs itself: JSON Web Tokens (RFC 7519) by Ed25519 (RFC 8037), and nothing else.

Each purpose has a media type of its own in the header (RFC 8725, 3.11) and in the claim `purpose`, so that no token
passes for another. Two keys are published at any time: the one that signs and the next one, which every verifier that
caches the key set therefore knows long before it signs. A retired key stays published until nothing that it signed
can still be valid. The keys are made when first needed; keys/services/signing_keys.py rotates and withdraws them.
"""

import base64
import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from audit.services import Target, record
from config.kernel.errors import AuthFailure
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope
from keys import events
from keys.models import SigningKey
from orgs.encryption import seal, unseal

ALGORITHM = "EdDSA"
# The longest that any token may live, and so how long a retired key stays published.
LONGEST_LIFETIME = timedelta(hours=24)
# By how much the clocks of our servers may differ.
LEEWAY = timedelta(seconds=5)
# How long a verifier may keep the key set, and how long a key is published before it signs: three times that, since
# libraries keep the set for up to ten minutes whatever the answer says.
KEY_SET_SECONDS = 300
PUBLISHED_AHEAD = timedelta(minutes=15)
# What clocks and memories may add to that.
MARGIN = timedelta(minutes=1)
LONGEST_TOKEN = 8192

REMEMBERED_SECONDS = 0.5
REMEMBERED_FOR_UNKNOWN_SECONDS = 0.05
LOCK = 0x7E4A0C  # any number that no other advisory lock of ours uses


class Purpose(StrEnum):
    """What a token is for."""

    ACCESS = "ACCESS"
    AGENT = "AGENT"
    ENTITLEMENT = "ENTITLEMENT"
    SSO_HANDOVER = "SSO_HANDOVER"


TYPES: dict[Purpose, str] = {
    Purpose.ACCESS: "at+jwt",  # RFC 9068
    Purpose.AGENT: "agent+jwt",
    Purpose.ENTITLEMENT: "entitlement+jwt",
    Purpose.SSO_HANDOVER: "handover+jwt",
}
# A statement of the audit log has no end, unlike tokens, and so passes for none of them.
CHECKPOINT_TYPE = "audit-checkpoint+jwt"
OURS = ("iss", "aud", "iat", "exp", "jti", "purpose")


def sign(purpose: Purpose, claims: dict[str, Any], *, lifetime: timedelta, audience: str) -> str:
    """A token with these claims and those of OURS, which `claims` must not contain. Raises ValueError."""
    if set(OURS) & set(claims):
        raise ValueError(f"The claims {sorted(set(OURS) & set(claims))} are set here.")
    if not timedelta(0) < lifetime <= LONGEST_LIFETIME:
        raise ValueError(f"A token lives for up to {LONGEST_LIFETIME}.")
    kid, private = _current()
    issued = datetime.now(UTC)
    whole = {
        **claims,
        "iss": settings.TENANTRY_URL,
        "aud": audience,
        "iat": int(issued.timestamp()),
        "exp": int((issued + lifetime).timestamp()),
        "jti": uuid4().hex,
        "purpose": purpose.value,
    }
    return jwt.encode(whole, private, algorithm=ALGORITHM, headers={"kid": kid, "typ": TYPES[purpose]})


def read(token: str, *, purpose: Purpose, audience: str) -> dict[str, Any]:
    """The claims of a token that we signed for exactly this purpose and audience. Raises AuthFailure."""
    header = _header(token)
    public = _accepted(header.get("kid"))
    if public is None or header.get("typ") != TYPES[purpose] or header.get("alg") != ALGORITHM or "crit" in header:
        raise AuthFailure
    try:
        claims = jwt.decode(
            token,
            public,
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=settings.TENANTRY_URL,
            leeway=LEEWAY,
            options={"require": list(OURS), "strict_aud": True},
        )
    except jwt.InvalidTokenError:
        raise AuthFailure from None
    if claims["purpose"] != purpose:
        raise AuthFailure
    return claims


def sign_checkpoint(claims: dict[str, Any]) -> str:
    """A statement of where the audit log stood (audit/checkpoints.py), for good."""
    kid, private = _current()
    whole = {**claims, "iss": settings.TENANTRY_URL, "iat": int(datetime.now(UTC).timestamp())}
    return jwt.encode(whole, private, algorithm=ALGORITHM, headers={"kid": kid, "typ": CHECKPOINT_TYPE})


def read_checkpoint(
    statement: str, keys: Mapping[str, bytes] | None = None
) -> tuple[str, dict[str, Any], datetime | None] | None:
    """The kid and claims of such a statement, and when its key was withdrawn. A key that has retired still counts.

    `keys` are public keys by kid to believe instead of those of the table; None for a statement by another one.
    Raises AuthFailure for everything that they, or we, have not signed.
    """
    header = _header(statement)
    if header.get("typ") != CHECKPOINT_TYPE or header.get("alg") != ALGORITHM or "crit" in header:
        raise AuthFailure
    kid = str(header.get("kid"))
    if keys is not None and kid not in keys:
        return None
    row = SigningKey.objects.filter(kid=kid).first()
    material = keys[kid] if keys is not None else bytes(row.public_key) if row else b""
    try:
        public = Ed25519PublicKey.from_public_bytes(material)
        claims = jwt.decode(statement, public, algorithms=[ALGORITHM], options={"verify_iat": False})
    except (jwt.InvalidTokenError, ValueError):
        raise AuthFailure from None
    return kid, claims, row.withdrawn_at if row else None


def last_withdrawal() -> datetime | None:
    """From when on nothing is signed with any of the keys that were withdrawn; None while none was."""
    last = SigningKey.objects.aggregate(last=Max("withdrawn_at"))["last"]
    return last + LEEWAY if last else None


def withdrawals(statements: Sequence[str]) -> list[datetime | None]:
    """When the key was withdrawn that each statement of ours names; None for never. Verifies nothing. One query."""
    moments = dict(SigningKey.objects.exclude(withdrawn_at=None).values_list("kid", "withdrawn_at"))
    return [moments.get(_kid_named(statement)) for statement in statements]


def checkpoint_keys(statements: Iterable[str]) -> list[dict[str, str]]:
    """The public keys behind such statements, as a key set has them: also those that have retired, none withdrawn."""
    kids = {_kid_named(statement) for statement in statements}
    rows = SigningKey.objects.filter(kid__in=kids, withdrawn_at=None).order_by("id")
    return [_published(row) for row in rows]


def ourselves() -> str:
    """The audience of tokens that come back to us."""
    return settings.TENANTRY_URL


def purpose_of(token: str) -> Purpose | None:
    """What a token says it is for; nothing about it is proven. None for what is no token of ours."""
    try:
        named = _header(token).get("typ")
    except AuthFailure:
        return None
    return next((purpose for purpose, name in TYPES.items() if name == named), None)


def published() -> list[dict[str, str]]:
    """The public keys as a key set has them (RFC 7517, RFC 8037), the oldest first."""
    return [_published(row) for row in _known(_needed()).values()]


def _published(row: SigningKey) -> dict[str, str]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _base64url(bytes(row.public_key)),
        "kid": row.kid,
        "alg": ALGORITHM,
        "use": "sig",
    }


def new_signing_key(*, ready_at: datetime, signs_from: datetime | None) -> SigningKey:
    """A key whose private part is sealed; saving is up to the caller. Its kid is its thumbprint (RFC 7638)."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public)}
    thumbprint = hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest()
    row = SigningKey(
        id=new_id(), kid=_base64url(thumbprint), public_key=public, ready_at=ready_at, signs_from=signs_from
    )
    seal(row, "private_key", _base64url(private.private_bytes_raw()))
    return row


def locked_keys() -> list[SigningKey]:
    """All keys, in the order of their making, while nobody else changes any. Makes the first two where there is none.

    Needs a transaction. Call `forget` after its commit.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    rows = list(SigningKey.objects.order_by("id"))
    if rows:
        return rows
    # No verifier has a key set yet that lacks the second one, so that is ready at once, too. Other servers' clocks may
    # be behind ours.
    now = timezone.now() - MARGIN
    for signs_from in (now, None):
        row = new_signing_key(ready_at=now, signs_from=signs_from)
        row.save()
        with system_scope("the first signing keys, whoever is at work"):
            record(events.SIGNING_KEY_CREATED, actor=SYSTEM, target=signing_key_target(row), org_id=INSTALLATION_ID)
        rows.append(row)
    return rows


def signing_key_target(row: SigningKey) -> Target:
    """How a signing key is named in the ledger."""
    return Target("signing_key", row.public_id, row.kid)


def published_until(row: SigningKey) -> datetime | None:
    """When the last thing that a key may have signed is over; None while it signs or waits."""
    return row.signs_until + LONGEST_LIFETIME + MARGIN if row.signs_until else None


@dataclass(frozen=True)
class _Memory:
    """The keys as they were at `read_at`, by the monotonic clock."""

    rows: tuple[SigningKey, ...]
    read_at: float


_memory: _Memory | None = None
_private_keys: dict[str, Ed25519PrivateKey] = {}
# Keys made in transactions that have not ended, or were rolled back: then nobody will ever see them again.
_uncommitted: set[str] = set()


def forget() -> None:
    """Drops what this process remembers of the keys."""
    global _memory  # noqa: PLW0603 - replaced whole, so that threads see the one or the other
    _memory = None
    _private_keys.clear()


def _rows(remembered: float = REMEMBERED_SECONDS) -> tuple[SigningKey, ...]:
    """The keys as of at most `remembered` seconds ago; empty before the first use of an installation."""
    global _memory  # noqa: PLW0603 - replaced whole, so that threads see the one or the other
    found = _memory
    started = time.monotonic()
    if found is None or started - found.read_at >= remembered:
        found = _Memory(tuple(SigningKey.objects.order_by("id")), started)
        if found.rows and not any(row.kid in _uncommitted for row in found.rows):
            _memory = found
        for kid in set(_private_keys) - {row.kid for row in found.rows if row.private_key is not None}:
            _private_keys.pop(kid, None)
    return found.rows


def _needed() -> tuple[SigningKey, ...]:
    rows = _rows()
    if rows:
        return rows
    inside = connection.in_atomic_block
    with transaction.atomic():
        made = tuple(locked_keys())
    # What a transaction around this one may yet roll back must not be remembered.
    if inside:
        forget()
        kids = {row.kid for row in made}
        _uncommitted.update(kids)
        transaction.on_commit(lambda: _uncommitted.difference_update(kids))
    return made


def _known(rows: tuple[SigningKey, ...]) -> dict[str, SigningKey]:
    """The keys whose signatures count, by kid."""
    now = timezone.now()
    found = {}
    for row in rows:
        until = published_until(row)
        if row.withdrawn_at is None and (until is None or until > now):
            found[row.kid] = row
    return found


def _current() -> tuple[str, Ed25519PrivateKey]:
    now = timezone.now()
    usable = [row for row in _needed() if row.withdrawn_at is None and row.private_key is not None]
    candidates = [row for row in usable if row.signs_from is not None and row.signs_from <= now]
    row = max(candidates, key=lambda candidate: candidate.signs_from or now)
    private = _private_keys.get(row.kid)
    if private is None:
        private = Ed25519PrivateKey.from_private_bytes(_from_base64url(unseal(row, "private_key")))
        _private_keys[row.kid] = private
    return row.kid, private


def _accepted(kid: Any) -> Ed25519PublicKey | None:
    if not isinstance(kid, str):
        return None
    row = _known(_rows()).get(kid) or _known(_rows(REMEMBERED_FOR_UNKNOWN_SECONDS)).get(kid)
    return Ed25519PublicKey.from_public_bytes(bytes(row.public_key)) if row else None


def _header(token: str) -> dict[str, Any]:
    if len(token) > LONGEST_TOKEN or not token.isascii():
        raise AuthFailure
    try:
        return jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise AuthFailure from None


def _kid_named(token: str) -> str:
    """What it says its key is; empty for what is no token."""
    try:
        return str(_header(token).get("kid", ""))
    except AuthFailure:
        return ""


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
