"""What Tenantry is measured against: the least that a server could do for the same request, under the same granian.

Each application is a WSGI callable, loaded by granian in a process of its own with the environment of the stage.
"""

import hashlib
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import redis

Start = Callable[..., Any]
# As long as an answer of keys/verify.
ANSWER = json.dumps({"valid": True, "code": "valid", "filling": "x" * 330}).encode()
READ = "SELECT id, org_id, permissions, expires_at, revoked_at FROM keys_key WHERE digest = %s"


@cache
def known() -> dict[bytes, str]:
    """Every seeded key by its SHA-256."""
    keys = Path(os.environ["BENCHMARK_KEYS"]).read_text().split()
    return {hashlib.sha256(key.encode()).digest(): key[:12] for key in keys}


def digest_in(environ: dict[str, Any]) -> bytes:
    """The SHA-256 of the key that the body asks about."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    return hashlib.sha256(json.loads(body)["key"].encode()).digest()


def answered(start: Start, found: object) -> list[bytes]:
    """200, or 404 for nothing found."""
    status = "200 OK" if found else "404 Not Found"
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))])
    return [ANSWER]


def ceiling(environ: dict[str, Any], start: Start) -> list[bytes]:
    """Parse JSON, SHA-256, dictionary, answer."""
    return answered(start, known().get(digest_in(environ)))


@cache
def valkey() -> redis.Redis:
    """One client with its pool."""
    return redis.Redis.from_url(os.environ["REDIS_URL"])


def one_valkey_trip(environ: dict[str, Any], start: Start) -> list[bytes]:
    """The ceiling with one GET."""
    digest = digest_in(environ)
    valkey().get(b"benchmark:" + digest)
    return answered(start, known().get(digest))


@cache
def postgres() -> psycopg.Connection:
    """One connection, which sees all rows."""
    connection = psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True, prepare_threshold=0)
    connection.execute("SET ROLE tenantry_system")
    return connection


def one_postgres_read(environ: dict[str, Any], start: Start) -> list[bytes]:
    """The ceiling with one prepared read by a unique index in place of the dictionary."""
    return answered(start, postgres().execute(READ, [digest_in(environ)]).fetchone())
