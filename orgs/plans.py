"""What each plan includes: data, changed by the operator with TENANTRY_PLANS."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from django.conf import settings

UNLIMITED = None


@dataclass(frozen=True)
class Plan:
    """`features` are names that licences tell products of; a limit of None means unlimited.

    `domains` counts the registered and seen hosts of an organization's projects, `events` what it tracks in a
    calendar month (UTC), `audit_days` for how many days its audit log is kept.
    """

    name: str
    features: tuple[str, ...]
    domains: int | None
    events: int | None
    audit_days: int | None

    @property
    def limits(self) -> dict[str, int | None]:
        """As licences and usage answers show them."""
        return {"domains": self.domains, "events": self.events}


DEFAULTS = {
    "free": Plan("free", ("core",), domains=3, events=10_000, audit_days=90),
    "pro": Plan("pro", ("core", "pro"), domains=50, events=1_000_000, audit_days=400),
    # Seven years, rather than for good: a month of which one organization's records are kept stays as a whole.
    "enterprise": Plan(
        "enterprise", ("core", "pro", "enterprise"), domains=UNLIMITED, events=UNLIMITED, audit_days=2_557
    ),
}


def plan_of(name: str) -> Plan:
    """The plan of that name. One that is not known has the limits of `free`."""
    return plans().get(name) or plans()["free"]


@cache
def plans() -> dict[str, Plan]:
    """All plans by name: DEFAULTS with what TENANTRY_PLANS says otherwise."""
    changes: dict[str, dict[str, Any]] = settings.TENANTRY_PLANS
    return {name: replace(plan, **_readable(changes.get(name, {}))) for name, plan in DEFAULTS.items()}


def _readable(changes: dict[str, Any]) -> dict[str, Any]:
    return {field: tuple(value) if field == "features" else value for field, value in changes.items()}
