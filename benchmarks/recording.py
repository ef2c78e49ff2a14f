"""Recording an event, its row in the outbox of the webhooks included, and sealing what was recorded.

Aimed at: `record()` costs at most 1.5 × a plain insert of the same row by the same means (the ORM, in a transaction, no
row security, no partitions, one index), over 1,000 organizations and in a single one, by 8 connections. Compared is CPU
time, the program's and PostgreSQL's together. Sealing is aimed at 5,000 records a second.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from typing import Any
from uuid import UUID, uuid4

from benchmarks.stage import ROOT, Stage, Unable, cpu_of, show

CONNECTIONS = 8
ROUNDS = 9
IN_A_ROUND = 250  # by each connection
ORGANIZATIONS = 1000
SEALED = 20_000

TABLE = """
CREATE TABLE benchmark_event (
    id uuid PRIMARY KEY, tenant uuid NOT NULL, created_at timestamptz NOT NULL, event varchar(80) NOT NULL,
    actor_kind varchar(20) NOT NULL, actor_id varchar(80) NOT NULL, actor_label varchar(320) NOT NULL,
    target_kind varchar(40) NOT NULL, target_id varchar(80) NOT NULL, target_label varchar(320) NOT NULL,
    result varchar(10) NOT NULL, data jsonb NOT NULL, ip inet, user_agent varchar(256) NOT NULL,
    request_id varchar(64) NOT NULL, transaction_id bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
);
GRANT SELECT, INSERT ON benchmark_event TO tenantry_app
"""


def run(stage: Stage) -> None:
    """Prints one table of recording, and one line of sealing."""
    with stage.table(TABLE):
        for organizations in (ORGANIZATIONS, 1):
            compare(stage, organizations)
        child = begin(stage, "seal", 1)
        print(f"Sealed {child.ask()['rate']:,.0f} records a second.", flush=True)
        child.end()


def compare(stage: Stage, organizations: int) -> None:
    """Both ways in turn, so that the machine's moods meet both."""
    ways = ("plain", "record")
    children = {way: begin(stage, way, organizations) for way in ways}
    found: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for number in range(ROUNDS + 1):
        for way, child in children.items():
            stores = sum(map(cpu_of, stage.stores))
            answer = child.ask()
            answer["stores"] = (sum(map(cpu_of, stage.stores)) - stores) / (CONNECTIONS * IN_A_ROUND)
            if number:  # the first one warms up
                found[way].append(answer)
    for child in children.values():
        child.end()
    cost = {way: [row["cpu"] + row["stores"] for row in rows] for way, rows in found.items()}
    print(f"{organizations:,} organizations, {CONNECTIONS} connections, CPU µs a row:", flush=True)
    show(
        [
            {
                "": way,
                "program": round(statistics.median(row["cpu"] for row in found[way]) * 1e6),
                "stores": round(statistics.median(row["stores"] for row in found[way]) * 1e6),
                "rows/s": round(statistics.median(row["rate"] for row in found[way])),
                "× plain": f"{statistics.median(a / b for a, b in zip(cost[way], cost['plain'], strict=True)):.2f}",
            }
            for way in ways
        ]
    )


class Child:
    """A process that does a round each time it is asked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self) -> dict[str, float]:
        """One round: what it cost."""
        asking, answering = self._process.stdin, self._process.stdout
        if asking is None or answering is None:
            raise Unable("The program of the benchmark has no pipes.")
        asking.write("\n")
        asking.flush()
        return json.loads(answering.readline())

    def end(self) -> None:
        """Ends it."""
        self._process.communicate()


def begin(stage: Stage, way: str, organizations: int) -> Child:
    """Starts a child for one way."""
    command = [sys.executable, "-m", "benchmarks.recording", way, str(organizations)]
    return Child(
        subprocess.Popen(
            command, cwd=ROOT, env=dict(stage.environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    )


def work(way: str, organizations: int) -> None:
    """The child: a round for every line that comes in."""
    import django

    django.setup()
    ids = [uuid4() for _ in range(organizations)]
    round_of = {"plain": recording(plain(), ids), "record": recording(recorded(), ids)}
    if way == "record":
        listen(ids)
    for _ in sys.stdin:
        print(json.dumps(seal_many() if way == "seal" else round_of[way]()), flush=True)
        if way == "record":
            empty_outbox()
    if way == "record":
        listen([])


def listen(organizations: list[UUID]) -> None:
    """Gives each organization an endpoint, so that its records go to the outbox, and takes those of earlier runs."""
    from config.kernel.tenancy.scope import system_scope
    from webhooks.models import Endpoint

    with system_scope("benchmark"):
        Endpoint.objects.filter(created_by="benchmark").delete()
        Endpoint.objects.bulk_create(
            Endpoint(org_id=each, url="https://x.example/", events=["*"], secret=b"none", created_by="benchmark")
            for each in organizations
        )
    empty_outbox()


def empty_outbox() -> None:
    """What a delivery worker does meanwhile, past the clock."""
    from config.kernel.tenancy.scope import system_scope
    from webhooks.models import OutboxEntry

    with system_scope("benchmark"):
        OutboxEntry.objects.all().delete_all()


def recording(insert: Any, ids: list[UUID]) -> Any:
    """A round of inserts by all connections, into these organizations."""
    start, done = threading.Barrier(CONNECTIONS + 1), threading.Barrier(CONNECTIONS + 1)

    def serve(number: int) -> None:
        while True:
            start.wait()
            for turn in range(IN_A_ROUND):
                insert(ids[(number * IN_A_ROUND + turn) % len(ids)])
            done.wait()

    def one_round() -> dict[str, float]:
        if not serving:
            serving.extend(threading.Thread(target=serve, args=[n], daemon=True) for n in range(CONNECTIONS))
            for thread in serving:
                thread.start()
        cpu, began = time.process_time(), time.perf_counter()
        start.wait()
        done.wait()
        rows = CONNECTIONS * IN_A_ROUND
        return {"cpu": (time.process_time() - cpu) / rows, "rate": rows / (time.perf_counter() - began)}

    serving: list[threading.Thread] = []
    return one_round


def recorded() -> Any:
    """Ours, with everything."""
    from django.db import transaction

    from audit.services import Target, record
    from config.kernel.principals import SYSTEM
    from config.kernel.tenancy.scope import tenant_scope
    from projects.events import PROJECT_UPDATED

    def insert(organization: UUID) -> None:
        with tenant_scope(organization), transaction.atomic():
            record(
                PROJECT_UPDATED,
                actor=SYSTEM,
                target=Target("project", "prj_01h455vb4pex5vsknk084sn02q", "Rocket"),
                data={"changes": {"name": ["Rocket", "Falcon"]}},
            )

    return insert


def plain() -> Any:
    """The same row by the ORM into a table of nothing but a key."""
    from django.db import models, transaction

    from audit.models import AuditEvent
    from config.kernel.principals import SYSTEM
    from config.kernel.tenancy.models import new_id

    fields = {field.name: field.clone() for field in AuditEvent._meta.local_fields if field.name != "id"}
    fields["id"] = models.UUIDField(primary_key=True, default=new_id)
    fields["org_id"] = models.UUIDField(db_column="tenant")
    meta = type("Meta", (), {"app_label": "audit", "db_table": "benchmark_event", "managed": False})
    model: Any = type("BenchmarkEvent", (models.Model,), {**fields, "Meta": meta, "__module__": __name__})

    def insert(organization: UUID) -> None:
        with transaction.atomic():
            model.objects.create(
                org_id=organization,
                event="project.updated",
                actor_kind=SYSTEM.kind,
                actor_id=SYSTEM.id,
                actor_label=SYSTEM.label,
                target_kind="project",
                target_id="prj_01h455vb4pex5vsknk084sn02q",
                target_label="Rocket",
                data={"changes": {"name": ["Rocket", "Falcon"]}},
            )

    return insert


def seal_many() -> dict[str, float]:
    """Seals what is there, then SEALED records more."""
    from audit.models import AuditEvent
    from audit.sealing import seal_all
    from config.kernel.tenancy.scope import tenant_scope

    seal_all(longest=600)
    organizations = [uuid4() for _ in range(100)]
    for organization in organizations:
        with tenant_scope(organization):
            AuditEvent.objects.bulk_create(
                AuditEvent(event="project.updated", actor_kind="system", data={"changes": {"name": ["a", "b"]}})
                for _ in range(SEALED // len(organizations))
            )
    cpu, began = time.process_time(), time.perf_counter()
    sealed = seal_all(longest=600)
    return {"cpu": (time.process_time() - cpu) / sealed, "rate": sealed / (time.perf_counter() - began)}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    work(sys.argv[1], int(sys.argv[2]))
