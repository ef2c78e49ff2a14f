"""Delivery workers as they are in life: processes that are killed and told to stop, several at once."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection

from config.kernel.tenancy.scope import system_scope, tenant_scope
from tests.cast import Cast
from tests.database import ROOT
from tests.receivers import Receiver
from tests.webhooks.conftest import Webhooks
from webhooks.models import Attempt, Delivery

PROGRAM = """
import signal
import django
django.setup()
from celery.worker import state
from webhooks.tasks import deliver
signal.signal(signal.SIGTERM, lambda *_: setattr(state, "should_stop", 0))
print("ready", flush=True)
print(deliver(), flush=True)
"""

LEAN = """
import sys
from config.celery import app
app.loader.import_default_modules()
print(*sorted(name for name in app.tasks if not name.startswith("celery.")))
print(*sorted(name for name in sys.modules if name.endswith((".admin", ".views")) and not name.startswith("django")))
"""


@contextmanager
def worker() -> Iterator[subprocess.Popen[str]]:
    """A process that runs the task, as the worker does, on the tests' database."""
    settings = connection.settings_dict
    url = "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**settings)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env={**os.environ, "DATABASE_URL": url, "TENANTRY_DEBUG": "true"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(what, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def states() -> Counter[str]:
    with system_scope("test"):
        return Counter(Delivery.objects.values_list("state", flat=True))


@pytest.fixture
def webhooks(committed_cast: Cast) -> Webhooks:
    return Webhooks(committed_cast)


def test_a_killed_worker_loses_nothing_and_repeats_only_what_it_had_begun(webhooks: Webhooks, receiver: Receiver):
    webhooks.endpoint(receiver.url("slow/0.05"))
    events = {event.public_id for event in webhooks.happen(150)}
    with worker() as first:
        wait_for(lambda: len(receiver.requests) > 40)
        first.send_signal(signal.SIGKILL)
        first.wait()
    time.sleep(0.5)  # what it had sent may still be on its way into the receiver
    wait_for(lambda: not receiver.conversations)
    received = set(receiver.ids())
    assert received < events
    with system_scope("test"):
        done = {row.event_public_id for row in Delivery.objects.filter(state="delivered")}
        # As after the lease.
        Delivery.objects.filter(state="pending").update(claimed_until=None)
    assert done <= received
    with worker() as second:
        wait_for(lambda: states() == {"delivered": 150})
        second.send_signal(signal.SIGTERM)
        second.wait(10)
    assert set(receiver.ids()) == events
    repeated = {each for each, count in Counter(receiver.ids()).items() if count > 1}
    assert repeated <= received - done


def test_several_workers_share_the_work_and_send_nothing_twice(webhooks: Webhooks, receiver: Receiver):
    for number in range(3):
        webhooks.endpoint(receiver.url(f"slow/0.05?{number}"))
    webhooks.happen(60)
    with worker() as first, worker() as second:
        wait_for(lambda: states() == {"delivered": 180})
        told = []
        for each in (first, second):
            each.send_signal(signal.SIGTERM)
            told.append(each.communicate(timeout=10)[0])
    assert sum(int(words.split()[1]) for words in told) == 180
    assert len(receiver.requests) == 180
    with tenant_scope(webhooks.cast.acme.id):
        assert Attempt.objects.count() == 180


def test_a_worker_stops_within_seconds_and_lets_go_of_what_hangs(webhooks: Webhooks, receiver: Receiver):
    webhooks.endpoint(receiver.url("hangs"))
    webhooks.endpoint(receiver.url("fine"))
    webhooks.happen(5)
    with worker() as one:
        wait_for(lambda: states()["delivered"] == 5 and receiver.got("hangs"))
        began = time.monotonic()
        one.send_signal(signal.SIGTERM)
        one.wait(10)
        assert time.monotonic() - began < 8
    with system_scope("test"):
        pending = Delivery.objects.filter(state="pending")
        assert pending.count() == 5
        assert not pending.exclude(claimed_until=None).exists()
        assert not pending.exclude(attempts=0).exists()


def test_an_event_arrives_well_within_a_second_at_a_worker_with_nothing_to_do(webhooks: Webhooks, receiver: Receiver):
    webhooks.endpoint(receiver.url())
    with worker():
        webhooks.happen()
        wait_for(lambda: receiver.requests)  # the first one opens what is opened once
        time.sleep(0.5)
        took = []
        for _ in range(3):
            began = time.monotonic()
            webhooks.happen()
            wait_for(lambda: len(receiver.requests) > len(took) + 1)
            took.append(time.monotonic() - began)
    assert min(took) < 0.5


def test_a_dead_endpoint_holds_up_no_other(webhooks: Webhooks, receiver: Receiver):
    for number in range(4):
        webhooks.endpoint(receiver.url(f"hangs?{number}"))
    webhooks.endpoint(receiver.url("fine"))
    webhooks.happen(100)
    with worker():
        began = time.monotonic()
        wait_for(lambda: states()["delivered"] == 100)
        assert time.monotonic() - began < 10
        assert len(receiver.got("hangs")) <= 8


def test_a_worker_of_deliveries_alone_loads_neither_tasks_of_others_nor_pages():
    """As `make run` and the operators' page start it; it is how one stays below 100 MiB."""
    lean = {**os.environ, "TENANTRY_DEBUG": "true", "TENANTRY_WORKER_APPS": "webhooks", "CELERY_SKIP_CHECKS": "true"}
    done = subprocess.run(
        [sys.executable, "-c", LEAN], cwd=ROOT, env=lean, stdout=subprocess.PIPE, text=True, check=True
    )
    tasks, pages = done.stdout.splitlines()
    assert "webhooks.deliver" in tasks.split()
    # The kernel's own is beside the base of all tasks.
    assert {name.partition(".")[0] for name in tasks.split()} == {"kernel", "webhooks"}
    assert pages == ""


def test_web_servers_load_no_http_client_of_workers():
    """It is 6 MiB in each of them."""
    ask = "import config.wsgi, config.urls, sys; print('webhooks.tasks' in sys.modules, 'pycurl' in sys.modules)"
    served = {**os.environ, "TENANTRY_DEBUG": "true"}
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, env=served, stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.split() == ["True", "False"]
