"""The receiver of GitHub's secret-scanning partner programme."""

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from config.kernel.access import PUBLIC
from config.kernel.errors import Absent
from keys import leaks


@csrf_exempt
@require_POST
def receive_github_leaks(request: HttpRequest) -> JsonResponse:
    """Takes in what GitHub signed. Off, and absent, unless TENANTRY_GITHUB_KEYS_URL says where its keys are."""
    if not settings.TENANTRY_GITHUB_KEYS_URL:
        raise Absent
    labels = leaks.receive(
        request.body,
        identifier=request.headers.get("Github-Public-Key-Identifier", ""),
        signature=request.headers.get("Github-Public-Key-Signature", ""),
    )
    return JsonResponse(labels, safe=False)


receive_github_leaks.access = PUBLIC  # type: ignore[attr-defined] # functions carry attributes; typing has no word for it
