"""REST routes of orgs, below /api/v1/."""

from django.urls import path

from orgs.api.email_domains import EmailDomains, EmailDomainVerification, OneEmailDomain
from orgs.api.exports import ExportFile, Exports, OneExport
from orgs.api.invitations import Acceptance, BulkInvitations, Invitations, OneInvitation, Resending
from orgs.api.members import Leaving, Member, Members
from orgs.api.organizations import OneOrganization, Organizations, OwnershipTransfer, Restoration
from orgs.api.roles import OneRole, Roles

ORG = "orgs/<str:organization>"

urlpatterns = [
    path("orgs", Organizations.as_view(), name="api-orgs"),
    path(ORG, OneOrganization.as_view(), name="api-org"),
    path(f"{ORG}/restore", Restoration.as_view(), name="api-org-restore"),
    path(f"{ORG}/transfer", OwnershipTransfer.as_view(), name="api-org-transfer"),
    path(f"{ORG}/leave", Leaving.as_view(), name="api-org-leave"),
    path(f"{ORG}/members", Members.as_view(), name="api-members"),
    path(f"{ORG}/members/<str:user>", Member.as_view(), name="api-member"),
    path(f"{ORG}/invitations", Invitations.as_view(), name="api-invitations"),
    path(f"{ORG}/invitations/bulk", BulkInvitations.as_view(), name="api-invitations-bulk"),
    path(f"{ORG}/invitations/<str:invitation>", OneInvitation.as_view(), name="api-invitation"),
    path(f"{ORG}/invitations/<str:invitation>/resend", Resending.as_view(), name="api-invitation-resend"),
    path(f"{ORG}/roles", Roles.as_view(), name="api-roles"),
    path(f"{ORG}/roles/<str:role>", OneRole.as_view(), name="api-role"),
    path(f"{ORG}/email-domains", EmailDomains.as_view(), name="api-email-domains"),
    path(f"{ORG}/email-domains/<str:email_domain>", OneEmailDomain.as_view(), name="api-email-domain"),
    path(
        f"{ORG}/email-domains/<str:email_domain>/verify",
        EmailDomainVerification.as_view(),
        name="api-email-domain-verify",
    ),
    path(f"{ORG}/exports", Exports.as_view(), name="api-exports"),
    path(f"{ORG}/exports/<str:export>", OneExport.as_view(), name="api-export"),
    path(f"{ORG}/exports/<str:export>/download", ExportFile.as_view(), name="api-export-download"),
    path("invitations/accept", Acceptance.as_view(), name="api-invitation-accept"),
]
