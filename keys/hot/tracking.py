"""`POST /api/v1/track` in front of Django. Checks by the very function of the full path, and commits with it."""

import time
from http import HTTPStatus
from typing import Any

import orjson

from config.kernel.errors import AuthFailure, Invalid, QuotaExceeded, Unavailable
from config.kernel.hot import ACCEPTED, Answer
from config.kernel.permissions import Permission
from config.kernel.problems import PROBLEM_TYPE
from keys.hot.callers import calling_key, left, presented
from keys.tracking.events import Event, read_events
from keys.tracking.intake import submit
from keys.tracking.writing import Source, Submission

TRACK = Permission.USAGE_TRACK.value
# From here on a number may be a whole one that orjson could not keep exactly, which the full path refuses.
INEXACT = 2.0**63
# Bytes. What is larger is read by its own thread, for which it does not matter, so that no other has to wait for it.
LONGEST_UNREAD = 4096
ONE: Answer = (ACCEPTED, b'{"accepted":1,"duplicates":0}', [])  # what nearly every request with one event is answered


class Unread(Submission):
    """A request as it came, from a key that is kept in memory. The thread that writes reads it.

    Reading those of one commit in a row costs half of reading each in a thread of its own, since what that needs of
    program and memory is at hand in the processor after the first.
    """

    __slots__ = ("_body", "_environ")

    def __init__(self, environ: dict[str, Any], body: bytes) -> None:
        super().__init__()
        self._environ = environ
        self._body = body

    def prepare(self) -> bool:
        """Reads it, and asks memory alone who sent it."""
        sent = read_request(self._environ, self._body, may_wait=False)
        if sent is None:
            return False
        self.fill(*sent)
        return True


def track_events(environ: dict[str, Any], body: bytes) -> Answer | None:
    """The answer once the events are safe, or None for the full path, which words every refusal.

    Of what is refused nothing was counted, so the full path may ask for it again. Where that is not known it must not:
    the caller is told, and sends the same ids again.
    """
    if presented(environ) is None:
        return None
    try:
        tracked = submit(Unread(environ, body)) if len(body) <= LONGEST_UNREAD else None
        if tracked is None:
            sent = read_request(environ, body)
            tracked = submit(Submission(*sent)) if sent is not None else None
            if tracked is None:
                return left(environ) if sent is not None else None
    except (AuthFailure, QuotaExceeded):
        return left(environ)
    except Unavailable as error:
        status = HTTPStatus(error.status)
        return f"{status.value} {status.phrase}", orjson.dumps(error.problem()), [("Content-Type", PROBLEM_TYPE)]
    if tracked.accepted == 1 and not tracked.duplicates:
        return ONE
    return ACCEPTED, b'{"accepted":%d,"duplicates":%d}' % (tracked.accepted, tracked.duplicates), []


def read_request(environ: dict[str, Any], body: bytes, *, may_wait: bool = True) -> tuple[Source, list[Event]] | None:
    """Whose events they are, and the events. None for the full path."""
    events = read(body)
    if events is None:
        return None
    caller = calling_key(environ, TRACK, time.time(), may_wait=may_wait)
    if caller is None:
        return None
    return Source(caller.project.organization.id, caller.project.id, caller.public_id), events


def read(body: bytes) -> list[Event] | None:
    """The events of a body without escapes and without a name that comes twice. None for every other body."""
    if b"\\" in body:
        return None
    try:
        data = orjson.loads(body)
        if type(data) is not dict or len(data) != 1 or "events" not in data:
            return None
        # Each text has two quotation marks. orjson keeps the last of two fields of one name, whose marks are then over.
        if body.count(b'"') != 2 * texts_in(data):
            return None
        return read_events(data["events"])
    except (orjson.JSONDecodeError, ArithmeticError, Invalid, RecursionError):
        return None


def texts_in(value: Any) -> int:
    """How many names and texts there are. Raises ArithmeticError for a number that may not be the one written."""
    kind = type(value)
    if kind is str:
        return 1
    if kind is dict:
        return len(value) + sum(map(texts_in, value.values()))
    if kind is list:
        return sum(map(texts_in, value))
    if kind is float and not -INEXACT < value < INEXACT:
        raise ArithmeticError("Beyond what is kept exactly.")
    return 0
