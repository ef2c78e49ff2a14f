"""Taking in what programs report of their use."""

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import publishable
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Forbidden, QuotaExceeded, RateLimited, Unavailable
from config.kernel.permissions import Permission
from config.kernel.principals import Principal, ProgramPrincipal, PublishablePrincipal
from config.kernel.throttling import require_turn
from keys.licensing import page_of
from keys.serializers.tracking import TrackedEvents, TrackedRecord
from keys.tracking.intake import track
from keys.tracking.writing import Source


class Tracking(ApiView):
    """Events of a project."""

    access = {"POST": publishable(Permission.USAGE_TRACK)}

    @operation(
        "track", TrackedRecord, body=TrackedEvents, status=202, refusals=[QuotaExceeded, RateLimited, Unavailable]
    )
    def post(self, request: Request) -> Response:
        """Counts up to 500 events of the caller's project, all of them or none.

        202 says that they are safe. Give each event an id of its own and repeat the request when no answer comes, or
        500 or 503: an id counts once. Beyond the plan's events of the month the whole request is refused with 429,
        and nothing of it is counted. A publishable key counts for the page's host, by the same rules as a licence, and
        for one address only so many events a minute: 429 with `rate_limited`.
        """
        principal = self.admission.principal
        events = self.read()["events"]
        if isinstance(principal, PublishablePrincipal):
            require_turn("events", principal.id, limit=settings.TENANTRY_PAGE_EVENTS, cost=len(events))
        source = source_of(principal, request.headers.get("Origin"))
        return Response(TrackedRecord(track(source=source, events=events)).data, status=202)


def source_of(principal: Principal, origin: str | None) -> Source:
    """Whose events these are, and of which host if a page sends them.

    Raises Forbidden for a program that belongs to no project, and for a page as `page_of` does.
    """
    if not isinstance(principal, ProgramPrincipal):
        raise Forbidden("Usage belongs to a project: send it with a key or an agent of the project.")
    page = page_of(actor=principal, origin=origin) if isinstance(principal, PublishablePrincipal) else None
    return Source(
        organization_id=principal.organization_id,
        project_id=principal.project_id,
        key=principal.id,
        domain=page.host if page else "",
    )
