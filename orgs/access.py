"""The organization gate: who may know of an organization, and with which permissions."""

from collections import defaultdict
from uuid import UUID

from django.http import HttpRequest

from config.kernel.access import Admission, narrowed
from config.kernel.errors import Absent, AuthFailure, OrganizationInactive, SecondFactorRequired
from config.kernel.paging import Page, page_of
from config.kernel.permissions import KEY_ORGANIZATION_PERMISSIONS, Permission
from config.kernel.principals import ANONYMOUS, Principal, ProgramPrincipal, ServicePrincipal, UserPrincipal
from config.kernel.sign_in import Method, SignIn
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from orgs.models import Membership, Organization, ServiceGrant
from orgs.refusals import note_refusal
from orgs.service_uses import note_use
from orgs.sessions import SIGN_IN
from orgs.sign_in_demands import require_single_sign_on


class OrganizationGate:
    """Named by TENANTRY_ORGANIZATION_GATE; config.kernel.access says what it promises."""

    def admit(self, principal: Principal, reference: str, *, while_inactive: bool) -> Admission:
        """Admits members, its projects' programs, and services with a grant. The rest finds it absent."""
        organization = Organization.objects.by_reference(reference)
        if isinstance(principal, ProgramPrincipal):
            if organization is None or organization.id != principal.organization_id:
                raise Absent
            return self.admit_credential(principal)
        if isinstance(principal, ServicePrincipal):
            return self._admit_service(principal, organization)
        if not isinstance(principal, UserPrincipal):
            raise Absent
        if principal.organization_id and organization and principal.organization_id != organization.id:
            organization = None
        # The same statement runs for an organization that does not exist, so that the time taken tells nothing.
        with tenant_scope(organization.id if organization else INSTALLATION_ID):
            membership = _membership_of(principal)
        if organization is None or membership is None:
            raise Absent
        deleting = organization.status == Organization.Status.DELETING
        if not organization.is_active and not (while_inactive and deleting):
            raise OrganizationInactive(organization.status)
        require_second_factor(principal, organization, membership)
        _require_single_sign_on(principal, organization, membership)
        return admission_of(principal, organization, membership)

    def _admit_service(self, principal: ServicePrincipal, organization: Organization | None) -> Admission:
        """What the organization granted, for all of it and by project. Without a grant it is absent."""
        with tenant_scope(organization.id if organization else INSTALLATION_ID):
            grants = ServiceGrant.objects.in_force().of_account(principal.service_account_id).by_project()
        if organization is None or not grants:
            note_refusal(
                "no_grant",
                account=principal,
                proven=True,
                organization_id=organization.id if organization else None,
            )
            raise Absent
        if not organization.is_active:
            raise OrganizationInactive(organization.status)
        note_use(account_id=principal.service_account_id, organization_id=organization.id)
        permissions = grants.get(None, frozenset())
        return Admission(principal, permissions=permissions, organization=organization, grants=grants)

    def admit_credential(self, principal: ProgramPrincipal | UserPrincipal) -> Admission:
        """The organization of a project's program, or of a token of a member.

        Around its project a program may see, and change nothing.
        """
        organization = Organization.objects.filter(id=principal.organization_id or INSTALLATION_ID).first()
        if organization is None or not organization.is_active:
            raise AuthFailure
        if isinstance(principal, ProgramPrincipal):
            permissions = principal.permissions & KEY_ORGANIZATION_PERMISSIONS
            return Admission(principal, permissions=permissions, organization=organization)
        with tenant_scope(organization.id):
            membership = _membership_of(principal)
        if membership is None:
            raise AuthFailure
        require_second_factor(principal, organization, membership)
        _require_single_sign_on(principal, organization, membership)
        return admission_of(principal, organization, membership)


def _membership_of(principal: UserPrincipal) -> Membership | None:
    """A person's, in the organization in scope, with what is asked of them there. One query."""
    rows = Membership.objects.of_user(principal.user_id).with_second_factor().with_single_sign_on()
    return rows.select_related("custom_role").first()


def _require_single_sign_on(principal: UserPrincipal, organization: Organization, membership: Membership) -> None:
    """One that is being deleted governs nobody, so that an owner gets in to restore it."""
    if organization.is_active:
        with tenant_scope(organization.id):
            require_single_sign_on(principal, organization, membership)


def require_second_factor(principal: UserPrincipal, organization: Organization, membership: Membership) -> None:
    """Raises SecondFactorRequired where the organization asks for one that the person did not give.

    `membership` comes from `with_second_factor`. In a browser it is the session that must have it; whoever came through
    the organization's own identity provider is in its charge. Behind a token the person must have set one up.
    """
    if not membership.second_factor_required:
        return
    sign_in = principal.sign_in
    if sign_in is None:
        proven = membership.has_second_factor
    else:
        by_own_way = sign_in.method in (Method.SSO, Method.BREAK_GLASS) and sign_in.organization_id == organization.id
        proven = by_own_way or sign_in.second_factor is not None
    if not proven:
        raise SecondFactorRequired


def admission_of(principal: UserPrincipal, organization: Organization, membership: Membership) -> Admission:
    """What a person may in an organization of theirs."""
    permissions = narrowed(principal, membership.permissions)
    return Admission(
        principal,
        permissions=permissions,
        organization_permissions=permissions,
        organization=organization,
        membership=membership,
    )


def admissions_of(principal: UserPrincipal, *, cursor: str | None = None, limit: int) -> Page:
    """A page of a person's organizations, whatever their status, the newest membership first. Two queries."""
    with system_scope("the organizations of one person"):
        rows = Membership.objects.of_user(principal.user_id).select_related("custom_role")
        page = page_of(rows, cursor=cursor, limit=limit)
    organizations = Organization.objects.in_bulk([membership.org_id for membership in page.rows])
    admissions = [
        admission_of(principal, organizations[membership.org_id], membership)
        for membership in page.rows
        if membership.org_id in organizations
    ]
    return Page(admissions, page.next)


def admissions_of_service(principal: ServicePrincipal, *, cursor: str | None = None, limit: int) -> Page:
    """A page of the organizations that granted a service account something, the newest first. Two queries."""
    with system_scope("the organizations of one service account"):
        granted = ServiceGrant.objects.in_force().of_account(principal.service_account_id)
        page = page_of(Organization.objects.filter(id__in=granted.values("org_id")), cursor=cursor, limit=limit)
        rows = list(granted.filter(org_id__in=[organization.id for organization in page.rows]))
    grants: dict[UUID, dict[UUID | None, frozenset[Permission]]] = defaultdict(dict)
    for row in rows:
        grants[row.org_id][row.project_id] = row.permission_set
    admissions = [
        Admission(
            principal,
            permissions=grants[organization.id].get(None, frozenset()),
            organization=organization,
            grants=grants[organization.id],
        )
        for organization in page.rows
    ]
    return Page(admissions, page.next)


def page_principal(request: HttpRequest) -> Principal:
    """The person signed in to the dashboard. A disabled one is nobody from the next request on."""
    user = request.user
    sign_in = SignIn.of_data(request.session.get(SIGN_IN))
    # A session that did not begin by `browser_sessions.begin` came in by a way that nobody judged.
    if not user.is_authenticated or sign_in is None:
        return ANONYMOUS
    return UserPrincipal.of(user_id=user.id, email=user.email, sign_in=sign_in)
