"""Errors as answers: problem details for programs, pages for people, fragments for htmx."""

from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse

from config.kernel.errors import (
    Absent,
    AuthFailure,
    Forbidden,
    Malformed,
    QuotaExceeded,
    RateLimited,
    ServerFault,
    TenantryError,
)

PROBLEM_TYPE = "application/problem+json"
PROGRAM_PATHS = ("/api/", "/access/", "/scim/", "/.well-known/", "/leaks/", "/health/", "/metrics")


def speaks_json(request: HttpRequest) -> bool:
    """Whether the address belongs to the programs' side. The API's page of documentation is for people."""
    return request.path.startswith(PROGRAM_PATHS) and not request.path.startswith("/api/docs")


def problem_headers(error: TenantryError) -> dict[str, str]:
    """Headers that go with an error's status."""
    if isinstance(error, AuthFailure):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, RateLimited | QuotaExceeded):
        return {"Retry-After": str(error.retry_after)}
    return {}


def render_problem(request: HttpRequest, error: TenantryError) -> HttpResponse:
    """The answer to `error` in the form that the caller understands."""
    headers = problem_headers(error)
    if speaks_json(request):
        return JsonResponse(error.problem(), status=error.status, content_type=PROBLEM_TYPE, headers=headers)
    if isinstance(error, AuthFailure):
        return redirect_to_login(request.get_full_path())
    if error.code in settings.TENANTRY_PAGES_OF_PROBLEMS:
        return _lead(request, error)
    problem = {**error.problem(), "detail": error.detail, "code": error.code}
    context: dict[str, Any] = {"problem": problem, "request_id": getattr(request, "request_id", "")}
    fragment = request.headers.get("HX-Request") == "true"
    template = "errors/problem_fragment.html" if fragment else "errors/problem.html"
    # Asking who is signed in needs the database, which may be the very thing that is broken.
    asked_by = None if error.status >= ServerFault.status else request
    return HttpResponse(render_to_string(template, context, request=asked_by), status=error.status, headers=headers)


def _lead(request: HttpRequest, error: TenantryError) -> HttpResponse:
    """To the page where the person can do what is missing, and from there back to the page that they are on."""
    page = reverse(settings.TENANTRY_PAGES_OF_PROBLEMS[error.code])
    fragment = request.headers.get("HX-Request") == "true"
    if fragment:
        here = _path_of(request.headers.get("HX-Current-URL", ""))
    elif request.method in ("GET", "HEAD"):
        here = request.get_full_path()
    else:
        here = _path_of(request.headers.get("Referer", ""))
    address = f"{page}?{urlencode({'next': here})}"
    if fragment:
        return HttpResponse(status=error.status, headers={"HX-Redirect": address})
    return redirect(address)


def _path_of(address: str) -> str:
    """The path and query of an address that a browser sent."""
    try:
        return urlsplit(address)._replace(scheme="", netloc="", fragment="").geturl() or "/"
    except ValueError:
        return "/"


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler400."""
    return render_problem(request, Malformed("Send a well-formed request."))


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler403."""
    return render_problem(request, Forbidden())


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler404."""
    return render_problem(request, Absent())


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500."""
    return render_problem(request, ServerFault())


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW."""
    return HttpResponse(render_to_string("errors/403_csrf.html", {}, request=request), status=Forbidden.status)
