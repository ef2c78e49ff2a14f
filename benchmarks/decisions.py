"""`POST /access/v1/evaluation` and `/evaluations`, warm, the caller authenticated.

Promised: one decision at most 2.5 × the ceiling's CPU; a batch of 1,000 in under 20 ms.
"""

import hashlib
import http.client
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.load import Asking, compared, interleaved
from benchmarks.stage import ADDRESS, Server, Stage, show

PEOPLE = 10_000
BATCH = 1000
TIMES = 200
PATH, BATCH_PATH = "/access/v1/evaluation", "/access/v1/evaluations"
ROLES = ("admin", "developer", "viewer")
PERMISSION = "manage_keys"
# As long as an answer of ours.
ANSWER = json.dumps({"decision": True, "context": {"ttl": 60, "filling": "x" * 160}}).encode()
PEOPLE_SQL = """
INSERT INTO orgs_user (id, email, password, name, is_active, is_staff, is_superuser, must_change_password, created_at,
                       updated_at)
SELECT id, id || '@bench.example', '!', '', true, false, false, false, now(), now() FROM unnest(%s::uuid[]) AS id
"""
MEMBERS_SQL = """
INSERT INTO orgs_membership (id, org_id, user_id, role, created_at, updated_at)
SELECT id, %s, user_id, role, now(), now() FROM unnest(%s::uuid[], %s::uuid[], %s::text[]) AS m (id, user_id, role)
"""


def run(stage: Stage) -> None:
    """Prints a table for single decisions, and the time of batches."""
    people = stage.folder / "people.txt"
    if not people.exists():
        stage.python("-m", "benchmarks.decisions", str(stage.folder))
    project = stage.text("project.txt")
    question = {
        "subject": {"type": "user", "id": "%s"},
        "action": {"name": PERMISSION},
        "resource": {"type": "project", "id": project},
    }
    asking = Asking(PATH, json.dumps(question), people, stage.headers)
    ours = stage.server()
    ceiling = stage.server("benchmarks.decisions:ceiling", BENCHMARK_PEOPLE=str(people))
    everybody = people.read_text().split()
    bodies = [batch(question, everybody[start : start + BATCH]) for start in range(0, len(everybody), BATCH)]
    for body in bodies:
        send(ours, body, stage.headers)
    print(f"One decision, of {len(everybody):,} people drawn uniformly:", flush=True)
    show(compared(interleaved({"ceiling": ceiling, "Tenantry": ours}, asking), "ceiling"))
    print(f"\nBatches of {BATCH:,}, one after the other:", flush=True)
    show([batches(ours, bodies[0], stage.headers)])


def batch(question: dict[str, Any], people: list[str]) -> bytes:
    """One body that asks about all of them."""
    items = [{"subject": {"type": "user", "id": person}} for person in people]
    return json.dumps({**question, "evaluations": items}).encode()


def send(server: Server, body: bytes, headers: dict[str, str]) -> float:
    """How many milliseconds a batch takes. Raises RuntimeError for an answer that is not complete."""
    connection = http.client.HTTPConnection(ADDRESS, server.port)
    connection.connect()
    started = time.perf_counter()
    connection.request("POST", BATCH_PATH, body, headers)
    content = connection.getresponse().read()
    taken = (time.perf_counter() - started) * 1000
    connection.close()
    if len(json.loads(content).get("evaluations", [])) != BATCH:
        raise RuntimeError(f"The server did not answer as it should: {content[:300]!r}")
    return taken


def batches(server: Server, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """How long batches take, and what they cost."""
    before = server.cpu_seconds()
    taken = sorted(send(server, body, headers) for _ in range(TIMES))
    cpu = (server.cpu_seconds() - before) / TIMES * 1000
    return {
        "batch": f"{BATCH:,} decisions",
        "CPU ms": f"{cpu:.1f}",
        "median ms": f"{statistics.median(taken):.1f}",
        "90 % under ms": f"{taken[int(TIMES * 0.9)]:.1f}",
        "CPU µs/decision": f"{cpu / BATCH * 1000:.1f}",
    }


@cache
def known() -> dict[bytes, str]:
    """Everybody by a SHA-256."""
    people = Path(os.environ["BENCHMARK_PEOPLE"]).read_text().split()
    return {hashlib.sha256(person.encode()).digest(): person for person in people}


def ceiling(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """A WSGI application that does the least: parse JSON, SHA-256, dictionary, answer."""
    body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    found = known().get(hashlib.sha256(body["subject"]["id"].encode()).digest())
    status = "200 OK" if found else "404 Not Found"
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(ANSWER)))])
    return [ANSWER]


def seed(folder: Path) -> None:
    """Makes PEOPLE members, of all roles, in the organization of the key that asks."""
    import django

    django.setup()
    from django.db import connection

    from config.kernel.identifiers import public_id
    from config.kernel.tenancy.models import new_id
    from config.kernel.tenancy.scope import system_scope, tenant_scope
    from keys.credentials import digest_of
    from keys.models import Key

    with system_scope("benchmark"):
        key = Key.objects.get(digest=digest_of((folder / "caller.txt").read_text()))
    people = [new_id() for _ in range(PEOPLE)]
    roles = [ROLES[number % len(ROLES)] for number in range(PEOPLE)]
    with connection.cursor() as cursor:
        cursor.execute(PEOPLE_SQL, [people])
        with tenant_scope(key.org_id):
            cursor.execute(MEMBERS_SQL, [key.org_id, [new_id() for _ in people], people, roles])
    (folder / "project.txt").write_text(public_id("prj", key.project_id))
    (folder / "people.txt").write_text("\n".join(public_id("usr", person) for person in people))


if __name__ == "__main__":
    seed(Path(sys.argv[1]))
