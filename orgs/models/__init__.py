"""Tables of organizations and people, one module a noun."""

from orgs.models.export import DataExport
from orgs.models.idempotency import IdempotencyKey
from orgs.models.invitation import Invitation
from orgs.models.membership import CustomRole, Membership
from orgs.models.organization import Organization, RetiredSlug
from orgs.models.user import User

__all__ = [
    "CustomRole",
    "DataExport",
    "IdempotencyKey",
    "Invitation",
    "Membership",
    "Organization",
    "RetiredSlug",
    "User",
]
