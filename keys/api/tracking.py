"""Taking in what programs report of their use."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import service
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Forbidden, QuotaExceeded, Unavailable
from config.kernel.permissions import Permission
from config.kernel.principals import Principal, ProgramPrincipal
from keys.serializers.tracking import TrackedEvents, TrackedRecord
from keys.tracking.intake import track
from keys.tracking.writing import Source


class Tracking(ApiView):
    """Events of a project."""

    access = {"POST": service(Permission.USAGE_TRACK)}

    @operation("track", TrackedRecord, body=TrackedEvents, status=202, refusals=[QuotaExceeded, Unavailable])
    def post(self, request: Request) -> Response:
        """Counts up to 500 events of the caller's project, all of them or none.

        202 says that they are safe. Give each event an id of its own and repeat the request when no answer comes, or
        500 or 503: an id counts once. Beyond the plan's events of the month the whole request is refused with 429,
        and nothing of it is counted.
        """
        events = self.read()["events"]
        return Response(
            TrackedRecord(track(source=source_of(self.admission.principal), events=events)).data, status=202
        )


def source_of(principal: Principal) -> Source:
    """Whose events a program sends. Raises Forbidden for one that belongs to no project."""
    if not isinstance(principal, ProgramPrincipal):
        raise Forbidden("Usage belongs to a project: send it with a key or an agent of the project.")
    return Source(organization_id=principal.organization_id, project_id=principal.project_id, key=principal.id)
