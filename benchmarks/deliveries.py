"""Delivering webhooks, signing included, over 100 connections to a local receiver.

Aimed at: 25 × cheaper than one Celery task for each delivery, and at least 0.4 of an outbox with a bare socket loop
where the receiver answers at once, compared by CPU time, the program's and the stores' together; at least 0.9 of what
100 connections allow where it answers after 50 ms; a worker of less than 100 MiB; one dead endpoint among 100 slows the
others by less than 5 %. Ours does what the others do not: it asks whose turn it is, judges the address of each
connection, writes a row for each attempt, and keeps count for each endpoint and hour.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from typing import Any

import psutil
import psycopg

from benchmarks.senders import QUEUE, TABLE, Outbox, app, deliver, filled
from benchmarks.stage import ADDRESS, LOAD_CORE, ROOT, SERVER_CORE, Stage, Unable, cpu_of, show

CONNECTIONS = 100
ENDPOINTS = 100
ROUNDS = 5
# Enough that beginning and end of a round count for little: the connections are empty then, and a run of ours, which
# lasts for a quarter of an hour, opens them anew, where the two that it is compared with keep theirs.
AT_ONCE, LATER, BY_OUTBOX, BY_CELERY = 20_000, 16_000, 6000, 300
MOST_SECONDS = 120.0
ALLOWED = CONNECTIONS / 0.05


def run(stage: Stage) -> None:
    """Prints a table for receivers that answer at once, one for slow ones, and what one dead endpoint does."""
    receiver = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.receiver"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    if receiver.stdout is None:
        raise Unable("The receiver of the benchmark has no pipe.")
    psutil.Process(receiver.pid).cpu_affinity([LOAD_CORE])
    url = f"http://{ADDRESS}:{int(receiver.stdout.readline())}"
    environment = {**stage.environment, "TENANTRY_OUTBOUND_NETWORKS": "127.0.0.0/8"}
    ours = Child(environment, "ours", url)
    outbox = Child(environment, "outbox", url)
    celery = Tasks(environment, url)
    try:
        with stage.table(TABLE):
            compare(stage, {"one Celery task each": celery, "outbox, bare sockets": outbox, "Tenantry": ours})
            slowly(ours)
            dead(ours)
        print(f"Worker: {memory(environment):.0f} MiB", flush=True)
    finally:
        for each in (ours, outbox, celery):
            each.end()
        receiver.terminate()
        receiver.wait()


def compare(stage: Stage, senders: dict[str, Any]) -> None:
    """All of them in turn, so that the machine's moods meet all."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in senders}
    for number in range(ROUNDS + 1):
        for name, sender in senders.items():
            sender.prepare("/0")
            stores = sum(map(cpu_of, stage.stores))
            answer = sender.go()
            time.sleep(1)  # what a connection's process has used counts once its parent has seen it end
            answer["stores"] = (sum(map(cpu_of, stage.stores)) - stores) / answer["count"]
            if number:  # the first one warms up
                found[name].append(answer)
    cost = {name: [row["cpu"] + row["stores"] for row in rows] for name, rows in found.items()}
    print("A receiver that answers at once, CPU µs a delivery:", flush=True)
    show(
        [
            {
                "": name,
                "program": round(statistics.median(row["cpu"] for row in rows) * 1e6),
                "stores": round(statistics.median(row["stores"] for row in rows) * 1e6),
                "a second": round(statistics.median(row["rate"] for row in rows)),
                **{f"of {other}": share(cost[other], cost[name]) for other in senders if other != "Tenantry"},
            }
            for name, rows in found.items()
        ]
    )


def share(theirs: list[float], own: list[float]) -> str:
    """How many deliveries one costs of the other's, in the median of the rounds."""
    return f"{statistics.median(a / b for a, b in zip(theirs, own, strict=True)):.2f} ×"


def slowly(ours: "Child") -> None:
    """How full the connections are kept."""
    rates = []
    for _ in range(3):
        ours.prepare("/50")
        rates.append(ours.go()["rate"])
    rate = statistics.median(rates)
    print(f"Answers after 50 ms: {rate:,.0f} a second, {rate / ALLOWED:.2f} of what {CONNECTIONS} connections allow.")


def dead(ours: "Child") -> None:
    """What it costs the others that one endpoint never answers."""
    without, beside = [], []
    for _ in range(3):
        for rates, path in ((without, ""), (beside, "/never")):
            ours.prepare("/50", path)
            rates.append(ours.go()["rate"])
    ratio = statistics.median(beside) / statistics.median(without)
    print(f"One dead endpoint among {ENDPOINTS}: the others go at {ratio:.3f} of their rate.", flush=True)


class Child:
    """A process that delivers when it is asked to."""

    def __init__(self, environment: dict[str, str], way: str, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.deliveries", way, url],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        psutil.Process(self._process.pid).cpu_affinity([SERVER_CORE])

    def prepare(self, path: str, dead_path: str = "") -> None:
        """Makes the deliveries of a round; with `dead_path` one endpoint is there."""
        self._ask("prepare", path, dead_path)

    def go(self) -> dict[str, float]:
        """Delivers them: `count`, `cpu` seconds for each, and the `rate`."""
        return json.loads(self._ask("go"))

    def end(self) -> None:
        """Ends it."""
        self._process.communicate()

    def _ask(self, *words: str) -> str:
        asking, answering = self._process.stdin, self._process.stdout
        if asking is None or answering is None:
            raise Unable("The program of the benchmark has no pipes.")
        asking.write(json.dumps(words) + "\n")
        asking.flush()
        answer = answering.readline()
        if not answer:
            raise Unable("The program of the benchmark has ended; its words are above.")
        return answer


class Tasks:
    """A Celery worker of one process, with a task for each delivery."""

    def __init__(self, environment: dict[str, str], url: str) -> None:
        self._url = url
        self._connection = psycopg.connect(environment["DATABASE_OWNER_URL"], autocommit=True)
        command = [sys.executable, "-m", "celery", "-A", "benchmarks.senders", "worker", "--pool", "solo", "-Q", QUEUE]
        self._worker = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle", "--loglevel", "ERROR"],
            cwd=ROOT,
            # Without Django, which it has no use for.
            env={name: value for name, value in environment.items() if name != "DJANGO_SETTINGS_MODULE"},
            stdout=subprocess.DEVNULL,
        )
        self._process = psutil.Process(self._worker.pid)
        self._process.cpu_affinity([SERVER_CORE])
        self._ids: list[Any] = []

    def prepare(self, path: str) -> None:
        """Makes rows, and one task to see that the worker is there."""
        self._ids = filled(self._connection, self._url + path, BY_CELERY + 1)
        deliver.delay(str(self._ids.pop()))
        self._await(1)

    def go(self) -> dict[str, float]:
        """Sends the tasks, and waits until all are done. What sending costs is not counted."""
        began, cpu = time.perf_counter(), cpu_of(self._process)
        for row_id in self._ids:
            deliver.delay(str(row_id))
        self._await(BY_CELERY + 1)
        took = time.perf_counter() - began
        return {"count": BY_CELERY, "cpu": (cpu_of(self._process) - cpu) / BY_CELERY, "rate": BY_CELERY / took}

    def _await(self, count: int) -> None:
        deadline = time.monotonic() + MOST_SECONDS
        done = "SELECT count(*) FROM benchmark_event WHERE delivered_at IS NOT NULL"
        while self._connection.execute(done).fetchone() != (count,):
            if time.monotonic() > deadline:
                raise Unable("The Celery worker of the benchmark does not deliver.")
            time.sleep(0.1)

    def end(self) -> None:
        """Ends it."""
        app.close()
        self._connection.close()
        self._worker.terminate()
        self._worker.wait()


def memory(environment: dict[str, str]) -> float:
    """The proportional set size, in MiB, of a real worker that has delivered for some seconds."""
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "--queues", "webhooks", "--pool", "solo"]
    worker = subprocess.Popen(
        [*command, "--prefetch-multiplier", "1", "--without-gossip", "--without-mingle"],
        cwd=ROOT,
        env={**environment, "TENANTRY_WORKER_APPS": "webhooks", "CELERY_SKIP_CHECKS": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    child = Child(environment, "ours", f"http://{ADDRESS}:9")
    try:
        child.prepare("/0")
        time.sleep(10)
        subprocess.run(
            [sys.executable, "-m", "celery", "-A", "config", "call", "webhooks.deliver", "--queue", "webhooks"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        time.sleep(10)
        return psutil.Process(worker.pid).memory_full_info().pss / 2**20
    finally:
        child.end()
        worker.terminate()
        worker.wait()


class Ours:
    """In the child: a hundred organizations with an endpoint each."""

    def __init__(self, url: str) -> None:
        import django

        django.setup()
        from config.kernel.tenancy.models import new_id
        from config.kernel.tenancy.scope import system_scope, tenant_scope
        from orgs.encryption import seal
        from orgs.models import Organization
        from webhooks.models import Endpoint
        from webhooks.services.secrets import new_secret

        self._url, self._count = url, 0
        self._system, self._tenant = system_scope, tenant_scope
        slugs = [f"deliveries-{number}" for number in range(ENDPOINTS)]
        known = set(Organization.objects.filter(slug__in=slugs).values_list("slug", flat=True))
        Organization.objects.bulk_create(Organization(slug=slug, name=slug) for slug in slugs if slug not in known)
        self._organizations = list(Organization.objects.filter(slug__in=slugs).order_by("slug"))
        with system_scope("benchmark"):
            Endpoint.objects.all().delete()
        for organization in self._organizations:
            with tenant_scope(organization.id):
                endpoint = Endpoint(id=new_id(), url=f"{url}/0", events=["project.*"], created_by="usr_x")
                seal(endpoint, "secret", new_secret())
                endpoint.save(force_insert=True)

    def prepare(self, path: str, dead_path: str) -> None:
        """The same number of events in each organization, and their deliveries. With `dead_path` the first one's
        endpoint is there; its deliveries come on top.
        """
        from audit.models import AuditEvent
        from webhooks.fan_out import fan_out
        from webhooks.models import Attempt, Delivery, Endpoint, OutboxEntry

        with self._system("benchmark"):
            for model in (OutboxEntry, Attempt, Delivery):
                model.objects.all().delete_all()
            Endpoint.objects.update(url=f"{self._url}{path}", failing_since=None)
            if dead_path:
                Endpoint.objects.filter(org_id=self._organizations[0].id).update(url=f"{self._url}{dead_path}")
        for organization in self._organizations:
            with self._tenant(organization.id):
                AuditEvent.objects.bulk_create(
                    AuditEvent(
                        event="project.updated",
                        actor_kind="user",
                        actor_id="usr_01h455vb4pex5vsknk084sn02q",
                        actor_label="olivia@acme.example",
                        target_kind="project",
                        target_id="prj_01h455vb4pex5vsknk084sn02q",
                        target_label="Rocket",
                        data={"changes": {"name": ["Rocket", "Falcon"]}},
                    )
                    for _ in range((AT_ONCE if path == "/0" else LATER) // ENDPOINTS)
                )
        while fan_out():
            continue
        with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE webhook_delivery, webhook_attempt, webhook_outbox, webhook_endpoint")
        self._count = AT_ONCE if path == "/0" else LATER
        if dead_path:
            self._count -= self._count // ENDPOINTS

    def go(self) -> dict[str, float]:
        """Delivers until so many are written."""
        from webhooks.delivery import Delivering

        at_end: list[tuple[float, float]] = []

        def stopped() -> bool:
            if delivering.desk.written >= self._count and not at_end:
                at_end.append((time.process_time(), time.perf_counter()))
            return bool(at_end)

        delivering = Delivering(CONNECTIONS)
        cpu, began = time.process_time(), time.perf_counter()
        delivering.run(seconds=MOST_SECONDS, stopped=stopped)
        if not at_end:
            raise Unable("Not everything was delivered.")
        ended = at_end[0]
        return {
            "count": self._count,
            "cpu": (ended[0] - cpu) / self._count,
            "rate": self._count / (ended[1] - began),
        }


class Bare:
    """In the child: the outbox."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection = psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True, prepare_threshold=0)
        self._outbox: Outbox | None = None

    def prepare(self, path: str, _dead_path: str) -> None:
        """Rows to deliver."""
        filled(self._connection, self._url + path, BY_OUTBOX)
        self._outbox = self._outbox or Outbox(self._connection, self._url + path)

    def go(self) -> dict[str, float]:
        """Delivers them."""
        if self._outbox is None:
            raise Unable("Nothing was prepared.")
        cpu, began = time.process_time(), time.perf_counter()
        count = self._outbox.work_off()
        return {
            "count": count,
            "cpu": (time.process_time() - cpu) / count,
            "rate": count / (time.perf_counter() - began),
        }


def work(way: str, url: str) -> None:
    """The child: does what each line that comes in says."""
    doing = Ours(url) if way == "ours" else Bare(url)
    for line in sys.stdin:
        word, *arguments = json.loads(line)
        print(json.dumps(doing.go() if word == "go" else doing.prepare(*arguments)), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    work(sys.argv[1], sys.argv[2])
