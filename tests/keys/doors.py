"""Asking the full path and the fast one alike."""

import json
import time
from io import BytesIO
from typing import Any

from django.conf import settings
from django.test import Client
from django.utils.module_loading import import_string

from config.kernel.hot import Door
from keys import limits
from keys.hot import decision_facts
from keys.hot.cache import cache
from keys.uses import recorder
from orgs.changes import MAXIMUM_AGE, feed


class FellThrough(Exception):
    """The fast path left the request to the full one."""


def _refuses(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    raise FellThrough


def forget_everything() -> None:
    """Nothing in memory, no lease held, no limit counted: as a process that has just started finds it."""
    cache.forget("", None)
    decision_facts.cache.forget("", None)
    limits.forget_leases()
    recorder.forget()


def environ_of(path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """A WSGI environment as granian makes it."""
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "127.0.0.1:8000",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": BytesIO(body),
        **headers,
    }


def through_the_door(path: str, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the fast path, which knows all that was changed so far. Raises FellThrough."""
    while True:
        began = time.monotonic()
        feed.read()
        try:
            return _asked(path, body, headers)
        except FellThrough:
            # On a busy machine what was read may be too old by the time that it is used.
            if time.monotonic() < began + MAXIMUM_AGE:
                raise


def _asked(path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    answered: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        answered["status"], answered["headers"] = int(status.split(maxsplit=1)[0]), dict(headers)

    routes = {name: import_string(handler) for name, handler in settings.TENANTRY_HOT_ROUTES.items()}
    content = b"".join(Door(_refuses, routes)(environ_of(path, body, headers), start_response))
    return answered["status"], answered["headers"], content


def through_django(path: str, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """The same of the full path."""
    answer = Client().generic("POST", path, body, content_type="application/json", **headers)
    return answer.status_code, dict(answer.headers), answer.content


def both(path: str, body: Any, **headers: str) -> tuple[Any, Any]:
    """The answers of the full path and the fast one: (status, data) each. Raises FellThrough."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    full = through_django(path, sent, **headers)
    fast = through_the_door(path, sent, **headers)
    return (full[0], json.loads(full[2])), (fast[0], json.loads(fast[2]))
