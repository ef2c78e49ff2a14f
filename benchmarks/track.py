"""`POST /api/v1/track` with one event a request, each with an id of its own.

Aimed at: at least 0.8 of the rate of a bare handler with group commit, and 5 × that of a handler that inserts each
event by the ORM. Ours does more than the bare one: authentication, validation, quota, counts by day and month.
"""

import os
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import orjson
import psycopg
from uuid_utils.compat import uuid7

from benchmarks.load import Asking, compared, interleaved
from benchmarks.stage import Stage, show

PATH = "/api/v1/track"
BODY = '{"events":[{"id":"%u","name":"page.viewed"}]}'
THREADS, CONNECTIONS = 16, 16
LARGEST_BATCH = 5000
ANSWER = b'{"accepted":1,"duplicates":0}'

TABLE = """
CREATE TABLE benchmark_event (
    id uuid PRIMARY KEY, tenant uuid NOT NULL, project uuid NOT NULL, event_id text, name text NOT NULL,
    occurred_at timestamptz NOT NULL, properties jsonb NOT NULL, UNIQUE (tenant, project, event_id)
)
"""
INSERT = """
INSERT INTO benchmark_event
SELECT * FROM jsonb_to_recordset(%s::jsonb) AS given (
    id uuid, tenant uuid, project uuid, event_id text, name text, occurred_at timestamptz, properties jsonb
) ON CONFLICT DO NOTHING
"""

Start = Callable[..., Any]


def run(stage: Stage) -> None:
    """Prints one table for both baselines."""
    with psycopg.connect(stage.environment["DATABASE_OWNER_URL"], autocommit=True) as connection:
        connection.execute("UPDATE orgs_organization SET plan = 'enterprise'")
    with stage.table(TABLE):
        servers = {
            "bare group commit": stage.server("benchmarks.track:bare", threads=THREADS),
            "ORM insert": stage.server("benchmarks.track:orm", threads=THREADS),
            "Tenantry": stage.server(threads=THREADS),
        }
        asking = Asking(PATH, BODY, stage.folder / "caller.txt", stage.headers, connections=CONNECTIONS)
        found = interleaved(servers, asking)
    print(f"One event a request, {CONNECTIONS} connections, {THREADS} threads:", flush=True)
    show(compared(found, "bare group commit"))
    print(flush=True)
    show(compared({name: found[name] for name in ("ORM insert", "Tenantry")}, "ORM insert"))


def answered(start: Start) -> list[bytes]:
    """202."""
    start("202 Accepted", [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))])
    return [ANSWER]


class GroupCommit:
    """A thread that writes whatever has come while it was writing."""

    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[tuple[list[dict[str, Any]], Any]] = queue.SimpleQueue()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self) -> None:
        """Writes for good."""
        with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as connection:
            while True:
                batch = [self.queue.get()]
                while len(batch) < LARGEST_BATCH and not self.queue.empty():
                    batch.append(self.queue.get())
                rows = orjson.dumps([row for given, _ in batch for row in given]).decode()
                connection.execute(INSERT, [rows])
                connection.commit()
                for _, waiting in batch:
                    waiting.release()


committing = cache(GroupCommit)
TENANT, PROJECT = uuid4(), uuid4()


def bare(environ: dict[str, Any], start: Start) -> list[bytes]:
    """A WSGI application: parse JSON, hand over, wait for the commit, answer."""
    given = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["events"]
    now = datetime.now(UTC)
    rows = [
        {
            "id": uuid7(), "tenant": TENANT, "project": PROJECT, "event_id": event.get("id"), "name": event["name"],
            "occurred_at": now, "properties": event.get("properties") or {},
        }
        for event in given
    ]  # fmt: skip
    waiting = threading.Lock()
    waiting.acquire()
    committing().queue.put((rows, waiting))
    waiting.acquire()
    return answered(start)


@cache
def project() -> tuple[UUID, UUID, str]:
    """The project of the key that asks."""
    import django

    django.setup()
    from config.kernel.tenancy.scope import system_scope
    from keys.models import Key

    with system_scope("benchmark"):
        key = Key.objects.filter(name="Benchmark").first()
    return key.org_id, key.project_id, key.public_id


def orm(environ: dict[str, Any], start: Start) -> list[bytes]:
    """A WSGI application that makes a row for each event by the model, and counts nothing."""
    org_id, project_id, key = project()
    from config.kernel.tenancy.scope import tenant_scope
    from projects.models import TrackedEvent

    with tenant_scope(org_id):
        for event in orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))["events"]:
            TrackedEvent.objects.create(
                project_id=project_id,
                key=key,
                name=event["name"],
                event_id=event.get("id"),
                occurred_at=datetime.now(UTC),
                properties=event.get("properties") or {},
            )
    return answered(start)
