"""Reports of leaked keys, by anybody."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import PUBLIC
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.context import current_request
from config.kernel.errors import RateLimited
from config.kernel.throttling import require_try
from keys import leaks
from keys.credentials import digest_of
from keys.serializers.leaks import LeakedKey, LeakReceived
from keys.services.leaks import LeakReport

LIMIT = "30/minute"


class LeakReports(ApiView):
    """Whoever has found a credential may report it."""

    access = {"POST": PUBLIC}

    @operation("report_leaked_key", LeakReceived, body=LeakedKey, status=202, refusals=[RateLimited])
    def post(self, request: Request) -> Response:
        """Takes in a credential that was found where it should not be.

        By the policy of its organization a key is revoked, put in quarantine or reported to its owners. A personal
        token is revoked, the session of a refresh token is ended, and the enrolment token of an agent works no more.
        The answer is the same whatever was sent.
        """
        require_try("leak report", current_request().ip or "unknown", limit=LIMIT)
        body = self.read()
        key = body["key"]
        leaks.report(
            [
                LeakReport(
                    digest_of(key),
                    source=leaks.told(body.get("source", ""), credential=key),
                    url=leaks.told(body.get("url", ""), credential=key),
                )
            ]
        )
        return Response(LeakReceived({"received": True}).data, status=202)
