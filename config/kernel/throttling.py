"""How often somebody may try, counted in Redis for all processes together."""

import math
import time
from functools import cache

from django.conf import settings
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

from config.kernel.errors import RateLimited

KEY_PREFIX = "tenantry:tries"


def may_try(what: str, who: str, *, limit: str) -> bool:
    """Counts one try of `who` at `what`; False when `limit`, such as "10/minute", is used up.

    Raises redis.RedisError when nobody can tell, so that the try fails too.
    """
    return _limiter(settings.CACHES["default"]["LOCATION"]).hit(parse(limit), what, who)


def require_try(what: str, who: str, *, limit: str) -> None:
    """Counts one try like `may_try`. Raises RateLimited, which says when the next one is free."""
    if may_try(what, who, limit=limit):
        return
    window = _limiter(settings.CACHES["default"]["LOCATION"]).get_window_stats(parse(limit), what, who)
    raise RateLimited(max(1, math.ceil(window.reset_time - time.time())))


def forget_tries(what: str, who: str, *, limit: str) -> None:
    """Counts from nothing again, for somebody who has proven themselves."""
    _limiter(settings.CACHES["default"]["LOCATION"]).clear(parse(limit), what, who)


@cache
def _limiter(url: str) -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(storage_from_string(url, key_prefix=KEY_PREFIX))
