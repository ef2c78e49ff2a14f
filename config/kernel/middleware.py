"""What surrounds every request: its id, what is known of the caller's connection, and errors as answers."""

import ipaddress
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from uuid_utils.compat import uuid7

from config.kernel.context import RequestContext, request_context
from config.kernel.errors import Malformed, ServerFault, TenantryError, TooLarge
from config.kernel.problems import render_problem, speaks_json

logger = structlog.get_logger()

REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{8,64}$")
USER_AGENT_LENGTH = 256


def client_address(request: HttpRequest) -> str | None:
    """The caller's address: the peer's, or behind TENANTRY_TRUSTED_PROXIES proxies the one that the outermost saw."""
    return client_address_of(request.META)


def client_address_of(environ: Mapping[str, Any]) -> str | None:
    """The same of a WSGI environment."""
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
    return address_in(forwarded_for(forwarded) or environ.get("REMOTE_ADDR", ""))


def forwarded_for(header: str) -> str:
    """The hop of an X-Forwarded-For header that the outermost trusted proxy saw; empty when there are too few."""
    trusted = settings.TENANTRY_TRUSTED_PROXIES
    hops = [hop.strip() for hop in header.split(",") if hop.strip()]
    return hops[-trusted] if trusted and len(hops) >= trusted else ""


def address_in(text: str) -> str | None:
    """The address that a text is, in its canonical spelling; None for any other text."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def refused_at_once(request: HttpRequest) -> TenantryError | None:
    """Why a request is not worth looking at any further, or None."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        return TooLarge()
    if speaks_json(request):  # a page is refused by Django itself
        try:
            request.get_host()
        except DisallowedHost:
            return Malformed("Ask for a host that is served here.")
    return None


class RequestContextMiddleware:
    """Takes or makes the request id, echoes it, and binds it to log lines and audit records.

    Refuses a body over DATA_UPLOAD_MAX_MEMORY_SIZE by its declared length, before anybody reads it, and a program
    that asks for a host which is not served here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if REQUEST_ID.match(given) else f"req_{uuid7().hex}"
        context = RequestContext(
            request_id=request_id,
            ip=client_address(request),
            user_agent=request.headers.get("User-Agent", "")[:USER_AGENT_LENGTH],
        )
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.clear_contextvars()
        started = time.perf_counter()
        with request_context(context), structlog.contextvars.bound_contextvars(request_id=request_id):
            refusal = refused_at_once(request)
            response = render_problem(request, refusal) if refusal else self.get_response(request)
            # The pattern, not the address: one-time links carry their secret in the address.
            route = request.resolver_match.route if request.resolver_match else ""
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            logger.info(
                "request", method=request.method, route=f"/{route}", status=response.status_code, ms=milliseconds
            )
        # Decisions echo an id of any spelling, as their standard asks.
        response.headers.setdefault("X-Request-Id", request_id)
        return response


class ProblemMiddleware:
    """Renders our errors when a page raises one. The API's own handler does the same for its views."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, TenantryError):
            return render_problem(request, exception)
        if isinstance(exception, RequestDataTooBig):
            return render_problem(request, TooLarge())
        if settings.DEBUG and speaks_json(request):  # where Django would show its own page
            logger.error("request failed", exc_info=exception)
            return render_problem(request, ServerFault())
        return None


class PrivateAnswersMiddleware:
    """Keeps what a signed-in browser is shown out of every cache, the one behind its Back button included."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if SESSION_KEY in request.session:
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response
