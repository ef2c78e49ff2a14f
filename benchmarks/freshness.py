"""How soon four warm server processes see a change: a revoked key, a permission taken, a disabled organization.

Promised: within one second, also while Valkey does not answer. Measured from the commit to the first question to each
server that it answers by the change.
"""

import http.client
import json
import os
import signal
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import LiteralString

import psutil
import psycopg

from benchmarks.stage import ADDRESS, Server, Stage, show

SERVERS = 4
TRIALS = 25
VALID = "valid"
CHANGES = {
    "key revoked": "UPDATE keys_key SET revoked_at = now() WHERE digest = sha256(%s::bytea)",
    "permission taken": "UPDATE keys_key SET permissions = '{}' WHERE digest = sha256(%s::bytea)",
    "organization disabled": "UPDATE orgs_organization SET status = 'disabled' WHERE id = "
    "(SELECT org_id FROM keys_key WHERE digest = sha256(%s::bytea))",
}
UNDO: tuple[LiteralString, ...] = (
    "UPDATE keys_key SET revoked_at = NULL, permissions = '{view_org,usage:track}' WHERE digest = sha256(%s::bytea)",
    "UPDATE orgs_organization SET status = 'active' WHERE slug LIKE 'bench-%%' AND %s <> ''::bytea",
)


class Observer:
    """Four servers, and a connection that sees all rows."""

    def __init__(self, stage: Stage, database: psycopg.Connection) -> None:
        self._stage = stage
        self._database = database
        self._servers = [stage.server() for _ in range(SERVERS)]

    def delays(self, key: str, change: LiteralString) -> list[float]:
        """Seconds until each server was asked and no longer answered `valid`; the change is undone afterwards."""
        for server in self._servers:
            while ask(self._stage, server, key) != VALID:
                time.sleep(0.01)
        self._database.execute(change, [key.encode()])
        committed = time.monotonic()
        found: dict[int, float] = {}
        while len(found) < len(self._servers):
            for server in self._servers:
                asked = time.monotonic()
                if server.port not in found and ask(self._stage, server, key) != VALID:
                    found[server.port] = asked - committed
        for undo in UNDO:
            self._database.execute(undo, [key.encode()])
        return list(found.values())


def run(stage: Stage) -> None:
    """Prints the distribution of each change, with Valkey there and without."""
    keys = stage.text("keys.txt").split()[:TRIALS]
    rows = []
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as database:
        database.execute("SET ROLE tenantry_system")
        observer = Observer(stage, database)
        for paused, words in ((False, "Valkey answers"), (True, "Valkey is stopped")):
            with stopped_valkey(stage, paused=paused):
                for change, statement in CHANGES.items():
                    times = sorted(seconds for key in keys for seconds in observer.delays(key, statement))
                    rows.append({"change": f"{change}, {words}", **distribution(times)})
    show(rows)


def distribution(times: list[float]) -> dict[str, str]:
    """Of sorted seconds."""
    return {
        "observations": str(len(times)),
        "median": f"{statistics.median(times) * 1e3:.0f} ms",
        "p95": f"{times[int(len(times) * 0.95)] * 1e3:.0f} ms",
        "longest": f"{times[-1] * 1e3:.0f} ms",
    }


def ask(stage: Stage, server: Server, key: str) -> str:
    """The code of the answer, or the status of a refusal."""
    connection = http.client.HTTPConnection(ADDRESS, server.port, timeout=10)
    try:
        body = json.dumps({"key": key, "permission": "usage:track"})
        connection.request("POST", "/api/v1/keys/verify", body, stage.headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    return json.loads(content)["code"] if answer.status == HTTPStatus.OK else str(answer.status)


@contextmanager
def stopped_valkey(stage: Stage, *, paused: bool) -> Iterator[None]:
    """Valkey as it does when its machine hangs: it neither answers nor refuses."""
    valkey: list[psutil.Process] = [process for process in stage.stores if "valkey" in process.name()] if paused else []
    for process in valkey:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in valkey:
            process.send_signal(signal.SIGCONT)
