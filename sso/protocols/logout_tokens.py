"""Logout tokens (OpenID Connect Back-Channel Logout 1.0, section 2.4)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sso.causes import CLAIM_MISSING, EXPIRED, MALFORMED, SignInRefused
from sso.models import Configuration
from sso.protocols.received import CLOCK_SKEW, exact_text, loggable, moment_of, session_name
from sso.protocols.signed_tokens import read_token

EVENT = "http://schemas.openid.net/event/backchannel-logout"
CLAIMS = ("iss", "aud", "iat", "exp", "jti", "events")
# An older one is refused whatever its `exp` says, so that we need not remember used ones for longer.
OLDEST = timedelta(minutes=10)


@dataclass(frozen=True)
class LogoutToken:
    """Whose sessions end: those of `session`, or all of `subject` when that is empty. `id` is good once."""

    id: str
    subject: str
    session: str
    good_until: datetime
    claims: dict[str, Any]


def read_logout_token(token: str, *, configuration: Configuration) -> LogoutToken:
    """The token, checked (section 2.6). Raises SignInRefused."""
    _, claims = read_token(token, configuration=configuration, required=CLAIMS, types=("", "jwt", "logout+jwt"))
    if "nonce" in claims:
        raise SignInRefused(MALFORMED, "A logout token has no nonce: this one was made for something else.")
    events = claims["events"]
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise SignInRefused(CLAIM_MISSING, f"The token's events do not have {EVENT}.")
    subject, token_id = map(exact_text, map(claims.get, ("sub", "jti")))
    session, issued = session_name(claims.get("sid")), moment_of(claims["iat"])
    if not token_id or not (subject or session):
        raise SignInRefused(CLAIM_MISSING, "The token has no jti, or neither sub nor sid.")
    if issued is None:
        raise SignInRefused(MALFORMED, f"The token's iat is {claims['iat']!r}, which is no time.")
    if datetime.now(UTC) > issued + OLDEST:
        raise SignInRefused(EXPIRED, f"The token was made at {issued.isoformat(timespec='seconds')}.")
    return LogoutToken(
        id=token_id,
        subject=subject,
        session=session,
        good_until=issued + OLDEST + CLOCK_SKEW,
        claims=loggable(claims),
    )
