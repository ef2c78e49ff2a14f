"""Tables of organizations and people, one module a noun."""

from orgs.models.change import Change
from orgs.models.data_key import DataKey
from orgs.models.export import DataExport
from orgs.models.idempotency import IdempotencyKey
from orgs.models.invitation import Invitation
from orgs.models.membership import CustomRole, Membership
from orgs.models.organization import Organization, RetiredSlug
from orgs.models.service import ServiceAccount, ServiceAccountSecret, ServiceGrant
from orgs.models.totp_device import TOTPDevice
from orgs.models.user import User

__all__ = [
    "Change",
    "CustomRole",
    "DataExport",
    "DataKey",
    "IdempotencyKey",
    "Invitation",
    "Membership",
    "Organization",
    "RetiredSlug",
    "ServiceAccount",
    "ServiceAccountSecret",
    "ServiceGrant",
    "TOTPDevice",
    "User",
]
