"""The public keys that everybody verifies our tokens with."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from config.kernel.access import PUBLIC
from keys import signing

# Any page may read them: they are public, and no credential goes with the request.
HEADERS = {"Cache-Control": f"public, max-age={signing.KEY_SET_SECONDS}", "Access-Control-Allow-Origin": "*"}


@require_safe
def key_set(request: HttpRequest) -> JsonResponse:
    """The key set (RFC 7517): the key that signs, the next one, and those whose tokens can still be valid."""
    return JsonResponse({"keys": signing.published()}, headers=HEADERS)


key_set.access = PUBLIC  # type: ignore[attr-defined] # functions carry attributes; typing has no word for it
