"""How rows of this app are named in the ledger."""

from audit.services import Target
from orgs.models import CustomRole, DataExport, Invitation, Membership, Organization, User


def organization_target(organization: Organization) -> Target:
    """An organization."""
    return Target("organization", organization.public_id, organization.name)


def user_target(user: User) -> Target:
    """A user."""
    return Target("user", user.public_id, user.email)


def member_target(membership: Membership) -> Target:
    """A member, by their user."""
    return Target("member", membership.public_id, membership.user.email)


def invitation_target(invitation: Invitation) -> Target:
    """An invitation."""
    return Target("invitation", invitation.public_id, invitation.email)


def role_target(role: CustomRole) -> Target:
    """A custom role."""
    return Target("role", role.public_id, role.name)


def export_target(export: DataExport) -> Target:
    """A data export."""
    return Target("export", export.public_id, export.public_id)
