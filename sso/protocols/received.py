"""What came from an identity provider and passed every check of its protocol."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

# How far an identity provider's clock may be from ours.
CLOCK_SKEW = timedelta(seconds=60)

# Protocol values and secrets, which no log needs.
_LEFT_OUT = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "jti", "access_token", "id_token", "refresh_token"})
MOST_CLAIMS = 60
MOST_VALUES = 50
LONGEST_VALUE = 300
LONGEST_SESSION = 255


@dataclass(frozen=True)
class Received:
    """Who somebody is to their identity provider.

    `email_verified` and `groups` are None where the provider says nothing about them. `provider_session` is what it
    calls its session (`sid`), `authenticated_at` when the person proved themselves to it.
    """

    issuer: str
    subject: str
    email: str
    email_verified: bool | None = None
    name: str = ""
    groups: tuple[str, ...] | None = None
    provider_session: str = ""
    authenticated_at: datetime | None = None
    claims: dict[str, Any] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """For the cache, in JSON's types."""
        return {
            **self.__dict__,
            "groups": list(self.groups) if self.groups is not None else None,
            "authenticated_at": self.authenticated_at.isoformat() if self.authenticated_at else None,
        }

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> "Received":
        """The same again."""
        groups, at = data["groups"], data["authenticated_at"]
        return cls(
            **{
                **data,
                "groups": tuple(groups) if groups is not None else None,
                "authenticated_at": datetime.fromisoformat(at) if at else None,
            }
        )


def loggable(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Claims for the log: without what opens anything, and of a size that a page can show."""
    kept = [(name, value) for name, value in claims.items() if name not in _LEFT_OUT]
    return {storable(str(name))[:LONGEST_VALUE]: _short(value) for name, value in kept[:MOST_CLAIMS]}


def _short(value: Any) -> Any:
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [_short(each) for each in value[:MOST_VALUES]]
    return storable(value if isinstance(value, str) else repr(value))[:LONGEST_VALUE]


def storable(text: str) -> str:
    """The text without NUL and lone surrogates, which JSON may hold and no database keeps."""
    return text.replace("\x00", "").encode(errors="replace").decode()


def exact_text(value: Any) -> str:
    """A claim that is one text, to the letter; empty for whatever else it is, and for what no database keeps."""
    return value if isinstance(value, str) and storable(value) == value else ""


def texts(value: Any) -> tuple[str, ...]:
    """The texts of a claim that is one text or a list of them; whatever else it holds is left out."""
    if isinstance(value, str):
        value = (value,)
    if isinstance(value, Iterable) and not isinstance(value, Mapping | bytes):
        return tuple(filter(None, map(exact_text, value)))
    return ()


def text(value: Any) -> str:
    """The first text of a claim, or an empty one."""
    found = texts(value)
    return found[0].strip() if found else ""


def session_name(value: Any) -> str:
    """What a provider calls its session, as it is kept and found again at its end."""
    return text(value)[:LONGEST_SESSION]


def moment_of(seconds: Any) -> datetime | None:
    """A NumericDate (RFC 7519, section 2); None for what is none."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
