"""Tables of organizations and people, one module a noun."""

from orgs.models.browser_session import BrowserSession, SignedInBrowser
from orgs.models.change import Change
from orgs.models.data_key import DataKey
from orgs.models.email_domain import EmailDomain
from orgs.models.export import DataExport
from orgs.models.idempotency import IdempotencyKey
from orgs.models.invitation import Invitation
from orgs.models.known_device import KnownDevice
from orgs.models.membership import CustomRole, Membership
from orgs.models.organization import Organization, RetiredSlug
from orgs.models.passkey import Passkey
from orgs.models.recovery_code import RecoveryCode
from orgs.models.service import ServiceAccount, ServiceAccountSecret, ServiceGrant
from orgs.models.sign_in_policy import BreakGlassCode, PilotMember, RemovedMember, SignInPolicy, SsoSignIn
from orgs.models.totp_device import TOTPDevice
from orgs.models.user import User

__all__ = [
    "BreakGlassCode",
    "BrowserSession",
    "Change",
    "CustomRole",
    "DataExport",
    "DataKey",
    "EmailDomain",
    "IdempotencyKey",
    "Invitation",
    "KnownDevice",
    "Membership",
    "Organization",
    "Passkey",
    "PilotMember",
    "RecoveryCode",
    "RemovedMember",
    "RetiredSlug",
    "ServiceAccount",
    "ServiceAccountSecret",
    "ServiceGrant",
    "SignInPolicy",
    "SignedInBrowser",
    "SsoSignIn",
    "TOTPDevice",
    "User",
]
