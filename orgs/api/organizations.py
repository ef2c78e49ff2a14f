"""Organizations."""

from dataclasses import dataclass, field, fields, replace
from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import SIGNED_IN, Admission, organization
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Conflict, Forbidden
from config.kernel.permissions import Permission
from config.kernel.principals import ServicePrincipal, UserPrincipal
from config.kernel.tenancy.scope import tenant_scope
from orgs.access import admissions_of, admissions_of_service
from orgs.api.people import person
from orgs.models import Membership, Organization
from orgs.serializers import (
    Confirmation,
    MemberRecord,
    NewOrganization,
    OrganizationChanges,
    OrganizationRecord,
    Transfer,
    WholeOrganizationRecord,
)
from orgs.services import members, organizations, sign_in_policies
from orgs.services.authority import lock_organization

# The fields of sign-in, and what the service calls them.
POLICY_FIELDS = {
    "enforce_sso": "enforcement",
    "sso_required_from": "required_from",
    "sso_pilots": "pilots",
    "sso_guests": "guests",
    "sso_session_hours": "session_hours",
    "require_second_factor": "require_second_factor",
}


@dataclass(frozen=True)
class WholeAdmission(Admission):
    """An admission with what the organization asks of sign-ins; `pilots` are user ids."""

    sign_in_policy: Any = None
    pilots: list[UUID] = field(default_factory=list)


def whole(admission: Admission) -> WholeAdmission:
    """With the policy of the organization in scope. Two queries."""
    same = {each.name: getattr(admission, each.name) for each in fields(Admission)}
    return WholeAdmission(
        **same, sign_in_policy=sign_in_policies.policy_in_scope(), pilots=sign_in_policies.pilots_in_scope()
    )


class Organizations(ApiView):
    """The caller's organizations."""

    access = {"GET": SIGNED_IN, "POST": SIGNED_IN}

    @listing("list_organizations", OrganizationRecord)
    def get(self, request: Request) -> Response:
        """The organizations that the caller belongs to; for a key its own, for a service account those that granted it.

        Those that are disabled or being deleted are among them.
        """
        principal = self.admission.principal
        if self.admission.organization:
            return Response({"data": OrganizationRecord([self.admission], many=True).data, "next": None})
        if isinstance(principal, ServicePrincipal):
            page = admissions_of_service(principal, **self.query)
        else:
            page = admissions_of(person(self.admission), **self.query)
        return Response({"data": OrganizationRecord(page.rows, many=True).data, "next": page.next})

    @idempotent
    @operation(
        "create_organization", WholeOrganizationRecord, body=NewOrganization, status=201, refusals=[Conflict, Forbidden]
    )
    def post(self, request: Request) -> Response:
        """Makes an organization that the caller owns.

        Needs a personal token that is not narrowed to one organization or to chosen permissions.
        """
        created = organizations.create_organization(actor=self.admission.principal, **self.read())
        with tenant_scope(created.id):
            admission = whole(admission_of_owner(person(self.admission), created))
        return self.answer(admission, WholeOrganizationRecord, status=201)


class OneOrganization(ApiView):
    """One organization."""

    access = {
        "GET": organization(Permission.VIEW_ORG, while_inactive=True),
        "PATCH": organization(Permission.MANAGE_BILLING),
        "DELETE": organization(Permission.DELETE_ORG),
    }

    @operation("get_organization", WholeOrganizationRecord)
    def get(self, request: Request, organization: str) -> Response:
        """One organization, also while it is being deleted."""
        return self.answer(whole(self.admission), WholeOrganizationRecord)

    @operation(
        "update_organization", WholeOrganizationRecord, body=OrganizationChanges, matches=True, refusals=[Conflict]
    )
    def patch(self, request: Request, organization: str) -> Response:
        """Changes the name, the slug, or what is asked of sign-ins.

        `manage_billing` governs the organization's own settings, its name and slug included. What concerns sign-in
        needs `manage_sso` too. A conflict's code says what is missing before single sign-on can be switched on:
        `domain_needed`, `connection_needed` or `sso_proof_needed`.
        """
        actor = self.admission.principal
        try:
            with self.matching(self._locked, WholeOrganizationRecord):
                given = self.read()
                policy = {name: given.pop(field) for field, name in POLICY_FIELDS.items() if field in given}
                updated = organizations.update_organization(actor=actor, **given)
                if policy:
                    sign_in_policies.change_sign_in_policy(actor=actor, **policy)
        except sign_in_policies.NotReady as refusal:
            sign_in_policies.note_not_ready(actor=actor, refusal=refusal)
            raise
        return self.answer(whole(replace(self.admission, organization=updated)), WholeOrganizationRecord)

    @operation("delete_organization", OrganizationRecord, body=Confirmation)
    def delete(self, request: Request, organization: str) -> Response:
        """Starts the grace period, at whose end everything of the organization is erased."""
        deleted = organizations.delete_organization(actor=self.admission.principal, confirmation=self.read()["confirm"])
        return self.answer(replace(self.admission, organization=deleted), OrganizationRecord)

    def _locked(self) -> "WholeAdmission":
        return whole(replace(self.admission, organization=lock_organization()))


class Restoration(ApiView):
    """Taking a deletion back."""

    access = {"POST": organization(Permission.DELETE_ORG, while_inactive=True)}

    @operation("restore_organization", OrganizationRecord, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Takes a deletion back while the grace period lasts."""
        restored = organizations.restore_organization(actor=self.admission.principal)
        return self.answer(replace(self.admission, organization=restored), OrganizationRecord)


class OwnershipTransfer(ApiView):
    """Handing an organization over."""

    access = {"POST": organization(Permission.DELETE_ORG)}

    @operation("transfer_organization", MemberRecord, body=Transfer, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Makes another member an owner, and the caller what `own_role` says. Answers with the new owner."""
        body = self.read()
        owner = members.transfer_ownership(
            actor=person(self.admission), to_user_id=body["to"], own_role=body["own_role"]
        )
        return self.answer(owner, MemberRecord)


def admission_of_owner(actor: UserPrincipal, created: Organization) -> Admission:
    """How the maker of an organization stands to it."""
    with tenant_scope(created.id):
        membership = Membership.objects.of_user(actor.user_id).get()
    return Admission(actor, permissions=membership.permissions, organization=created, membership=membership)
