"""About when service accounts last acted in an organization, to help its people decide which grants are still needed.

Kept in Valkey alone, and written at most once a minute by each process: it guides people and proves nothing.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from django.core.cache import cache
from redis.exceptions import RedisError

WRITTEN_EVERY = timedelta(minutes=1)
KEPT = timedelta(days=400)
MOST_REMEMBERED = 10_000

logger = structlog.get_logger()

_written: dict[tuple[UUID, UUID], float] = {}


def note_use(*, account_id: UUID, organization_id: UUID) -> None:
    """Notes that the account acts in the organization now."""
    now, key = time.time(), (account_id, organization_id)
    if now - _written.get(key, 0.0) < WRITTEN_EVERY.total_seconds():
        return
    if len(_written) >= MOST_REMEMBERED:
        _written.clear()
    _written[key] = now
    try:
        cache.set(_name(account_id, organization_id), now, timeout=int(KEPT.total_seconds()))
    except RedisError as error:
        logger.warning("use of a service account could not be noted", error=type(error).__name__)


def last_uses(*, account_ids: Iterable[UUID], organization_id: UUID) -> dict[UUID, datetime]:
    """When these accounts last acted there, as far as anybody noted it."""
    names = {_name(account_id, organization_id): account_id for account_id in account_ids}
    try:
        found = cache.get_many(names)
    except RedisError:
        return {}
    return {names[name]: datetime.fromtimestamp(moment, UTC) for name, moment in found.items()}


def _name(account_id: UUID, organization_id: UUID) -> str:
    return f"service_use:{organization_id}:{account_id}"
