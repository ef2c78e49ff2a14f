"""How often somebody may try, counted in Redis for all processes together.

`may_try` and its likes are for anything that may be asked so often in so long. Guessing at somebody's secret is slowed
down by `require_patience` instead: whoever guesses waits, longer after each wrong guess. `require_turn` is for what is
asked all the time: it takes no trip to Redis, and each process counts by itself.

Everything that looks at a secret of a person calls `require_patience(what, account=…)` before it looks, which counts
the try, and `forgive(what, account=…)` once the secret was right, which takes it back: password sign-in (sso.adapter),
programs' sign-in (keys.services.sessions), confirming one's identity (sso.views.confirm), mailed codes, codes of an
authenticator, recovery and break-glass codes, and user codes of devices. Asking for a mail (password reset, magic
link) calls `require_patience` alone. `account` is the address as it was typed, or the id of whoever is known already,
whether or not there is such a person: the answer while waiting is the same for everybody.
"""

import hashlib
import ipaddress
import math
import threading
import time
from enum import StrEnum
from functools import cache

import redis
from django.conf import settings
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from config.kernel.context import current_request
from config.kernel.errors import RateLimited, Unavailable

KEY_PREFIX = "tenantry:tries"


class Secret(StrEnum):
    """What `require_patience` is about, the same for every door; MAIL nobody guesses at, but many may ask for it."""

    PASSWORD = "password"  # noqa: S105 - the name of a secret
    MAILED_CODE = "mailed code"
    SECOND_FACTOR = "second factor"
    BREAK_GLASS = "break-glass"
    DEVICE_CODE = "device code"
    MAIL = "mail"


# A right guess after the delay always counts, so nobody is locked out for good.
# For how many seconds without a try failures are remembered.
QUIET = 3600
# For how long an address counts as the account's own after it proved itself there.
OWN_ADDRESS_SECONDS = 30 * 24 * 3600
# Guesses at one account from everywhere, and at all accounts from one address, wait later; an account's waits are
# shorter too, since they may hit its owner on the way.
ACCOUNT_PATIENCE, ACCOUNT_SHARE = 4, 5
ADDRESS_PATIENCE = 10
NETWORK_PREFIX = 64

# Counts a try in each of KEYS, unless one of them still waits; then nothing is counted. ARGV: now in milliseconds, the
# seconds to remember, then for each key how many tries are free and the longest wait in seconds. Returns the
# milliseconds to wait.
TRY = """
local now, wait = tonumber(ARGV[1]), 0
for index, key in ipairs(KEYS) do
  local due = tonumber(redis.call('HGET', key, 'due') or '0')
  if due - now > wait then wait = due - now end
end
if wait > 0 then return wait end
for index, key in ipairs(KEYS) do
  local free, longest = tonumber(ARGV[1 + 2 * index]), tonumber(ARGV[2 + 2 * index])
  local count = redis.call('HINCRBY', key, 'count', 1)
  local delay = 0
  if count > free then delay = math.min(2 ^ math.min(count - free - 1, 30), longest) end
  redis.call('HSET', key, 'due', string.format('%d', now + delay * 1000))
  redis.call('EXPIRE', key, tonumber(ARGV[2]))
end
return 0
"""
# Takes one try back in each of KEYS; the wait that it began ends with it.
FORGIVE = """
for index, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then
    if redis.call('HINCRBY', key, 'count', -1) <= 0 then redis.call('DEL', key)
    else redis.call('HSET', key, 'due', '0') end
  end
end
return 0
"""


TURN_SECONDS = 60
# Of more in one minute all are forgotten, so that memory does not grow with the addresses of an attacker.
MOST_TURNS = 100_000


class Turns:
    """What was counted in the current minute, by what, who and address."""

    def __init__(self) -> None:
        self.minute = 0
        self.counts: dict[tuple[str, str, str], int] = {}


_turns = Turns()
_counting = threading.Lock()


def may_try(what: str, who: str, *, limit: str) -> bool:
    """Counts one try of `who` at `what`; False when `limit`, such as "10/minute", is used up.

    Raises redis.RedisError when nobody can tell, so that the try fails too.
    """
    return _limiter(settings.CACHES["default"]["LOCATION"]).hit(parse(limit), what, who)


def require_try(what: str, who: str, *, limit: str) -> None:
    """Counts one try like `may_try`.

    Raises RateLimited, which says when the next one is free, and Unavailable when Redis does not answer.
    """
    try:
        if may_try(what, who, limit=limit):
            return
        window = _limiter(settings.CACHES["default"]["LOCATION"]).get_window_stats(parse(limit), what, who)
    except redis.RedisError:
        raise Unavailable from None
    raise RateLimited(max(1, math.ceil(window.reset_time - time.time())))


def forget_tries(what: str, who: str, *, limit: str) -> None:
    """Counts from nothing again, for somebody who has proven themselves."""
    _limiter(settings.CACHES["default"]["LOCATION"]).clear(parse(limit), what, who)


def require_turn(what: str, who: str, *, limit: int, cost: int = 1) -> None:
    """Counts `cost` of what `who` does from the caller's address in this minute, in this process alone: so of N
    processes together N times `limit` can pass. 0 is no limit.

    Raises RateLimited, with the seconds until the minute is over, once `limit` is reached.
    """
    if not limit:
        return
    now, name = time.time(), (what, who, _address())
    minute = int(now // TURN_SECONDS)
    with _counting:
        if _turns.minute != minute or len(_turns.counts) >= MOST_TURNS:
            _turns.minute, _turns.counts = minute, {}
        count = _turns.counts.get(name, 0)
        if count < limit:
            _turns.counts[name] = count + cost
            return
    raise RateLimited(max(1, math.ceil((minute + 1) * TURN_SECONDS - now)))


def forget_turns() -> None:
    """Counts from nothing again."""
    with _counting:
        _turns.counts = {}


def require_patience(what: str, *, account: str, device: str = "") -> None:
    """Counts one try at a secret of `account`, to be called before anybody looks whether it is right.

    The first TENANTRY_FREE_TRIES of an account from one address cost nothing; after each further one the next must
    wait, a second at first and twice as long each time, up to TENANTRY_LONGEST_DELAY. A try that comes too soon is
    refused and does not count. Besides there are counts of the account from everywhere and of the address for
    everybody. These two do not hold for `device`, a name of a browser that the person proved themselves in before
    (orgs.services.devices), nor for an address where they did: somebody else's guesses never stop an owner who comes
    from where they always come.

    Raises RateLimited with the seconds to wait, Unavailable when Redis does not answer.
    """
    try:
        store = _store(settings.CACHES["default"]["LOCATION"])
        own = _own_key(what, account)
        keys = [_pair_key(what, account, device)]
        if not device and not store.exists(own):
            keys += [_account_key(what, account), _address_key(what)]
        limits = [_limits_of(key) for key in keys]
        numbers = [int(time.time() * 1000), QUIET, *(number for pair in limits for number in pair)]
        wait = int(store.eval(TRY, len(keys), *keys, *numbers))
    except redis.RedisError:
        raise Unavailable from None
    if wait > 0:
        raise RateLimited(math.ceil(wait / 1000))


def forgive(what: str, *, account: str, device: str = "") -> None:
    """Takes back the try that `require_patience` counted, after the secret was right, and forgets the wrong ones.

    From now on the address counts as the account's own. Raises Unavailable when Redis does not answer.
    """
    try:
        store = _store(settings.CACHES["default"]["LOCATION"])
        own = _own_key(what, account)
        if not device and not store.exists(own):
            keys = [_account_key(what, account), _address_key(what)]
            store.eval(FORGIVE, len(keys), *keys)
        store.delete(_pair_key(what, account, device))
        store.set(own, b"1", ex=OWN_ADDRESS_SECONDS)
    except redis.RedisError:
        raise Unavailable from None


def _address() -> str:
    """Whom to count as one: an address of IPv4, a network of IPv6, since one line has as many of its addresses."""
    text = current_request().ip
    if not text:
        return "unknown"
    ip = ipaddress.ip_address(text)
    if isinstance(ip, ipaddress.IPv4Address):
        return text
    return str(ip.ipv4_mapped or ipaddress.ip_network(f"{ip}/{NETWORK_PREFIX}", strict=False))


def _key(*parts: str) -> str:
    """Says nothing about whom it is: the parts are hashed."""
    return f"tenantry:patience:{parts[0]}:{hashlib.sha256(repr(parts).encode()).hexdigest()}"


def _pair_key(what: str, account: str, device: str) -> str:
    return _key("pair", what, account, f"device {device}" if device else _address())


def _account_key(what: str, account: str) -> str:
    return _key("account", what, account)


def _address_key(what: str) -> str:
    return _key("address", what, _address())


def _own_key(what: str, account: str) -> str:
    return _key("own", what, account, _address())


def _limits_of(key: str) -> tuple[int, int]:
    """How many tries are free, and the longest wait in seconds."""
    free, longest = settings.TENANTRY_FREE_TRIES, settings.TENANTRY_LONGEST_DELAY
    if key.startswith("tenantry:patience:account"):
        return free * ACCOUNT_PATIENCE, max(1, longest // ACCOUNT_SHARE)
    if key.startswith("tenantry:patience:address"):
        return free * ADDRESS_PATIENCE, longest
    return free, longest


@cache
def _store(url: str) -> redis.Redis:
    return redis.Redis.from_url(url)


@cache
def _limiter(url: str) -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(storage_from_string(url, key_prefix=KEY_PREFIX))
