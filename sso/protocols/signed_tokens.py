"""Tokens that an OpenID provider signed: the checks that ID tokens and logout tokens share."""

import base64
import hmac
from datetime import UTC, datetime
from typing import Any

import jwt

from sso.causes import (
    ALGORITHM_REFUSED,
    AUDIENCE_MISMATCH,
    CLAIM_MISSING,
    EXPIRED,
    ISSUER_MISMATCH,
    MALFORMED,
    NOT_YET_VALID,
    SIGNATURE_INVALID,
    TOKEN_MISMATCH,
    Known,
    SignInRefused,
)
from sso.models import Configuration
from sso.protocols.published import ALGORITHMS, signing_key
from sso.protocols.received import CLOCK_SKEW, loggable, moment_of, text

MOST_CHARACTERS = 64 * 1024


def read_token(
    token: str, *, configuration: Configuration, required: tuple[str, ...], types: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token whose signature, issuer, audience and times hold. Raises SignInRefused.

    `required` are the claims that must be there, `types` the accepted values of `typ` in lower case ("" for none).
    """
    header = _header(token)
    if str(header.get("typ", "")).lower().removeprefix("application/") not in types:
        raise SignInRefused(MALFORMED, f"The token's type is {header.get('typ')!r}.")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise SignInRefused(ALGORITHM_REFUSED, f"The token is signed by {algorithm!r}; use one of {list(ALGORITHMS)}.")
    key_id = header.get("kid")
    key = signing_key(configuration, key_id=key_id if isinstance(key_id, str) else None, algorithm=algorithm)
    try:
        claims = jwt.decode(token, key, algorithms=[algorithm], options=_SIGNATURE_ONLY)
    except jwt.InvalidSignatureError:
        raise SignInRefused(
            SIGNATURE_INVALID, f"The token's signature does not fit the provider's key {key_id!r}."
        ) from None
    except jwt.PyJWTError as error:
        raise SignInRefused(MALFORMED, f"The token cannot be read: {error}.") from None
    known = Known(email=text(claims.get("email")), subject=text(claims.get("sub")), claims=loggable(claims))
    try:
        jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=configuration.client_id,
            issuer=configuration.issuer,
            leeway=CLOCK_SKEW,
            options={"require": list(required)},
        )
    except jwt.PyJWTError as error:
        raise _refusal(error, claims, configuration, known) from None
    _require_party(claims, configuration, known)
    return header, claims


_SIGNATURE_ONLY: Any = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


def _header(token: Any) -> dict[str, Any]:
    if not isinstance(token, str) or not token or len(token) > MOST_CHARACTERS:
        raise SignInRefused(MALFORMED, "There is no token, or one that is too long.")
    try:
        return jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise SignInRefused(MALFORMED, f"The token cannot be read: {error}.") from None


def _refusal(
    error: jwt.PyJWTError, claims: dict[str, Any], configuration: Configuration, known: Known
) -> SignInRefused:
    """Each failure of PyJWT with its own cause."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    match error:
        case jwt.MissingRequiredClaimError():
            cause, exactly = CLAIM_MISSING, f"The token has no {error.claim}."
        case jwt.ExpiredSignatureError():
            cause, exactly = EXPIRED, f"The token ended at {_shown(claims.get('exp'))}; it is {now} here."
        case jwt.ImmatureSignatureError():
            begins = f"nbf {_shown(claims.get('nbf'))}, iat {_shown(claims.get('iat'))}"
            cause, exactly = NOT_YET_VALID, f"The token begins at {begins}; it is {now} here."
        case jwt.InvalidAudienceError():
            exactly = f"aud is {claims.get('aud')!r}, not the client id {configuration.client_id!r}."
            cause = AUDIENCE_MISMATCH
        case jwt.InvalidIssuerError():
            cause, exactly = ISSUER_MISMATCH, f"iss is {claims.get('iss')!r}, not {configuration.issuer!r}."
        case _:
            cause, exactly = MALFORMED, f"The token cannot be read: {error}."
    return SignInRefused(cause, exactly, known=known)


def _require_party(claims: dict[str, Any], configuration: Configuration, known: Known) -> None:
    """Of a token for several, the authorized party must be us (OpenID Connect Core 1.0, 3.1.3.7, 3 to 5)."""
    audience, party = claims.get("aud"), claims.get("azp")
    several = isinstance(audience, list) and len(audience) > 1
    if (several or party is not None) and party != configuration.client_id:
        exactly = f"azp is {party!r} for aud {audience!r}, not the client id {configuration.client_id!r}."
        raise SignInRefused(AUDIENCE_MISMATCH, exactly, known=known)


def require_access_token_hash(claims: dict[str, Any], access_token: str, *, algorithm: str) -> None:
    """`at_hash`, where there is one: the left half of the access token's hash (OpenID Connect Core 1.0, 3.1.3.6)."""
    given = claims.get("at_hash")
    if given is None:
        return
    digest = jwt.get_algorithm_by_name(algorithm).compute_hash_digest(access_token.encode())
    expected = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not hmac.compare_digest(text(given).encode(), expected):
        raise SignInRefused(TOKEN_MISMATCH, "at_hash does not fit the access token.")


def _shown(seconds: Any) -> str:
    moment = moment_of(seconds)
    return moment.isoformat(timespec="seconds") if moment else repr(seconds)
