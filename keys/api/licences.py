"""Licences of pages."""

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import publishable
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.errors import AuthFailure, RateLimited
from config.kernel.principals import PublishablePrincipal
from config.kernel.throttling import require_turn
from keys.licensing import verify_licence
from keys.serializers.licences import LicenceRecord


class LicenceVerification(ApiView):
    """What a page may."""

    access = {"POST": publishable()}

    @operation("verify_licence", LicenceRecord, refusals=[RateLimited])
    def post(self, request: Request) -> Response:
        """The plan and features of the organization, for a page whose host is registered for the key's project.

        Another page gets the free plan's features and `downgraded: true`, or 403 with `origin_not_allowed`, as the
        project is set; 403 with `domain_cap_exceeded` when its host would be one more than the plan includes. Outside
        of a browser an Origin can be forged, so the answer holds nothing that needs to be kept secret. One address gets
        only so many a minute: 429 with `rate_limited`.
        """
        actor = self.admission.principal
        if not isinstance(actor, PublishablePrincipal):
            raise AuthFailure
        require_turn("licences", actor.id, limit=settings.TENANTRY_PAGE_LICENCES)
        licence = verify_licence(
            actor=actor, organization=self.admission.organization, origin=request.headers.get("Origin")
        )
        return Response(LicenceRecord(licence).data)
