"""Reads that span grants, projects and people."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from config.kernel.identifiers import parse_public_id
from config.kernel.permissions import Permission
from config.kernel.tenancy.scope import require_organization_id
from orgs.models import ServiceGrant, User
from orgs.service_uses import last_uses
from projects.models import Project


@dataclass(frozen=True)
class GrantLine:
    """A grant with its project (None for the whole organization, or one that is gone) and who gave it, for people.

    `last_used_at` is about when its account last acted in the organization; None when nobody knows.
    """

    grant: ServiceGrant
    project: Project | None
    granted_by: str
    last_used_at: datetime | None


def grant_lines(grants: list[ServiceGrant]) -> list[GrantLine]:
    """The grants, in order, with what they name. Two queries."""
    projects = Project.objects.in_bulk({grant.project_id for grant in grants if grant.project_id})
    ids: dict[str, UUID | None] = {grant.granted_by: parse_public_id("usr", grant.granted_by) for grant in grants}
    uses = last_uses(account_ids={grant.account_id for grant in grants}, organization_id=require_organization_id())
    people = User.objects.in_bulk({user_id for user_id in ids.values() if user_id})
    return [
        GrantLine(
            grant=grant,
            project=projects.get(grant.project_id) if grant.project_id else None,
            granted_by=_granter(people.get(ids[grant.granted_by] or UUID(int=0))),
            last_used_at=uses.get(grant.account_id),
        )
        for grant in grants
    ]


def _granter(user: User | None) -> str:
    return "the operator" if user is None or user.is_staff else user.display_name


@dataclass(frozen=True)
class Withdrawal:
    """What the end of a grant would do: what `stops` where it holds, and the account's `remaining` grants here."""

    stops: frozenset[Permission]
    remaining: list[ServiceGrant]


def withdrawal_of(grant: ServiceGrant) -> Withdrawal:
    """What withdrawing a grant in scope would do; nothing stops that another grant also allows there. One query."""
    if grant.withdrawn_at is not None:
        return Withdrawal(frozenset(), [])
    others = ServiceGrant.objects.in_force().of_account(grant.account_id).select_related("account")
    remaining = list(others.exclude(id=grant.id).order_by("id"))
    everywhere = frozenset().union(*(other.permission_set for other in remaining if other.project_id is None))
    return Withdrawal(grant.permission_set - everywhere, remaining)
