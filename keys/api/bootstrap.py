"""The first start over HTTP."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import PUBLIC, organization_gate
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.context import current_request
from config.kernel.errors import AuthFailure, Conflict
from config.kernel.principals import UserPrincipal
from config.kernel.throttling import may_try
from keys.serializers.callers import BootstrapStatus, FirstStartRecord, NewInstallation
from keys.services.bootstrap import bootstrap, bootstrap_available

LIMIT = "10/minute"


class Bootstrap(ApiView):
    """Not idempotent by key: it succeeds once in the life of an installation, and every later call is refused."""

    access = {"POST": PUBLIC}

    @operation("bootstrap", FirstStartRecord, body=NewInstallation, status=201, refusals=[Conflict])
    def post(self, request: Request) -> Response:
        """Makes the first staff user and organization, and answers with a personal token, `token`.

        The operator's TENANTRY_BOOTSTRAP_MODE says whether it may be done. Every refusal is the same 401: mode off,
        done before, no or a wrong token, too many tries.
        """
        if not may_try("bootstrap", current_request().ip or "unknown", limit=LIMIT):
            raise AuthFailure
        body = self.read()
        organization = body.pop("organization")
        made = bootstrap(
            actor=self.admission.principal,
            organization_name=organization["name"],
            organization_slug=organization["slug"],
            **body,
        )
        principal = UserPrincipal.of(user_id=made.user.id, email=made.user.email)
        admission = organization_gate().admit(principal, made.organization.slug, while_inactive=False)
        record = FirstStartRecord({"organization": admission, "user": made.user, "token": made.token}).data
        return Response(record, status=201)


class BootstrapAvailability(ApiView):
    """Whether a first start is to be made."""

    access = {"GET": PUBLIC}

    @operation("bootstrap_status", BootstrapStatus)
    def get(self, request: Request) -> Response:
        """Whether the first start is still to be made and may be made."""
        return Response(BootstrapStatus({"bootstrap_available": bootstrap_available()}).data)
