"""How a person proved who they are. Kept in the session, carried by the principal, judged by the gates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

# For how long a proof counts as fresh, where an access asks for one (`recently`).
RECENT = timedelta(minutes=15)


class Method(StrEnum):
    """The ways to sign in. A second factor is told by SignIn.second_factor."""

    PASSWORD = "password"  # noqa: S105 - the name of a method
    MAGIC_LINK = "magic_link"
    GOOGLE = "google"
    GITHUB = "github"
    PASSKEY = "passkey"
    SSO = "sso"
    BREAK_GLASS = "break_glass"
    DEVELOPMENT = "development"


# Methods in the words that follow "with".
METHOD_WORDS = {
    Method.PASSWORD: "a password",
    Method.MAGIC_LINK: "a code by mail",
    Method.GOOGLE: "Google",
    Method.GITHUB: "GitHub",
    Method.PASSKEY: "a passkey",
    Method.SSO: "single sign-on",
    Method.BREAK_GLASS: "a break-glass code",
    Method.DEVELOPMENT: "the development sign-in",
}


class SecondFactor(StrEnum):
    """What was given beside the first proof."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY_CODE = "recovery_code"


@dataclass(frozen=True)
class SignIn:
    """One sign-in of a browser. `proven_at` moves with each re-authentication, `at` does not.

    `organization_id` and `connection_id` are those of single sign-on; `configuration_id` is the very configuration of
    the connection that was used. Break-glass names the organization whose code it was.
    """

    method: Method
    at: datetime
    proven_at: datetime
    organization_id: UUID | None = None
    connection_id: UUID | None = None
    configuration_id: UUID | None = None
    second_factor: SecondFactor | None = None

    def is_recent(self, now: datetime) -> bool:
        """Whether the person proved themselves within RECENT."""
        return self.proven_at <= now <= self.proven_at + RECENT

    def as_data(self) -> dict[str, str]:
        """For a session, which holds JSON."""
        data = {"method": self.method.value, "at": self.at.isoformat(), "proven_at": self.proven_at.isoformat()}
        for name in ("organization_id", "connection_id", "configuration_id", "second_factor"):
            value = getattr(self, name)
            if value is not None:
                data[name] = str(value)
        return data

    @classmethod
    def of_data(cls, data: Mapping[str, Any] | None) -> "SignIn | None":
        """From a session; None for what is no sign-in, which then counts as none."""
        if data is None:
            return None
        try:
            return cls(
                method=Method(data["method"]),
                at=datetime.fromisoformat(data["at"]),
                proven_at=datetime.fromisoformat(data["proven_at"]),
                organization_id=_id(data.get("organization_id")),
                connection_id=_id(data.get("connection_id")),
                configuration_id=_id(data.get("configuration_id")),
                second_factor=SecondFactor(data["second_factor"]) if data.get("second_factor") else None,
            )
        except (KeyError, TypeError, ValueError):
            return None


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None
