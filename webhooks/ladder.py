"""When a delivery that failed is tried again: over three days, ever more rarely."""

from datetime import datetime, timedelta
from random import SystemRandom

RETRY_SECONDS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
# Each wait is up to so much shorter or longer, so that what failed together does not come back together.
JITTER = 0.1
# libcurl tells of no longer one.
LONGEST_PATIENCE = 6 * 3600.0

# Receivers that ask for more patience than the ladder has make it longer.
LADDER_LENGTH = timedelta(seconds=sum(RETRY_SECONDS) * (1 + JITTER))

_random = SystemRandom()


def next_attempt(tries: int, now: datetime, retry_after: float | None = None) -> datetime | None:
    """When to try again after the `tries`th attempt (from 1) failed at `now`; None when the ladder is at its end.

    `retry_after`: the seconds that the receiver asked for. They are waited for, up to six hours.
    """
    if tries > len(RETRY_SECONDS):
        return None
    seconds = RETRY_SECONDS[tries - 1] * _random.uniform(1 - JITTER, 1 + JITTER)
    return now + timedelta(seconds=max(seconds, patience(retry_after)))


def patience(retry_after: float | None) -> float:
    """The seconds that are waited because a receiver asked for it."""
    return min(max(retry_after or 0.0, 0.0), LONGEST_PATIENCE)
