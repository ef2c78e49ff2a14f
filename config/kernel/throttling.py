"""How often somebody may try, counted in Redis for all processes together."""

from functools import cache

from django.conf import settings
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import MovingWindowRateLimiter

KEY_PREFIX = "tenantry:tries"


def may_try(what: str, who: str, *, limit: str) -> bool:
    """Counts one try of `who` at `what`; False when `limit`, such as "10/minute", is used up.

    Raises redis.RedisError when nobody can tell, so that the try fails too.
    """
    return _limiter(settings.CACHES["default"]["LOCATION"]).hit(parse(limit), what, who)


@cache
def _limiter(url: str) -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(storage_from_string(url, key_prefix=KEY_PREFIX))
