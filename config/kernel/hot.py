"""The door in front of Django: a few routes that programs ask often are answered without its middleware.

A hot handler answers only what it wholly understands. Whatever is unusual, down to a header that it does not expect,
it leaves to the full path, which has the last word on every refusal of the request itself: so there is one place that
words errors, and a handler can only be faster, never more permissive. Handlers are named by TENANTRY_HOT_ROUTES.
"""

import itertools
import secrets
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any

import structlog
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.utils.module_loading import import_string

from config.kernel.middleware import REQUEST_ID

logger = structlog.get_logger()

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
# Status line, body, headers beyond those that every answer has or in their place. None: the full path shall answer.
Answer = tuple[str, bytes, list[tuple[str, str]]]
Handler = Callable[[Environ, bytes], Answer | None]

OK = "200 OK"
ACCEPTED = "202 Accepted"
JSON = "application/json"


class Door:
    """A WSGI application: hot routes first, `application` for everything else."""

    def __init__(self, application: Application, routes: Mapping[str, Handler]) -> None:
        self._application = application
        self._routes = dict(routes)
        self._longest = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self._encrypted_only = settings.SECURE_SSL_REDIRECT
        # The proxy's word counts only where Django takes it too.
        self._encrypted = settings.SECURE_PROXY_SSL_HEADER or ("wsgi.url_scheme", "https")
        self._headers = always()
        self._process = secrets.token_hex(10)
        self._count = itertools.count()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        handler = self._routes.get(environ["PATH_INFO"])
        if handler is None or not self._is_usual(environ):
            return self._application(environ, start_response)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        answer = self._answer(handler, environ, body)
        if answer is None:
            environ["wsgi.input"] = BytesIO(body)
            return self._application(environ, start_response)
        status, content, headers = answer
        request_id = environ.get("HTTP_X_REQUEST_ID", "")
        if not request_id or not REQUEST_ID.match(request_id):
            request_id = f"req_{self._process}{next(self._count):012x}"
        start_response(
            status,
            [
                *(self._headers_but(headers) if headers else self._headers),
                ("X-Request-Id", request_id),
                ("Content-Length", str(len(content))),
            ],
        )
        return [content]

    def _headers_but(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return list({**dict(self._headers), **dict(headers)}.items())

    def _is_usual(self, environ: Environ) -> bool:
        length = environ.get("CONTENT_LENGTH", "")
        return (
            environ["REQUEST_METHOD"] == "POST"
            and environ.get("CONTENT_TYPE") == JSON
            and not environ.get("QUERY_STRING")
            and length.isdecimal()
            and int(length) <= self._longest
            and is_served(environ.get("HTTP_HOST", ""))
            and (not self._encrypted_only or environ.get(self._encrypted[0]) == self._encrypted[1])
            and "HTTP_SIGNATURE_INPUT" not in environ
            and "HTTP_SIGNATURE" not in environ
        )

    def _answer(self, handler: Handler, environ: Environ, body: bytes) -> Answer | None:
        try:
            return handler(environ, body)
        except Exception:
            logger.exception("hot path failed", path=environ["PATH_INFO"])
            return None


@lru_cache(maxsize=256)
def is_served(host: str) -> bool:
    """Whether a Host header is one of ALLOWED_HOSTS, by Django's own rules."""
    return validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)


def always() -> list[tuple[str, str]]:
    """The headers that Django's middleware gives every answer of the API."""
    headers = [
        ("Content-Type", JSON),
        ("Cache-Control", "no-store"),
        ("Vary", "Cookie"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", settings.SECURE_REFERRER_POLICY),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("X-Frame-Options", settings.X_FRAME_OPTIONS),
    ]
    if settings.SECURE_HSTS_SECONDS:
        value = f"max-age={settings.SECURE_HSTS_SECONDS}"
        value += "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
        headers.append(("Strict-Transport-Security", value + ("; preload" if settings.SECURE_HSTS_PRELOAD else "")))
    return headers


def opened(application: Application) -> Application:
    """`application` behind the door, with the routes of TENANTRY_HOT_ROUTES."""
    return Door(application, {path: import_string(name) for path, name in settings.TENANTRY_HOT_ROUTES.items()})
