"""Rate limits of keys: so many uses in each window, counted in Valkey for all processes together. A use is a
verification of the key, or a request that comes with it to our own API.

A window begins with the first use and lasts its seconds. A process takes tokens out of it in small leases, so that a
busy key needs no trip to the store for each request. What is leased is counted as used: the limit is never passed.
What a process leases and does not use is lost to the others until the window ends, at most a hundredth of the limit,
and an eighth of what it knew to be left, so a key may be refused that much too early.
"""

import itertools
import threading
import time
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import hiredis
import redis
import structlog
from django.conf import settings
from redis.connection import ConnectionPool, parse_url

from keys.facts import KeyFacts

logger = structlog.get_logger()

LEASE_OF_LIMIT = 100
# At most so many leases are held, or as many as keys are kept if that is more.
MOST_LEASES = max(100_000, settings.TENANTRY_KEY_CACHE_SIZE)
# How many are dropped at once when they are too many: those that were taken first, whose windows have mostly ended.
DROPPED = 64
STORE_TIMEOUT = 1.0
GRANTED, REFUSED = True, False

# The window begins if there is none, so much is added to what was used in it, and so long it lasts. Three commands in
# one message: a script that does the same costs the store twice as much.
TAKE = b"*6\r\n$3\r\nSET\r\n%b$1\r\n0\r\n$2\r\nPX\r\n%b$2\r\nNX\r\n*3\r\n$6\r\nINCRBY\r\n%b%b*2\r\n$4\r\nPTTL\r\n%b"
ADD = b"*3\r\n$6\r\nINCRBY\r\n%b%b"
LAST = b"*3\r\n$7\r\nPEXPIRE\r\n%b%b"
PIECE = 4096


@dataclass(frozen=True, slots=True)
class Left:
    """What a key's limit still allows: `remaining` uses in the window that ends in `reset` seconds."""

    is_granted: bool
    limit: int
    remaining: int
    reset: int

    def told(self) -> dict[str, int]:
        """As keys/verify answers it."""
        return {"limit": self.limit, "remaining": self.remaining, "reset": self.reset}


@dataclass(slots=True)
class Lease:
    """Tokens counted as used and not yet given out. `elsewhere` were left in the store when they were taken."""

    tokens: int
    elsewhere: int
    ends: float
    terms: tuple[int, int]


# By the key's public id. Not with the key's facts, which are loaded anew whenever memory is short.
_leases: dict[str, Lease] = {}
_lock = threading.Lock()


def take(key: KeyFacts, cost: int) -> Left:
    """Counts `cost` uses of a key that has a limit. Refused when the store does not answer: nobody could tell."""
    return take_from(key.public_id, key.project.organization.id, key.terms.rate or (0, 1), cost)


def take_from(key_id: str, organization_id: UUID, terms: tuple[int, int], cost: int) -> Left:
    """The same of the key with that public id, whose limit and window in seconds are `terms`."""
    limit, window = terms
    now = time.monotonic()
    with _lock:
        lease = _leases.get(key_id)
        if lease is not None and lease.ends > now and lease.tokens >= cost and lease.terms == terms:
            lease.tokens -= cost
            return Left(GRANTED, limit, lease.elsewhere + lease.tokens, _seconds(lease.ends - now))
    spare = limit // LEASE_OF_LIMIT
    if lease is not None and lease.ends > now and lease.terms == terms:
        spare = min(spare, lease.elsewhere // 8)  # so that leases get smaller as the limit comes near
    name = window_name(organization_id, key_id, limit, window)
    try:
        granted, left, milliseconds = _windows()(name, limit, cost, spare, window * 1000)
    except (redis.RedisError, OSError) as error:
        logger.warning("rate limits cannot be counted", error=type(error).__name__)
        return Left(REFUSED, limit, 0, 1)
    ends = now + milliseconds / 1000  # from before the question, so that no lease outlives its window
    if not granted:
        return Left(REFUSED, limit, left, _seconds(milliseconds / 1000))
    with _lock:
        held = _leases.pop(key_id, None)  # so that the one put back is the newest
        # Another thread may have taken a lease meanwhile. One that ends half a window earlier is of the last window.
        same_window = held is not None and held.terms == terms and held.ends > now and ends - held.ends < window / 2
        spare = granted - cost + (held.tokens if held is not None and same_window else 0)
        if spare or limit >= LEASE_OF_LIMIT:
            if len(_leases) >= MOST_LEASES:
                for oldest in list(itertools.islice(_leases, DROPPED)):
                    del _leases[oldest]
            _leases[key_id] = Lease(spare, left, ends, terms)
    return Left(GRANTED, limit, left + spare, _seconds(milliseconds / 1000))


def window_name(organization_id: UUID, key_id: str, limit: int, window_seconds: int) -> str:
    """Names the counter in the store. A changed limit begins a window of its own."""
    return f"{organization_id}:rate:{key_id}:{limit}:{window_seconds}"


def forget_leases() -> None:
    """Gives up all leases of this process; what was in them counts as used."""
    with _lock:
        _leases.clear()


def _seconds(rest: float) -> int:
    return max(1, int(rest + 0.999))


class Windows:
    """Counts in the store, on a connection of each thread's own and past the command machinery of the client, which
    costs as much as the trip: it is asked often.
    """

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool(
            **parse_url(url),
            socket_timeout=STORE_TIMEOUT,
            socket_connect_timeout=STORE_TIMEOUT,
            protocol=2,
        )
        self._own = threading.local()

    def __call__(self, name: str, limit: int, cost: int, spare: int, milliseconds: int) -> tuple[int, int, int]:
        """Takes `cost` tokens of a window and up to `spare` more, or none when it has not `cost` left.

        Answers how many were granted, how many are left in the store, and for how many milliseconds the window lasts.
        Raises redis.RedisError and OSError; what was asked for then may have been counted.
        """
        window, wanted = text(name), cost + spare
        _, used, rest = self._asked(TAKE % (window, text(milliseconds), window, text(wanted), window), answers=3)
        before = used - wanted
        if rest < 0:  # it ended between two commands, and the next one must end as well
            self._asked(LAST % (window, text(milliseconds)), answers=1)
            rest = milliseconds
        left = max(limit - before, 0)
        if left < cost:
            if left:  # somebody may still want less
                self._asked(ADD % (window, text(-wanted)), answers=1)
            return 0, left, rest
        granted = min(wanted, left)
        return granted, left - granted, rest

    def _asked(self, message: bytes, answers: int) -> list[int]:
        try:
            return self._sent(message, answers)
        except (redis.ConnectionError, ConnectionError):  # the store was restarted: once more on a new connection
            return self._sent(message, answers)

    def _sent(self, message: bytes, answers: int) -> list[int]:
        connection = getattr(self._own, "connection", None)
        try:
            if connection is None:
                connection = self._own.connection = self._pool.get_connection()
                self._own.reader = hiredis.Reader(protocolError=redis.InvalidResponse, replyError=redis.ResponseError)
            # The client has logged in, chosen the database and encrypted; all of its classes have their socket there.
            found = _exchanged(connection._sock, self._own.reader, message, answers)
        except Exception:
            self._forget()
            raise
        for answer in found:
            if isinstance(answer, Exception):
                raise answer
        return found

    def _forget(self) -> None:
        """Ends the thread's connection: answers to what was asked last may still come on it."""
        connection = getattr(self._own, "connection", None)
        self._own.connection = None
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)


def _exchanged(line: Any, reader: hiredis.Reader, message: bytes, answers: int) -> list[Any]:
    line.sendall(message)
    found: list[Any] = []
    while len(found) < answers:
        answer = reader.gets()
        if answer is not False:  # what it says while an answer is not whole
            found.append(answer)
        elif piece := line.recv(PIECE):
            reader.feed(piece)
        else:
            raise redis.ConnectionError
    return found


def text(value: str | int) -> bytes:
    """A word of a command, as RESP writes it."""
    written = str(value).encode()
    return b"$%d\r\n%b\r\n" % (len(written), written)


@cache
def _windows() -> Windows:
    return Windows(settings.CACHES["default"]["LOCATION"])
