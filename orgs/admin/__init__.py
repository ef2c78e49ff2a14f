"""Staff pages of organizations and people, one module a noun."""

from orgs.admin.browser_sessions import KnownDeviceAdmin, SignedInBrowserAdmin
from orgs.admin.email_domains import EmailDomainAdmin
from orgs.admin.members import CustomRoleAdmin, InvitationAdmin, MembershipAdmin
from orgs.admin.organizations import DataExportAdmin, OrganizationAdmin, RetiredSlugAdmin
from orgs.admin.users import UserAdmin

__all__ = [
    "CustomRoleAdmin",
    "DataExportAdmin",
    "EmailDomainAdmin",
    "InvitationAdmin",
    "KnownDeviceAdmin",
    "MembershipAdmin",
    "OrganizationAdmin",
    "RetiredSlugAdmin",
    "SignedInBrowserAdmin",
    "UserAdmin",
]
