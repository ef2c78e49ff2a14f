"""What an organization demands of its keys."""

from typing import Any, TypedDict, Unpack

from django.db import transaction

from audit.services import Target, record
from config.kernel.errors import Invalid
from config.kernel.principals import Principal
from keys import events
from keys.models import LONGEST_LIFETIME_DAYS, KeyPolicy
from orgs.models import Organization

COLUMNS = ("longest_lifetime_days", "is_expiry_required", "on_leak")


class Demands(TypedDict, total=False):
    """What may be changed; what is left out stays."""

    longest_lifetime_days: int | None
    is_expiry_required: bool
    on_leak: str


def locked_key_policy(organization: Organization) -> KeyPolicy:
    """The policy of the organization in scope, locked. Two at once: one makes the row, the other waits for it."""
    KeyPolicy.objects.bulk_create([KeyPolicy(org_id=organization.id)], ignore_conflicts=True)
    return KeyPolicy.objects.select_for_update().get()


@transaction.atomic
def set_key_policy(*, actor: Principal, organization: Organization, **demands: Unpack[Demands]) -> KeyPolicy:
    """Changes what the organization in scope demands. Keys that are there stay as they are. Raises Invalid."""
    days = demands.get("longest_lifetime_days")
    if days is not None and not 1 <= days <= LONGEST_LIFETIME_DAYS:
        raise Invalid.field("longest_lifetime_days", f"Choose 1 to {LONGEST_LIFETIME_DAYS} days, or no limit.")
    if demands.get("on_leak", KeyPolicy.OnLeak.REPORT) not in KeyPolicy.OnLeak.values:
        raise Invalid.field("on_leak", f"Choose one of {', '.join(KeyPolicy.OnLeak.values)}.")
    policy = locked_key_policy(organization)
    changes: dict[str, list[Any]] = {}
    for column in COLUMNS:
        before = getattr(policy, column)
        value = demands.get(column, before)
        if value != before:
            changes[column] = [before, value]
            setattr(policy, column, value)
    if changes:
        policy.save(update_fields=[*changes, "updated_at"])
        record(
            events.KEY_POLICY_CHANGED,
            actor=actor,
            target=Target("organization", organization.public_id, organization.name),
            data={"changes": changes},
        )
    return policy
