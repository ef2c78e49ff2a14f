"""The terms of a key: what it may, from where, how often and until when."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from config.kernel.errors import Forbidden, Invalid
from config.kernel.permissions import KEY_PERMISSIONS, KEY_PRESETS, PERSONAL_PERMISSIONS, Permission
from config.kernel.principals import SYSTEM, Principal, StaffPrincipal, UserPrincipal
from keys.models import Key, KeyPolicy

MOST_ADDRESSES = 50
METADATA_ITEMS = 50
LARGEST_RATE = 1_000_000_000
LONGEST_WINDOW = timedelta(days=30)
MOST_USES = 10**15


@dataclass(frozen=True)
class RateLimit:
    """So many uses in each window: verifications, and requests to our own API."""

    limit: int
    window_seconds: int

    @classmethod
    def of(cls, key: Key) -> "RateLimit | None":
        """That of a key; None without one."""
        if key.rate_limit is None or key.rate_window_seconds is None:
            return None
        return cls(key.rate_limit, key.rate_window_seconds)

    def checked(self) -> "RateLimit":
        """Itself. Raises Invalid for numbers out of bounds."""
        longest = int(LONGEST_WINDOW.total_seconds())
        if not (1 <= self.limit <= LARGEST_RATE and 1 <= self.window_seconds <= longest):
            raise Invalid.field(
                "rate_limit", f"Allow 1 to {LARGEST_RATE} uses in a window of 1 to {longest} seconds (30 days)."
            )
        return self

    def told(self) -> dict[str, int]:
        """As events and answers have it."""
        return {"limit": self.limit, "window_seconds": self.window_seconds}


def limit_columns(rate_limit: RateLimit | None) -> dict[str, int | None]:
    """The columns of a rate limit. Raises Invalid."""
    if rate_limit is None:
        return {"rate_limit": None, "rate_window_seconds": None}
    return {"rate_limit": rate_limit.checked().limit, "rate_window_seconds": rate_limit.window_seconds}


def checked_uses(remaining: int | None) -> int | None:
    """How often a key can be verified from now on; None for no limit. Raises Invalid."""
    if remaining is not None and not 0 <= remaining <= MOST_USES:
        raise Invalid.field("remaining", f"Choose a number from 0 to {MOST_USES}.")
    return remaining


def checked_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Itself. Raises Invalid for too many entries; what they may be is for the edges to say."""
    if len(metadata) > METADATA_ITEMS:
        raise Invalid.field("metadata", f"Keep at most {METADATA_ITEMS} entries.")
    return metadata


def checked_end(policy: KeyPolicy, *, made_at: datetime, expires_at: datetime | None) -> datetime | None:
    """When a key ends. Raises Invalid for the past, and for what the organization's policy does not allow."""
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid.field("expires_at", "Choose a time in the future.")
    refusal = policy.refusal(made_at=made_at, expires_at=expires_at)
    if refusal is not None:
        raise Invalid.field("expires_at", refusal)
    return expires_at


def chosen_permissions(
    *, actor: Principal, kind: str, permissions: str | list[str] | None, holder: frozenset[Permission]
) -> list[str]:
    """The permissions a key or agent gets, sorted. Raises Invalid, Forbidden.

    A person gives of the permissions of people only their own; a program gives nothing that it has not.
    """
    if kind == Key.Kind.PUBLISHABLE:
        if permissions:
            raise Invalid.field("permissions", "Publishable keys are public and have no permissions.")
        return []
    if permissions is None:
        permissions = "runner"
    if isinstance(permissions, str):
        if permissions not in KEY_PRESETS:
            raise Invalid.field("permissions", f"Choose a preset ({', '.join(KEY_PRESETS)}) or a list of permissions.")
        chosen = KEY_PRESETS[permissions]
    else:
        unknown = sorted(set(permissions) - {permission.value for permission in KEY_PERMISSIONS})
        if unknown:
            raise Invalid.field("permissions", f"Not a permission of keys: {', '.join(unknown)}.")
        chosen = frozenset(map(Permission, permissions))
    person = isinstance(actor, UserPrincipal | StaffPrincipal) or actor == SYSTEM
    bounded = chosen & PERSONAL_PERMISSIONS if person else chosen
    beyond = sorted(bounded - holder)
    if beyond:
        raise Forbidden(f"You may not give what you may not do yourself: {', '.join(beyond)}.")
    return sorted(chosen)


def checked_networks(networks: list[str], *, kind: str) -> list[str]:
    """CIDR networks in their canonical spelling, for secret keys. Raises Invalid."""
    if networks and kind == Key.Kind.PUBLISHABLE:
        raise Invalid.field("allowed_ips", "Publishable keys are used from browsers: lock them to domains instead.")
    if len(networks) > MOST_ADDRESSES:
        raise Invalid.field("allowed_ips", f"Name at most {MOST_ADDRESSES} networks.")
    unreadable = Invalid.field("allowed_ips", "Write addresses or networks such as 203.0.113.0/24.")
    if any("%" in network for network in networks):  # a scope zone (RFC 4007) means nothing on another machine
        raise unreadable
    try:
        return sorted({str(ipaddress.ip_network(network, strict=False)) for network in networks})
    except ValueError:
        raise unreadable from None
