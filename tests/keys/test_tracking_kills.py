"""What was answered 202 is counted once, whoever is killed: real servers and a real worker, SIGKILL, a real client."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from django.db import connection

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import Organization
from projects.models import TrackedEvent, UsageDay, UsageMonth
from tests.browser import site

EVENTS = 10_000
IN_A_REQUEST = 10
CLIENTS = 6
# Ten kills: both web servers at once four times, so that for a while nobody answers, and the worker twice.
KILLS = [(0, 1), (2,), (0, 1), (0, 1), (2,), (0, 1)]
PATIENCE = 30.0


class Programs:
    """Two web servers, started as `make run` starts its own, and a worker; each in a process group of its own."""

    def __init__(self, environment):
        self.environment = environment
        self.ports = [site.free_port(), site.free_port()]
        python = [sys.executable, "-m"]
        self.commands = [
            [*python, "granian", "--interface", "wsgi", "--host", site.ADDRESS, "--port", str(port),
             "--blocking-threads", "5", "config.wsgi:application"] for port in self.ports
        ] + [[*python, "celery", "-A", "config", "worker", "--concurrency", "1"]]  # fmt: skip
        self.processes = [self.start(number) for number in range(3)]

    def start(self, number):
        with self.log(number).open("wb") as words:
            return subprocess.Popen(
                self.commands[number], cwd=site.ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=words,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def log(self, number):
        return Path(self.environment["TENANTRY_HOME"]) / f"killed-{number}.log"

    def kill(self, number):
        """SIGKILL for a program with all its processes, which leaves nobody time for anything."""
        os.killpg(self.processes[number].pid, signal.SIGKILL)
        self.processes[number].wait()

    def kill_what_serves(self, number):
        """SIGKILL for the processes that serve, then for the server that started them and has not."""
        for child in psutil.Process(self.processes[number].pid).children():
            child.kill()
        self.kill(number)

    def restart(self, numbers):
        for number in numbers:
            self.processes[number] = self.start(number)
        for number in numbers:
            self.await_answer(number)

    def await_answer(self, number):
        """Waits until a web server answers; a worker is never waited for."""
        if number >= len(self.ports):
            return
        end = time.monotonic() + PATIENCE
        while not site.answers(f"http://{site.ADDRESS}:{self.ports[number]}/health/live"):
            assert time.monotonic() < end, self.log(number).read_text()[-3000:]
            time.sleep(0.05)


class Client(threading.Thread):
    """Sends its events in order and each request until it is answered, to the other server after every failure."""

    def __init__(self, programs, key, batches, stop):
        super().__init__()
        self.programs, self.key, self.batches, self.stop = programs, key, batches, stop
        self.answered, self.duplicates, self.failures = 0, 0, 0
        self.unexpected = []

    def run(self):
        port, conversation = 0, None
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        for batch in self.batches:
            body = json.dumps({"events": [{"id": event, "name": "x"} for event in batch]})
            while not self.stop.is_set():
                try:
                    if conversation is None:
                        conversation = http.client.HTTPConnection(site.ADDRESS, self.programs.ports[port], timeout=20)
                    conversation.request("POST", "/api/v1/track", body, headers)
                    answer = conversation.getresponse()
                    text = answer.read()
                except (OSError, http.client.HTTPException):
                    self.failures += 1
                    if conversation:
                        conversation.close()
                    conversation = None
                    port = 1 - port
                    time.sleep(0.02)
                    continue
                if answer.status == 202:
                    found = json.loads(text)
                    self.duplicates += found["duplicates"]
                    self.answered += found["accepted"] + found["duplicates"]
                    break
                if answer.status not in (500, 503):
                    self.unexpected.append((answer.status, text))
                    return
        if conversation:
            conversation.close()


@pytest.fixture
def programs(committed_cast):
    Organization.objects.filter(id=committed_cast.acme.id).update(plan="enterprise")
    home = Path(os.environ["TENANTRY_HOME"])
    running = Programs(site.environment_of(connection.settings_dict["NAME"], port=1, home=home))
    try:
        yield running
    finally:
        for number in range(3):
            running.kill(number)


def test_every_event_that_was_answered_is_counted_once_whoever_is_killed(committed_cast, programs):
    for number in (0, 1):
        programs.await_answer(number)
    ids = [f"event-{number}" for number in range(EVENTS)]
    batches = [ids[start : start + IN_A_REQUEST] for start in range(0, EVENTS, IN_A_REQUEST)]
    stop = threading.Event()
    clients = [Client(programs, committed_cast.secret_key, batches[n::CLIENTS], stop) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        for number, victims in enumerate(KILLS):
            due, end = EVENTS * (number + 1) // (len(KILLS) + 1), time.monotonic() + PATIENCE
            while sum(client.answered for client in clients) < due:
                assert time.monotonic() < end, "the clients get no answers"
                time.sleep(0.002)
            for victim in victims:
                programs.kill_what_serves(victim) if victim == 1 else programs.kill(victim)
            programs.restart(victims)
        for client in clients:
            client.join(PATIENCE)
    finally:
        stop.set()
    assert [client.unexpected for client in clients] == [[]] * CLIENTS
    assert sum(client.answered for client in clients) == EVENTS
    assert sum(client.failures for client in clients) > 0, "no kill met anybody"
    with tenant_scope(committed_cast.acme.id):
        assert set(TrackedEvent.objects.values_list("event_id", flat=True)) == set(ids)
        assert TrackedEvent.objects.count() == UsageDay.objects.all().total() == EVENTS
        assert UsageMonth.objects.get().count == EVENTS
