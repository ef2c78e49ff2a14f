"""Sign-ins that this browser began and that have not come back yet, in its session. Each comes back once."""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.contrib.sessions.backends.base import SessionBase
from django.core.cache import cache
from django.utils import timezone

KEY = "pending_sign_ins"
LIFETIME = timedelta(minutes=10)
# Several tabs may be on their way; the oldest gives way.
MOST = 5


class Purpose(StrEnum):
    """What the person wants: to get in, to prove themselves again, or to see whether the connection works."""

    SIGN_IN = "sign_in"
    CONFIRM = "confirm"
    TEST = "test"


@dataclass(frozen=True)
class Pending:
    """`name` is what the answer must bring: the state of OpenID Connect, or the id of the SAML request.

    `fresh` asks for a proof of identity newer than `at`. `user_id` is who was signed in when a test or a new proof of
    theirs began. `nonce` and `verifier` are OpenID Connect's.
    """

    name: str
    connection_id: str
    configuration_id: str
    purpose: str
    at: str
    next_path: str = ""
    fresh: bool = False
    user_id: str = ""
    nonce: str = ""
    verifier: str = ""

    @property
    def began_at(self) -> datetime:
        """When the browser was sent away."""
        return datetime.fromisoformat(self.at)


def keep(session: SessionBase, pending: Pending) -> None:
    """Notes that an answer is awaited."""
    kept = [each for each in session.get(KEY, []) if each["name"] != pending.name]
    session[KEY] = [*kept, asdict(pending)][-MOST:]


def take(session: SessionBase, name: str, *, connection_id: UUID) -> Pending | None:
    """The sign-in that an answer of this connection belongs to, which is over by that; None when there is none."""
    kept = session.get(KEY, [])
    found = [each for each in kept if secrets.compare_digest(each["name"].encode(), name.encode())]
    if not found:
        return None
    session[KEY] = [each for each in kept if each not in found]
    pending = Pending(**found[0])
    if pending.connection_id != str(connection_id) or timezone.now() > pending.began_at + LIFETIME:
        return None
    return pending


# -- SAML: the answer is posted from another site, without our cookies, so two things are kept beside the session ------
ARRIVED_SECONDS = 120


def remember_request(pending: Pending) -> None:
    """Which configuration and purpose a SAML request has, for the post that answers it."""
    record = {name: getattr(pending, name) for name in ("connection_id", "configuration_id", "purpose")}
    cache.set(f"sso:request:{pending.name}", record, int(LIFETIME.total_seconds()))


def remembered_request(name: str, *, connection_id: UUID) -> dict[str, str] | None:
    """What was remembered of a request of this connection."""
    record = cache.get(f"sso:request:{name}") if name and len(name) <= 100 else None  # noqa: PLR2004 - ours are shorter
    return record if record and record["connection_id"] == str(connection_id) else None


def keep_arrived(record: dict[str, Any]) -> str:
    """Keeps a checked answer until the browser comes for it with its cookies. Returns the secret that it comes with."""
    handle = secrets.token_urlsafe(32)
    cache.set(f"sso:arrived:{handle}", record, ARRIVED_SECONDS)
    return handle


def arrived(handle: str, *, connection_id: UUID) -> dict[str, Any] | None:
    """The checked answer of that secret, if it came by this connection."""
    record = cache.get(f"sso:arrived:{handle}") if handle and len(handle) <= 100 else None  # noqa: PLR2004 - as above
    return record if record and record["connection_id"] == str(connection_id) else None


def use_arrived(handle: str) -> bool:
    """Whether this is the first use; of several at the same moment one is."""
    return bool(cache.delete(f"sso:arrived:{handle}"))
