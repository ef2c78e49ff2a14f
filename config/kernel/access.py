"""The two gates, organization access and project access, and how a view declares which it needs.

Every routed view carries `access`: one Access, or a mapping from method to Access. A view without one stops the
program at start (checks.py). DRF views and dashboard pages both enter `admitted`; nothing else decides access.
The organization and the project are resolved by the classes that settings name, since the kernel knows no app.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Any, Protocol, TypeGuard
from uuid import UUID

import structlog
from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from config.kernel.denials import Asked, Denial, note_absent, note_permission_missing
from config.kernel.errors import Absent, AuthFailure, PermissionMissing, RecentProofRequired
from config.kernel.permissions import Permission
from config.kernel.principals import (
    Principal,
    ProgramPrincipal,
    PublishablePrincipal,
    ServicePrincipal,
    StaffPrincipal,
    UserPrincipal,
)
from config.kernel.tenancy.scope import tenant_scope


class AccessKind(StrEnum):
    """Who may reach a view."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    ORGANIZATION = "organization"
    PROJECT = "project"
    STAFF = "staff"
    SERVICE = "service"
    PUBLISHABLE = "publishable"
    CALLER = "caller"


@dataclass(frozen=True)
class Access:
    """One declaration. `while_inactive` lets the owners of a deleting organization through, to restore it.

    `across` lets a service account ask without naming an organization: the view then looks at its grants by itself.
    `recently` asks a person in a browser for a proof of identity of the last minutes (config.kernel.sign_in.RECENT).
    """

    kind: AccessKind
    permission: Permission | None = None
    while_inactive: bool = False
    across: bool = False
    recently: bool = False

    def __str__(self) -> str:
        return f"{self.kind} + {self.permission}" if self.permission else str(self.kind)

    def after_recent_proof(self) -> "Access":
        """The same, for what needs a fresh proof of identity."""
        return replace(self, recently=True)


PUBLIC = Access(AccessKind.PUBLIC)
SIGNED_IN = Access(AccessKind.SIGNED_IN)
STAFF = Access(AccessKind.STAFF)
# Any credential, in one organization: a program's own, or the one that X-Organization-Id names to a person or service.
CALLER = Access(AccessKind.CALLER)


def organization(permission: Permission, *, while_inactive: bool = False) -> Access:
    """The organization exists, is active, the caller belongs to it and holds `permission`."""
    return Access(AccessKind.ORGANIZATION, permission, while_inactive)


def project(permission: Permission) -> Access:
    """Organization access, the project belongs to that organization, and the caller holds `permission` in it."""
    return Access(AccessKind.PROJECT, permission)


def service(permission: Permission, *, across: bool = False) -> Access:
    """A program whose credential carries `permission` and names the organization by itself.

    A service account names it in X-Organization-Id and needs its grant, unless the view works `across` organizations.
    """
    return Access(AccessKind.SERVICE, permission, across=across)


def publishable(permission: Permission | None = None) -> Access:
    """A browser with a publishable key, from whatever page: the one kind of route that answers other origins (CORS).

    With `permission`, programs whose credential carries it are let in too. No other route takes a publishable key.
    """
    return Access(AccessKind.PUBLISHABLE, permission)


Declaration = Access | Mapping[str, Access]


def access_for(declaration: Declaration | None, method: str) -> Access | None:
    """The Access of one method; None when the view does not answer it. HEAD is declared by GET."""
    if declaration is None or isinstance(declaration, Access):
        return declaration
    return declaration.get("GET" if method == "HEAD" else method)


@dataclass(frozen=True)
class Admission:
    """What the gates found. `organization`, `membership` (of a person) and `project` are the apps' own rows.

    `permissions` hold where the request is, which in a project may differ from the organization around it. `grants` of
    a service account are by project id, those for the whole organization under None. `denial` is what goes on record
    if a rule behind the gates refuses the request; None where it is about no organization.
    """

    principal: Principal
    permissions: frozenset[Permission] = frozenset()
    organization_permissions: frozenset[Permission] = frozenset()
    organization: Any = None
    membership: Any = None
    project: Any = None
    grants: Mapping[UUID | None, frozenset[Permission]] = field(default_factory=dict)
    denial: Denial | None = None


class OrganizationGate(Protocol):
    """Implemented by `orgs.access`, named by TENANTRY_ORGANIZATION_GATE."""

    def admit(self, principal: Principal, reference: str, *, while_inactive: bool) -> Admission:
        """Raises Absent for an organization that the caller may not know of, OrganizationInactive for one at rest."""

    def admit_credential(self, principal: ProgramPrincipal | UserPrincipal) -> Admission:
        """The organization a program or a token belongs to. Raises AuthFailure when it no longer counts there."""


class ProjectGate(Protocol):
    """Implemented by `projects.access`, named by TENANTRY_PROJECT_GATE. Runs inside the organization's scope."""

    def admit(self, admission: Admission, reference: str) -> Admission:
        """Raises Absent for a project of another organization, or one the caller may not know of."""


@cache
def _gate(path: str) -> Any:
    return import_string(path)()


def organization_gate() -> OrganizationGate:
    """The installed organization gate."""
    return _gate(settings.TENANTRY_ORGANIZATION_GATE)


def project_gate() -> ProjectGate:
    """The installed project gate."""
    return _gate(settings.TENANTRY_PROJECT_GATE)


@contextmanager
def admitted(
    access: Access, *, principal: Principal, references: Mapping[str, Any], headers: Mapping[str, str], asked: Asked
) -> Iterator[Admission]:
    """Checks `access` and holds the tenant scope while the view works.

    `references` are the URL's arguments: `organization` and `project` as ids or slugs. Raises AuthFailure, Absent,
    OrganizationInactive or PermissionMissing. Somebody's being refused what exists goes on record as `asked`.
    """
    if isinstance(principal, PublishablePrincipal) and access.kind != AccessKind.PUBLISHABLE:
        raise AuthFailure
    if access.kind == AccessKind.PUBLIC:
        yield Admission(principal)
        return
    if not principal.is_authenticated:
        raise AuthFailure
    structlog.contextvars.bind_contextvars(actor_id=principal.id)
    if access.kind == AccessKind.STAFF:
        if not isinstance(principal, StaffPrincipal):
            raise AuthFailure
        yield Admission(principal)
        return
    if _works_without_organization(access, principal, headers):
        _require_recent_proof(access, principal)
        yield Admission(principal)
        return
    denial = Denial(principal, asked, access.permission)
    admission = None
    try:
        admission = _admit(access, principal, references, headers)
        _require_agreement(headers, admission)
        # Stays bound until the request ends, so that the request's own line has it too.
        structlog.contextvars.bind_contextvars(organization_id=admission.organization.public_id)
        if access.kind == AccessKind.PROJECT:
            with tenant_scope(admission.organization.id):
                admission = project_gate().admit(admission, str(references["project"]))
    except Absent:
        # That a service account has no grant at all, the gate itself has on record.
        if admission is not None or not isinstance(principal, ServicePrincipal):
            note_absent(denial, references)
        raise
    with tenant_scope(admission.organization.id):
        free = access.kind in (AccessKind.SIGNED_IN, AccessKind.CALLER)
        needed = not free and not isinstance(principal, PublishablePrincipal)
        if needed and (access.permission is None or access.permission not in admission.permissions):
            note_permission_missing(denial, organization=admission.organization, project=admission.project)
            raise PermissionMissing(access.permission or "")
        # Last, so that nobody proves themselves for what they may not do anyway.
        _require_recent_proof(access, principal)
        yield replace(admission, denial=denial)


def _require_recent_proof(access: Access, principal: Principal) -> None:
    """Asked of browsers alone: a token is no person, who could be asked again."""
    sign_in = principal.sign_in if isinstance(principal, UserPrincipal) else None
    if access.recently and sign_in is not None and not sign_in.is_recent(timezone.now()):
        raise RecentProofRequired


def _works_without_organization(access: Access, principal: Principal, headers: Mapping[str, str]) -> bool:
    if access.kind == AccessKind.SIGNED_IN:
        return not _brings_organization(principal)
    if access.kind != AccessKind.SERVICE or not access.across:
        return False
    return isinstance(principal, ServicePrincipal) and "X-Organization-Id" not in headers


def _admit(
    access: Access, principal: Principal, references: Mapping[str, Any], headers: Mapping[str, str]
) -> Admission:
    """By the organization gate."""
    if access.kind == AccessKind.SIGNED_IN and _brings_organization(principal):
        return organization_gate().admit_credential(principal)
    if access.kind in (AccessKind.SERVICE, AccessKind.PUBLISHABLE):
        return _admit_program(principal, access, headers)
    if access.kind == AccessKind.CALLER:
        return _admit_caller(principal, headers)
    return organization_gate().admit(principal, str(references["organization"]), while_inactive=access.while_inactive)


def _admit_program(principal: Principal, access: Access, headers: Mapping[str, str]) -> Admission:
    if isinstance(principal, PublishablePrincipal):  # of a route that takes it: `admitted` refused it everywhere else
        return organization_gate().admit_credential(principal)
    if access.permission is None:
        raise AuthFailure
    if isinstance(principal, ProgramPrincipal):
        return replace(organization_gate().admit_credential(principal), permissions=principal.permissions)
    if isinstance(principal, ServicePrincipal):
        reference = headers.get("X-Organization-Id")
        if reference is None:
            raise AuthFailure
        admission = organization_gate().admit(principal, reference, while_inactive=False)
        if access.across:  # the view looks at each project's grants by itself
            return replace(admission, permissions=frozenset().union(*admission.grants.values()))
        return admission
    raise PermissionMissing(access.permission or "")


def _admit_caller(principal: Principal, headers: Mapping[str, str]) -> Admission:
    """A person who is not in the organization of the header is refused like one who sent none."""
    if isinstance(principal, ProgramPrincipal):
        return replace(organization_gate().admit_credential(principal), permissions=principal.permissions)
    reference = headers.get("X-Organization-Id")
    if reference is None:
        raise AuthFailure
    try:
        return organization_gate().admit(principal, reference, while_inactive=False)
    except Absent:
        if isinstance(principal, ServicePrincipal):
            raise
        raise AuthFailure from None


def _brings_organization(principal: Principal) -> TypeGuard[ProgramPrincipal | UserPrincipal]:
    """Whether the credential belongs to one organization, and therefore works only while that is active."""
    return isinstance(principal, ProgramPrincipal | UserPrincipal) and principal.organization_id is not None


def _require_agreement(headers: Mapping[str, str], admission: Admission) -> None:
    """X-Organization-Id and -Name prove nothing, but must agree with what the request is about."""
    claimed_id = headers.get("X-Organization-Id")
    claimed_name = headers.get("X-Organization-Name")
    if claimed_id is not None and claimed_id != admission.organization.public_id:
        raise AuthFailure
    if claimed_name is not None and claimed_name not in (
        admission.organization.name,
        admission.organization.slug,
    ):
        raise AuthFailure


def narrowed(principal: Principal, permissions: frozenset[Permission]) -> frozenset[Permission]:
    """A person's permissions, cut down to what their personal token was given."""
    if isinstance(principal, UserPrincipal) and principal.allowed is not None:
        return permissions & principal.allowed
    return permissions
