"""Rate limits of keys: so many verifications in each window, counted in Valkey for all processes together.

A window begins with the first use and lasts its seconds. A process takes tokens out of it in small leases, so that a
busy key needs no trip to the store for each request. What is leased is counted as used: the limit is never passed.
What a process leases and does not use is lost to the others until the window ends, at most a hundredth of the limit
and an eighth of what is left, so a key may be refused that much too early.
"""

import itertools
import threading
import time
from dataclasses import dataclass
from functools import cache
from uuid import UUID

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

# KEYS: the window. ARGV: limit, wanted at least, lease beyond that, milliseconds. Answers granted, left, milliseconds.
# An eighth of what is left at most, so that leases get smaller as the limit comes near.
TAKE = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local left = tonumber(ARGV[1]) - used
local rest = used == 0 and tonumber(ARGV[4]) or redis.call('PTTL', KEYS[1])
local cost = tonumber(ARGV[2])
if left < cost then return {0, math.max(left, 0), rest} end
local granted = cost + math.min(tonumber(ARGV[3]), math.floor((left - cost) / 8))
redis.call('INCRBY', KEYS[1], granted)
if used == 0 then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return {granted, left - granted, rest}
"""


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
    terms = key.terms.rate or (0, 1)
    limit, window = terms
    now = time.monotonic()
    with _lock:
        lease = _leases.get(key.public_id)
        if lease is not None and lease.ends > now and lease.tokens >= cost and lease.terms == terms:
            lease.tokens -= cost
            return Left(GRANTED, limit, lease.elsewhere + lease.tokens, _seconds(lease.ends - now))
    name = window_name(key.project.organization.id, key.public_id, limit, window)
    try:
        granted, left, milliseconds = _script()(name, limit, cost, limit // LEASE_OF_LIMIT, window * 1000)
    except redis.RedisError as error:
        logger.warning("rate limits cannot be counted", error=type(error).__name__)
        return Left(REFUSED, limit, 0, 1)
    ends = now + milliseconds / 1000  # from before the question, so that no lease outlives its window
    if not granted:
        return Left(REFUSED, limit, left, _seconds(milliseconds / 1000))
    with _lock:
        held = _leases.pop(key.public_id, None)  # so that the one put back is the newest
        # Another thread may have taken a lease meanwhile. One that ends half a window earlier is of the last window.
        same_window = held is not None and held.terms == terms and held.ends > now and ends - held.ends < window / 2
        spare = granted - cost + (held.tokens if held is not None and same_window else 0)
        if spare:
            if len(_leases) >= MOST_LEASES:
                for oldest in list(itertools.islice(_leases, DROPPED)):
                    del _leases[oldest]
            _leases[key.public_id] = Lease(spare, left, ends, terms)
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


class TakeScript:
    """Runs TAKE on a connection of each thread's own, past the command machinery of the client: it is asked often."""

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool(
            **parse_url(url),
            socket_timeout=STORE_TIMEOUT,
            socket_connect_timeout=STORE_TIMEOUT,
        )
        self._digest = ""
        self._own = threading.local()

    def __call__(self, name: str, limit: int, cost: int, spare: int, milliseconds: int) -> tuple[int, int, int]:
        """Raises redis.RedisError."""
        try:
            return self._run(name, limit, cost, spare, milliseconds)
        except redis.exceptions.NoScriptError:
            self._digest = ""
            return self._run(name, limit, cost, spare, milliseconds)
        except redis.ConnectionError:  # the store was restarted: once more on a new connection
            return self._run(name, limit, cost, spare, milliseconds)

    def _run(self, *arguments: str | int) -> tuple[int, int, int]:
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = self._pool.get_connection()
        try:
            if not self._digest:
                connection.send_command("SCRIPT", "LOAD", TAKE)
                self._digest = connection.read_response().decode()
            connection.send_packed_command(connection.pack_command("EVALSHA", self._digest, 1, *arguments))
            return connection.read_response()
        except redis.exceptions.NoScriptError:
            raise
        except Exception:
            connection.disconnect()
            raise


@cache
def _script() -> TakeScript:
    return TakeScript(settings.CACHES["default"]["LOCATION"])
