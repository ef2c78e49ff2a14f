"""Service grants of an organization."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict
from config.kernel.identifiers import required_id
from config.kernel.permissions import Permission
from keys.selectors import withdrawal_of
from keys.serializers.service_grants import (
    GrantQuery,
    GrantRecord,
    NewGrant,
    ServiceAccountRecord,
    WithdrawalRecord,
)
from keys.services import service_grants as services
from orgs.models import ServiceAccount, ServiceGrant
from projects.models import Project


class ServiceAccounts(ApiView):
    """The service accounts of the installation."""

    access = {"GET": organization(Permission.MANAGE_MEMBERS)}

    @listing("list_service_accounts", ServiceAccountRecord)
    def get(self, request: Request, organization: str) -> Response:
        """The products that the organization can grant permissions to, newest first."""
        return self.page(ServiceAccount.objects.active(), ServiceAccountRecord)


class ServiceGrants(ApiView):
    """What the organization lets service accounts do."""

    access = {"GET": organization(Permission.VIEW_ORG), "POST": organization(Permission.MANAGE_MEMBERS)}

    @listing("list_service_grants", GrantRecord, query=GrantQuery)
    def get(self, request: Request, organization: str) -> Response:
        """The grants, newest first, also those that were withdrawn."""
        rows = ServiceGrant.objects.select_related("account")
        return self.page(rows.in_state(self.query["state"]) if "state" in self.query else rows, GrantRecord)

    @idempotent
    @operation("create_service_grant", GrantRecord, body=NewGrant, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Lets a service account act in the organization or in one project, from its next request on.

        Nobody grants a permission of people that they lack themselves.
        """
        body = self.read()
        created = services.create_grant(
            actor=self.admission.principal,
            account_id=body["service_account"],
            permissions=body["permissions"],
            project_id=project_id_of(body.get("project")),
        )
        return self.answer(created, GrantRecord, status=201)


class OneServiceGrant(ApiView):
    """One grant."""

    access = {"GET": organization(Permission.VIEW_ORG), "DELETE": organization(Permission.MANAGE_MEMBERS)}

    @operation("get_service_grant", GrantRecord)
    def get(self, request: Request, organization: str, grant: str) -> Response:
        """One grant."""
        return self.answer(grant_of(grant), GrantRecord)

    @operation("withdraw_service_grant")
    def delete(self, request: Request, organization: str, grant: str) -> Response:
        """Ends a grant: the account's next request is judged without it. Doing so twice is no error."""
        services.withdraw_grant(actor=self.admission.principal, grant_id=required_id("grt", grant))
        return Response(status=204)


class GrantWithdrawal(ApiView):
    """The preview of ending a grant."""

    access = {"GET": organization(Permission.MANAGE_MEMBERS)}

    @operation("preview_service_grant_withdrawal", WithdrawalRecord)
    def get(self, request: Request, organization: str, grant: str) -> Response:
        """What would stop if the grant were withdrawn. Changes nothing."""
        return Response(WithdrawalRecord(withdrawal_of(grant_of(grant))).data)


def grant_of(reference: str) -> ServiceGrant:
    """The grant of a public id. Raises Absent."""
    grant = ServiceGrant.objects.select_related("account").by_reference(reference)
    if grant is None:
        raise Absent
    return grant


def project_id_of(reference: str | None) -> Any:
    """The id of the project that is named, None for none. Raises Absent."""
    if reference is None:
        return None
    project = Project.objects.by_reference(reference)
    if project is None:
        raise Absent
    return project.id
