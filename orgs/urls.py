"""Dashboard routes of orgs."""

from django.urls import URLPattern, path

from orgs.views import email_domains, exports, home, invitations, landing, members, organizations, profile, roles

app_name = "orgs"

ORGANIZATION = "orgs/<str:organization>"

urlpatterns: list[URLPattern] = [
    path("", home.Home.as_view(), name="home"),
    path("orgs/", home.OrganizationsPage.as_view(), name="list"),
    path("orgs/new/", home.CreatePage.as_view(), name="create"),
    path("profile/", profile.ProfilePage.as_view(), name="profile"),
    path("theme/", profile.ThemePage.as_view(), name="theme"),
    path("invitations/<str:token>/", landing.InvitationPage.as_view(), name="invitation"),
    path("invitations/<str:invitation>/accept/", landing.InvitationAcceptPage.as_view(), name="invitation-accept"),
    path(f"{ORGANIZATION}/", organizations.OverviewPage.as_view(), name="overview"),
    path(f"{ORGANIZATION}/members/", members.MembersPage.as_view(), name="members"),
    path(f"{ORGANIZATION}/members/<str:member>/role/", members.MemberRolePage.as_view(), name="member-role"),
    path(f"{ORGANIZATION}/members/<str:member>/remove/", members.MemberRemovePage.as_view(), name="member-remove"),
    path(f"{ORGANIZATION}/leave/", members.LeavePage.as_view(), name="leave"),
    path(f"{ORGANIZATION}/transfer/", members.TransferPage.as_view(), name="transfer"),
    path(f"{ORGANIZATION}/invitations/", invitations.InvitationsPage.as_view(), name="invitations"),
    path(f"{ORGANIZATION}/invitations/new/", invitations.InvitePage.as_view(), name="invite"),
    path(f"{ORGANIZATION}/invitations/bulk/", invitations.BulkInvitePage.as_view(), name="invite-bulk"),
    path(
        f"{ORGANIZATION}/invitations/bulk/result/",
        invitations.BulkInviteResultPage.as_view(),
        name="invite-bulk-result",
    ),
    path(
        f"{ORGANIZATION}/invitations/<str:invitation>/resend/",
        invitations.ResendPage.as_view(),
        name="invitation-resend",
    ),
    path(
        f"{ORGANIZATION}/invitations/<str:invitation>/revoke/",
        invitations.RevokePage.as_view(),
        name="invitation-revoke",
    ),
    path(f"{ORGANIZATION}/roles/", roles.RolesPage.as_view(), name="roles"),
    path(f"{ORGANIZATION}/roles/new/", roles.RoleCreatePage.as_view(), name="role-create"),
    path(f"{ORGANIZATION}/roles/<str:role>/", roles.RoleEditPage.as_view(), name="role-edit"),
    path(f"{ORGANIZATION}/roles/<str:role>/delete/", roles.RoleDeletePage.as_view(), name="role-delete"),
    path(f"{ORGANIZATION}/sign-in/domains/", email_domains.EmailDomainsPage.as_view(), name="email-domains"),
    path(
        f"{ORGANIZATION}/sign-in/domains/<str:email_domain>/check/",
        email_domains.EmailDomainCheck.as_view(),
        name="email-domain-check",
    ),
    path(
        f"{ORGANIZATION}/sign-in/domains/<str:email_domain>/remove/",
        email_domains.EmailDomainRemove.as_view(),
        name="email-domain-remove",
    ),
    path(f"{ORGANIZATION}/settings/", organizations.SettingsPage.as_view(), name="settings"),
    path(f"{ORGANIZATION}/settings/exports/", exports.ExportsPage.as_view(), name="exports"),
    path(
        f"{ORGANIZATION}/settings/exports/<str:export>/download/",
        exports.ExportDownload.as_view(),
        name="export-download",
    ),
    path(f"{ORGANIZATION}/settings/delete/", organizations.DeletePage.as_view(), name="delete"),
    path(f"{ORGANIZATION}/settings/restore/", organizations.RestorePage.as_view(), name="restore"),
]
