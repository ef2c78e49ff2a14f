"""Reads that span organizations and memberships."""

from dataclasses import dataclass
from uuid import UUID

from config.kernel.tenancy.scope import system_scope
from orgs.models import Membership, Organization


@dataclass(frozen=True)
class Belonging:
    """An organization and a person's membership in it."""

    organization: Organization
    membership: Membership


def memberships_of(user_id: UUID) -> list[Belonging]:
    """Every organization that a person belongs to, by name, those being deleted included. Two queries."""
    with system_scope("the organizations of one person"):
        memberships = {m.org_id: m for m in Membership.objects.of_user(user_id).select_related("custom_role")}
    organizations = Organization.objects.filter(id__in=memberships).order_by("name", "id")
    return [Belonging(organization, memberships[organization.id]) for organization in organizations]
