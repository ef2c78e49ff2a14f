"""The staff's site: Django admin in the unfold theme, with a second factor, over all tenants."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from allauth.account.models import EmailAddress
from csp.constants import NONCE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.contrib import auth
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from unfold.sites import UnfoldAdminSite

from audit.admin import (
    AuditBeginningAdmin,
    AuditCheckpointAdmin,
    AuditEventAdmin,
    AuditExportAdmin,
    AuditSealAdmin,
    SealerAdmin,
)
from audit.models import AuditBeginning, AuditCheckpoint, AuditEvent, AuditExport, AuditSeal, Sealer
from config.kernel.errors import Absent, Forbidden
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import system_scope
from keys.admin import (
    AgentAdmin,
    KeyAdmin,
    KeyPolicyAdmin,
    KeyUseAdmin,
    PersonalTokenAdmin,
    ServiceAccountAdmin,
    ServiceGrantAdmin,
    SigningKeyAdmin,
    TokenSessionAdmin,
)
from keys.models import Agent, Key, KeyPolicy, KeyUse, PersonalToken, SigningKey, TokenSession
from orgs import admin as orgs_admin
from orgs import models as orgs
from orgs.services.browser_sessions import sign_in_of
from projects.admin import (
    DomainAdmin,
    ProjectAdmin,
    ProjectMembershipAdmin,
    ResourceAdmin,
    SeenDomainAdmin,
    TrackedEventAdmin,
    UsageDayAdmin,
    UsageMonthAdmin,
)
from projects.models import (
    Domain,
    Project,
    ProjectMembership,
    Resource,
    SeenDomain,
    TrackedEvent,
    UsageDay,
    UsageMonth,
)
from sso import models as sso
from sso.admin import (
    EmailAddressAdmin,
    HandoverAddressAdmin,
    HandoverTokenAdmin,
    PasskeyAdmin,
    RecoveryCodeAdmin,
    TOTPDeviceAdmin,
)
from sso.admin import connections as connection_pages
from sso.admin import policies as policy_pages
from sso.models import HandoverAddress, HandoverToken
from webhooks import models as webhooks
from webhooks.admin import deliveries as delivery_pages
from webhooks.admin import endpoints as endpoint_pages

# The theme evaluates expressions in attributes (Alpine) and writes inline styles. Only staff pages allow that.
THEME_POLICY = {
    "script-src": [SELF, NONCE, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
}

SECTIONS = {
    "orgs": "Organizations and people",
    "projects": "Projects",
    "keys": "Keys",
    "sso": "Single sign-on",
    "webhooks": "Webhooks",
    "audit": "Audit",
    "account": "Addresses",
}

View = Callable[..., HttpResponseBase]


class StaffSite(UnfoldAdminSite):
    """Lets in enabled staff who gave their second factor in this session. Inside, all tenants are visible."""

    def has_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return user.is_active and user.is_staff and gave_second_factor(request)

    def admin_view(self, view: View, cacheable: bool = False) -> View:  # noqa: FBT001 - Django's signature
        """The one way in. The scope is entered after the check, and lasts until the page is rendered."""
        checked = super().admin_view(_over_all_tenants(view), cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not self.has_permission(request):
                return self.login(request)
            return checked(request, *args, **kwargs)

        return update_wrapper(guarded, view)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """What the person lacks: signing in, a second factor, or the right to be here (Forbidden)."""
        user: Any = request.user
        login_path = reverse("admin:login")
        wanted = reverse("admin:index") if request.path == login_path else request.get_full_path()
        if not user.is_authenticated:
            return redirect_to_login(wanted)
        if not (user.is_active and user.is_staff):
            raise Forbidden("Only the operator's staff have a way in here.")
        if not gave_second_factor(request):
            return redirect(f"{reverse('sso:second-factor')}?{urlencode({'next': wanted})}")
        return redirect(wanted)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Ends the session, dashboard included."""
        if request.method == "POST":
            auth.logout(request)
            return redirect("account_login")
        return redirect("admin:index")

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is one page to change a password, which also knows of temporary ones."""
        return redirect("account_change_password")

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The theme's search of model names, which nothing here links to."""
        raise Absent

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """Django's search of rows for a form's field, which no form here has: nobody would be told of it."""
        raise Absent

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """In the order of the house, and in words."""
        apps = {app["app_label"]: app for app in super().get_app_list(request, app_label)}
        return [{**apps[label], "name": name} for label, name in SECTIONS.items() if label in apps]


def gave_second_factor(request: HttpRequest) -> bool:
    """Whether the session has a second factor in it. Development sign-in, which asks for nothing, needs none here."""
    sign_in = sign_in_of(request.session)
    return sign_in is not None and (sign_in.second_factor is not None or sign_in.method == Method.DEVELOPMENT)


def _over_all_tenants(view: View) -> View:
    def scoped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with system_scope("staff pages"):
            response = view(request, *args, **kwargs)
            if hasattr(response, "render"):
                response = response.render()
        response._csp_replace = THEME_POLICY  # type: ignore[attr-defined] # what csp_replace sets
        return response

    return update_wrapper(scoped, view)


site = StaffSite(name="admin")
site.index_title = "Staff"
site.enable_nav_sidebar = True

# Not here: idempotency keys, which hold ciphertext that nobody can read and are gone after a day; and the rows of
# sessions with their keys, which SignedInBrowser shows without.
site.register(orgs.Organization, orgs_admin.OrganizationAdmin)
site.register(orgs.User, orgs_admin.UserAdmin)
site.register(orgs.Membership, orgs_admin.MembershipAdmin)
site.register(orgs.CustomRole, orgs_admin.CustomRoleAdmin)
site.register(orgs.Invitation, orgs_admin.InvitationAdmin)
site.register(orgs.RetiredSlug, orgs_admin.RetiredSlugAdmin)
site.register(orgs.DataExport, orgs_admin.DataExportAdmin)
site.register(orgs.SignedInBrowser, orgs_admin.SignedInBrowserAdmin)
site.register(orgs.KnownDevice, orgs_admin.KnownDeviceAdmin)
site.register(orgs.EmailDomain, orgs_admin.EmailDomainAdmin)
site.register(Project, ProjectAdmin)
site.register(ProjectMembership, ProjectMembershipAdmin)
site.register(Resource, ResourceAdmin)
site.register(Domain, DomainAdmin)
site.register(SeenDomain, SeenDomainAdmin)
site.register(UsageMonth, UsageMonthAdmin)
site.register(UsageDay, UsageDayAdmin)
site.register(TrackedEvent, TrackedEventAdmin)
site.register(Key, KeyAdmin)
site.register(KeyUse, KeyUseAdmin)
site.register(KeyPolicy, KeyPolicyAdmin)
site.register(PersonalToken, PersonalTokenAdmin)
site.register(Agent, AgentAdmin)
site.register(SigningKey, SigningKeyAdmin)
site.register(TokenSession, TokenSessionAdmin)
site.register(orgs.ServiceAccount, ServiceAccountAdmin)
site.register(orgs.ServiceGrant, ServiceGrantAdmin)
site.register(AuditEvent, AuditEventAdmin)
site.register(AuditSeal, AuditSealAdmin)
site.register(AuditCheckpoint, AuditCheckpointAdmin)
site.register(AuditBeginning, AuditBeginningAdmin)
site.register(AuditExport, AuditExportAdmin)
site.register(Sealer, SealerAdmin)
site.register(EmailAddress, EmailAddressAdmin)
site.register(orgs.TOTPDevice, TOTPDeviceAdmin)
site.register(orgs.Passkey, PasskeyAdmin)
site.register(orgs.RecoveryCode, RecoveryCodeAdmin)
site.register(HandoverAddress, HandoverAddressAdmin)
site.register(HandoverToken, HandoverTokenAdmin)
site.register(sso.Connection, connection_pages.ConnectionAdmin)
site.register(sso.Configuration, connection_pages.ConfigurationAdmin)
site.register(sso.Certificate, connection_pages.CertificateAdmin)
site.register(sso.GroupMapping, connection_pages.GroupMappingAdmin)
site.register(sso.ConnectionLogEntry, connection_pages.ConnectionLogEntryAdmin)
site.register(sso.UsedAssertion, connection_pages.UsedAssertionAdmin)
site.register(sso.FederatedIdentity, connection_pages.FederatedIdentityAdmin)
site.register(sso.DeviceAuthorization, policy_pages.DeviceAuthorizationAdmin)
site.register(orgs.SignInPolicy, policy_pages.SignInPolicyAdmin)
site.register(orgs.PilotMember, policy_pages.PilotMemberAdmin)
site.register(orgs.BreakGlassCode, policy_pages.BreakGlassCodeAdmin)
site.register(orgs.SsoSignIn, policy_pages.SsoSignInAdmin)
site.register(orgs.RemovedMember, policy_pages.RemovedMemberAdmin)
site.register(webhooks.Endpoint, endpoint_pages.EndpointAdmin)
site.register(webhooks.EndpointHour, endpoint_pages.EndpointHourAdmin)
site.register(webhooks.Delivery, delivery_pages.DeliveryAdmin)
site.register(webhooks.Attempt, delivery_pages.AttemptAdmin)
site.register(webhooks.OutboxEntry, delivery_pages.OutboxEntryAdmin)
