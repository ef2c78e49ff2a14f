"""Tracking by many at once: threads, connections, processes, and commits that go wrong."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection

from audit.models import AuditEvent
from config.kernel.errors import QuotaExceeded, Unavailable
from config.kernel.tenancy.scope import tenant_scope
from keys.tracking.events import Event
from keys.tracking.intake import settle, submit, track
from keys.tracking.writing import Source, Submission, Tracked, write
from orgs import plans
from projects.models import TrackedEvent, UsageDay, UsageMonth
from tests.at_once import at_once
from tests.browser import site
from tests.conftest import JSONClient
from tests.keys.doors import FellThrough, forget_everything, through_the_door

AT_ONCE = 50


@pytest.fixture
def limit(monkeypatch):
    """`limit(10)` makes the free plan, which Acme is on, include that many events a month."""

    def set_to(events):
        changed = plans.Plan("free", ("core",), domains=3, events=events, audit_days=90)
        monkeypatch.setattr(plans, "plans", lambda: {**plans.DEFAULTS, "free": changed})

    return set_to


@pytest.fixture
def source(committed_cast):
    """Rocket's backend."""
    return Source(committed_cast.acme.id, committed_cast.project.id, committed_cast.key.public_id)


def counted(source):
    """Rows of events, the sum of the days' counts, and the month's count."""
    with tenant_scope(source.organization_id):
        month = UsageMonth.objects.first()
        return TrackedEvent.objects.count(), UsageDay.objects.all().total(), month.count if month else 0


def test_fifty_requests_at_once_take_exactly_what_the_plan_includes(committed_cast, source, limit):
    limit(100)
    body = {"events": [{"name": "x"}] * 3}
    answers = at_once([lambda: JSONClient(committed_cast.secret_key).post("/api/v1/track", body)] * AT_ONCE)
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(202), statuses.count(429)) == (33, 17)
    assert counted(source) == (99, 99, 99)
    with tenant_scope(source.organization_id):
        percents = [event.data["percent"] for event in AuditEvent.objects.filter(event="usage.warned").order_by("id")]
    assert percents == [80, 100]


def test_fifty_connections_at_once_take_exactly_what_the_plan_includes(source, limit):
    """As fifty processes would: each writes its own batch over its own connection."""
    limit(100)

    def request():
        submission = Submission(source, [Event("x")] * 3)
        write([submission])
        return submission

    found = at_once([request] * AT_ONCE)
    assert sum(submission.tracked is not None for submission in found) == 33
    assert sum(isinstance(submission.refusal, QuotaExceeded) for submission in found) == 17
    assert counted(source) == (99, 99, 99)


def test_the_same_ids_at_once_in_any_order_count_once(source):
    events = [Event("x", id=str(number)) for number in range(40)]
    turned = [events[start:] + events[:start] for start in range(40)]
    found = at_once([lambda given=given: track(source=source, events=given) for given in turned])
    assert sum(tracked.accepted for tracked in found) == 40
    assert sum(tracked.duplicates for tracked in found) == 40 * 39
    assert counted(source) == (40, 40, 40)


def test_the_same_ids_from_two_processes_at_once_count_once(committed_cast, source):
    home = Path(os.environ["TENANTRY_HOME"])
    environment = site.environment_of(connection.settings_dict["NAME"], port=1, home=home)
    arguments = [str(source.organization_id), str(source.project_id), "0", "150"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.keys.sending", *arguments], cwd=site.ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )
        for _ in range(2)
    ]  # fmt: skip
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert all(sum(answer) == 400 for answer in answers)
    with tenant_scope(source.organization_id):
        distinct = TrackedEvent.objects.values("event_id").distinct().count()
    assert sum(accepted for accepted, _ in answers) == distinct
    assert counted(source) == (distinct,) * 3


def test_one_that_cannot_be_written_does_not_fail_its_neighbours(committed_cast, source):
    lost = Source(source.organization_id, uuid4(), source.key)  # its counts refer to no project
    foreign = Source(committed_cast.globex.id, committed_cast.foreign_project.id, "key_x")
    batch = [Submission(whose, [Event("x", id="a"), Event("x")]) for whose in (source, lost, foreign)]
    settle(batch)
    assert [submission.tracked for submission in batch] == [Tracked(2, 0), None, Tracked(2, 0)]
    assert isinstance(batch[1].refusal, Unavailable)
    assert all(submission.wait(0) for submission in batch)
    assert counted(source) == counted(foreign) == (2, 2, 2)


class Unreadable(Submission):
    """One whose reading fails, or says that it is for somebody else."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def prepare(self):
        if self.fault:
            raise self.fault
        return False


def test_one_that_cannot_be_read_is_left_and_does_not_fail_its_neighbours(source):
    good = [Submission(source, [Event("x")]) for _ in range(20)]
    left = [Unreadable(None), Unreadable(ValueError("broken")), Unreadable(TypeError("broken"))]
    found = at_once([partial(submit, submission) for submission in (*good[:10], *left, *good[10:])])
    assert found == [Tracked(1, 0)] * 10 + [None] * 3 + [Tracked(1, 0)] * 10
    assert all(submission.is_left for submission in left)
    assert counted(source) == (20, 20, 20)


def test_many_requests_at_once_through_the_door_are_each_counted_once(committed_cast, source):
    """Some with ids that come twice, some of a key that nobody knows, none of them kept in memory at first."""
    forget_everything()
    bodies = [json.dumps({"events": [{"id": f"e{number % 20}", "name": "x"}]}).encode() for number in range(40)]
    known = {"HTTP_AUTHORIZATION": f"Bearer {committed_cast.secret_key}"}
    unknown = {"HTTP_AUTHORIZATION": f"Bearer {committed_cast.secret_key[:-1]}!"}

    def ask(body, headers):
        try:
            return json.loads(through_the_door("/api/v1/track", body, **headers)[2])
        except FellThrough:
            return None

    for _ in range(2):
        asked = [partial(ask, body, known) for body in bodies] + [partial(ask, bodies[0], unknown)] * 10
        answers = at_once(asked)
        assert answers[40:] == [None] * 10
        assert all(answer["accepted"] + answer["duplicates"] == 1 for answer in answers[:40])
    assert counted(source) == (20, 20, 20)


def test_a_batch_whose_commit_was_not_heard_of_counts_once_and_is_answered_as_accepted(source, limit):
    limit(3)
    batch = [Submission(source, [Event("x", id="a"), Event("x")]), Submission(source, [Event("x", id="a")])]
    write(batch)
    first = [submission.tracked for submission in batch]
    write(batch, again=True)
    assert [submission.tracked for submission in batch] == first == [Tracked(2, 0), Tracked(0, 1)]
    assert [submission.refusal for submission in batch] == [None, None]
    assert counted(source) == (2, 2, 2)


def test_a_connection_that_was_cut_is_made_anew(source):
    track(source=source, events=[Event("x")])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 1
    assert track(source=source, events=[Event("x")]) == Tracked(1, 0)
    assert counted(source) == (2, 2, 2)


def test_many_organizations_in_one_commit_do_not_wait_for_each_other_in_a_circle(committed_cast, source):
    foreign = Source(committed_cast.globex.id, committed_cast.foreign_project.id, "key_x")

    def request(order):
        batch = [Submission(whose, [Event("x")]) for whose in order]
        write(batch)
        return batch

    orders = [(source, foreign), (foreign, source)] * 10
    found = at_once([lambda order=order: request(order) for order in orders])
    assert all(submission.tracked == Tracked(1, 0) for batch in found for submission in batch)
    assert counted(source) == counted(foreign) == (20, 20, 20)
