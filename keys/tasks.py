"""Celery entries of keys: ids in, a named outcome out. The work is in the modules they call."""

from celery import shared_task

from keys import tidying
from keys.services import signing_keys


@shared_task(name="keys.tend_signing_keys")
def tend_signing_keys() -> str:
    """Replaces the signing key when it is old enough. Outcomes: `rotated`, `nothing to do`."""
    return signing_keys.tend_signing_keys()


@shared_task(name="keys.tidy")
def tidy() -> str:
    """Forgets what has served its time. Outcome: `forgot N`."""
    return f"forgot {tidying.tidy()}"
