"""Cross-origin requests (Fetch, 3.2): answered for routes that take a publishable key, and for no others.

Any page may ask there. Whether its host is a registered one is decided by the answer to the request itself, which a
page may read also when it is a refusal. Cookies never come along: credentials are not allowed.
"""

import re
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils.cache import patch_vary_headers

from config.kernel.access import Access, AccessKind
from config.kernel.routes import owner_of

# A page's own origin as browsers write it; `null` and what is no web page are never answered to.
WEB_ORIGIN = re.compile(r"https?://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?", re.IGNORECASE)
LONGEST_ORIGIN = 300  # a name of 253 characters, scheme and port (RFC 1035, 2.3.4)
PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "authorization, x-api-key, content-type",
    "Access-Control-Max-Age": "7200",
}


def headers_for(origin: str | None) -> dict[str, str]:
    """The headers that let a page of that origin read an answer. Empty for what is no origin of a web page."""
    if origin is None or len(origin) > LONGEST_ORIGIN or not WEB_ORIGIN.fullmatch(origin):
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": "Retry-After, X-Request-Id"}


class CrossOriginMiddleware:
    """Answers preflights, and lets pages read the answers. Outermost, so that early refusals can be read too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if _is_for_pages(_view_of(request)):
            patch_vary_headers(response, ["Origin"])
            for name, value in headers_for(request.headers.get("Origin")).items():
                response[name] = value
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not asks or not headers_for(request.headers.get("Origin")) or not _is_for_pages(view):
            return None
        return HttpResponse(status=204, headers={**PREFLIGHT, "Cache-Control": "no-store"})


def _view_of(request: HttpRequest) -> Any:
    if request.resolver_match is not None:
        return request.resolver_match.func
    try:  # refused before its address was looked at
        return resolve(request.path_info).func
    except Resolver404:
        return None


def _is_for_pages(view: Any) -> bool:
    declared = getattr(owner_of(view), "access", None)
    kinds = [declared] if isinstance(declared, Access) else (declared or {}).values()
    return any(access.kind == AccessKind.PUBLISHABLE for access in kinds)
