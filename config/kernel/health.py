"""Health endpoints: live says that the process answers, ready that it can serve."""

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError

from config.kernel.access import PUBLIC


def live(request: HttpRequest) -> JsonResponse:
    """200 while the process runs."""
    return JsonResponse({"status": "live"})


def ready(request: HttpRequest) -> JsonResponse:
    """200 when PostgreSQL is reached, all migrations are applied and Valkey answers; else 503 naming what fails."""
    checks = {"database": _database_ready(), "cache": _cache_ready()}
    ok = all(checks.values())
    return JsonResponse({"status": "ready" if ok else "not ready", "checks": checks}, status=200 if ok else 503)


def _database_ready() -> bool:
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return False


def _cache_ready() -> bool:
    try:
        cache.set("health", "ready", timeout=5)
    except RedisError:
        return False
    return True


live.access = PUBLIC  # type: ignore[attr-defined]
ready.access = PUBLIC  # type: ignore[attr-defined]
