"""What is known of the request in hand, for audit records and log lines. Empty outside of requests."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class RequestContext:
    """`ip` is the caller's address as far as trusted proxies tell it."""

    request_id: str = ""
    ip: str | None = None
    user_agent: str = ""


_current: ContextVar[RequestContext | None] = ContextVar("tenantry_request", default=None)


def current_request() -> RequestContext:
    """The request in hand, or an empty one."""
    return _current.get() or RequestContext()


@contextmanager
def request_context(context: RequestContext) -> Iterator[None]:
    """Makes `context` the request in hand."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
