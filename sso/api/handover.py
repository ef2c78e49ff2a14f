"""Handover: a project's addresses, and the exchange of what a person brought."""

from collections.abc import Collection
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import Admission, project, service
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import AuthFailure, Conflict
from config.kernel.permissions import Permission
from config.kernel.principals import ProgramPrincipal
from sso.models import HandoverAddress
from sso.serializers.handover import HandedOverRecord, HandoverAddressRecord, HandoverExchange, NewHandoverAddress
from sso.services import handover_addresses as services
from sso.services.handovers import Exchange, HandoverRefused, exchange_handover

TAKE_OVER = Permission.ACCESS_EVALUATE


class HandoverAddresses(ApiView):
    """Where a project's product takes people over."""

    access = {"GET": project(Permission.VIEW_ORG), "POST": project(Permission.MANAGE_APPS)}

    @listing("list_handover_addresses", HandoverAddressRecord)
    def get(self, request: Request, organization: str, project: str) -> Response:
        """The addresses, newest first."""
        rows = HandoverAddress.objects.filter(project_id=self.admission.project.id)
        return self.page(rows, HandoverAddressRecord)

    @idempotent
    @operation(
        "register_handover_address", HandoverAddressRecord, body=NewHandoverAddress, status=201, refusals=[Conflict]
    )
    def post(self, request: Request, organization: str, project: str) -> Response:
        """Registers an address. Only people do that: a program is refused with 403 and `people_only`."""
        row = services.register_handover_address(
            actor=self.admission.principal, project_id=self.admission.project.id, **self.read()
        )
        return self.answer(row, HandoverAddressRecord, status=201)


class OneHandoverAddress(ApiView):
    """One address."""

    access = {"DELETE": project(Permission.MANAGE_APPS)}

    @operation("remove_handover_address")
    def delete(self, request: Request, organization: str, project: str, handover_address: str) -> Response:
        """Ends the registration. Only people do that: a program is refused with 403 and `people_only`."""
        services.remove_handover_address(
            actor=self.admission.principal,
            project_id=self.admission.project.id,
            handover_address=handover_address,
        )
        return Response(status=204)


class HandoverExchanges(ApiView):
    """Taking a person over, server to server."""

    access = {"POST": service(TAKE_OVER, across=True)}

    @operation("exchange_handover", HandedOverRecord, body=HandoverExchange, refusals=[HandoverRefused])
    def post(self, request: Request) -> Response:
        """Who a person is that came with a code, and a session for them in this organization.

        Good once, within a minute, for a key of the very project (or a service account that it granted
        `access:evaluate`, with X-Organization-Id). Whatever is wrong, the answer is 400 `handover_refused`; a code
        that comes again ends the session that it opened.
        """
        body = self.read()
        exchange = Exchange(
            project_ids=exchanging(self.admission),
            code=body["code"],
            address=body["redirect_uri"],
            verifier=body.get("code_verifier"),
        )
        handed = exchange_handover(actor=self.admission.principal, exchange=exchange)
        return Response(HandedOverRecord(handed).data)


def exchanging(admission: Admission) -> Collection[UUID] | None:
    """For which projects the caller may take people over; None for all. Raises AuthFailure without an organization."""
    if admission.organization is None:
        raise AuthFailure
    if isinstance(admission.principal, ProgramPrincipal):
        return {admission.principal.project_id}
    granted = {project_id for project_id, permissions in admission.grants.items() if TAKE_OVER in permissions}
    return None if None in granted else {project_id for project_id in granted if project_id is not None}
