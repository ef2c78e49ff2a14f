"""Taking in usage: what counts, what counts once, what is refused, and how much a plan includes."""

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.identifiers import public_id
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.models import Key
from orgs import plans
from orgs.models import Organization
from projects.models import TrackedEvent, UsageDay, UsageMonth
from projects.services.projects import archive_project

TRACK = "/api/v1/track"


def usage_of(organization):
    """Events kept, counts by (day, key, name), and the counts by month."""
    with tenant_scope(organization.id):
        days = {(row.day, row.key, row.name): row.count for row in UsageDay.objects.all()}
        months = {row.month: row.count for row in UsageMonth.objects.all()}
        return TrackedEvent.objects.count(), days, months


def month_of(moment):
    return moment.date().replace(day=1)


@pytest.fixture
def limit(monkeypatch):
    """`limit(10)` makes the free plan, which Acme is on, include that many events a month."""

    def set_to(events, *, plan="free"):
        changed = plans.Plan(plan, ("core",), domains=3, events=events, audit_days=90)
        monkeypatch.setattr(plans, "plans", lambda: {**plans.DEFAULTS, plan: changed})

    return set_to


def test_events_are_kept_and_counted_by_day_key_and_name(api, cast):
    yesterday = timezone.now() - timedelta(days=1)
    events = [
        {"id": "a", "name": "page.viewed"},
        {"id": "b", "name": "page.viewed", "properties": {"path": "/", "nested": {"list": [1, 2.5, None, True]}}},
        {"name": "report made", "timestamp": yesterday.isoformat()},
    ]
    answer = api(cast.secret_key).post(TRACK, {"events": events})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 3, "duplicates": 0})
    now, key = timezone.now(), cast.key.public_id
    assert usage_of(cast.acme) == (
        3,
        {(now.date(), key, "page.viewed"): 2, (yesterday.date(), key, "report made"): 1},
        {month_of(now): 3},
    )
    with tenant_scope(cast.acme.id):
        kept = TrackedEvent.objects.get(event_id="b")
        assert (kept.project_id, kept.key, kept.domain, kept.name) == (cast.project.id, key, "", "page.viewed")
        assert kept.properties == {"path": "/", "nested": {"list": [1, 2.5, None, True]}}
        assert TrackedEvent.objects.get(name="report made").occurred_at == yesterday
    assert usage_of(cast.globex) == (0, {}, {})


def test_the_same_id_counts_once_within_a_request_and_across_requests(api, cast):
    client = api(cast.secret_key)
    first = client.post(
        TRACK, {"events": [{"id": "a", "name": "x"}, {"id": "a", "name": "x"}, {"id": "b", "name": "x"}]}
    )
    assert first.json() == {"accepted": 2, "duplicates": 1}
    again = client.post(TRACK, {"events": [{"id": name, "name": "x"} for name in "abc"]})
    assert again.json() == {"accepted": 1, "duplicates": 2}
    assert sum(usage_of(cast.acme)[1].values()) == usage_of(cast.acme)[0] == 3


def test_ids_belong_to_their_project(api, cast, make):
    body = {"events": [{"id": "a", "name": "x"}]}
    assert api(cast.secret_key).post(TRACK, body).json()["accepted"] == 1
    assert api(cast.foreign_secret_key).post(TRACK, body).json()["accepted"] == 1
    _, other_key = make.secret_key("usage:track")
    assert api(other_key).post(TRACK, body).json() == {"accepted": 0, "duplicates": 1}
    assert (usage_of(cast.acme)[0], usage_of(cast.globex)[0]) == (1, 1)


def test_without_ids_every_event_counts(api, cast):
    for _ in range(2):
        assert api(cast.secret_key).post(TRACK, {"events": [{"name": "x"}] * 500}).json()["accepted"] == 500
    assert usage_of(cast.acme)[0] == 1000


def test_another_organizations_key_counts_for_that_one_whatever_the_body_says(api, cast):
    body = {"events": [{"name": "x", "org_id": str(cast.acme.id)}]}
    assert api(cast.foreign_secret_key).post(TRACK, body).status_code == 400
    assert api(cast.foreign_secret_key).post(TRACK, {"events": [{"name": "x"}]}).status_code == 202
    claimed = {"HTTP_X_ORGANIZATION_ID": cast.acme.public_id}
    assert api(cast.foreign_secret_key).post(TRACK, {"events": [{"name": "x"}]}, **claimed).status_code == 401
    assert (usage_of(cast.acme)[0], usage_of(cast.globex)[0]) == (0, 1)


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "viewer"])
def test_people_do_not_track(api, cast, role):
    answer = api(cast.member(role)).post(TRACK, {"events": [{"name": "x"}]})
    assert (answer.status_code, answer.json()["permission"]) == (403, "usage:track")
    assert usage_of(cast.acme)[0] == 0


def test_a_key_needs_the_permission(api, cast, make):
    _, key = make.secret_key("keys:verify", "view_usage")
    answer = api(key).post(TRACK, {"events": [{"name": "x"}]})
    assert (answer.status_code, answer.json()["permission"]) == (403, "usage:track")
    assert usage_of(cast.acme)[0] == 0


def test_keys_that_ended_track_nothing(api, cast):
    body = {"events": [{"name": "x"}]}
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(expires_at=timezone.now())
    assert api(cast.secret_key).post(TRACK, body).status_code == 401
    with tenant_scope(cast.globex.id):
        archive_project(actor=cast.principal(cast.outsider), project_id=cast.foreign_project.id)
    assert api(cast.foreign_secret_key).post(TRACK, body).status_code == 401
    Organization.objects.filter(id=cast.acme.id).update(status="disabled")
    assert api(cast.secret_key).post(TRACK, body).status_code == 401
    assert (usage_of(cast.acme)[0], usage_of(cast.globex)[0]) == (0, 0)


NOW = datetime(2031, 5, 4, 10, tzinfo=UTC)
DEEP = {"a": {"b": {"c": {"d": {"e": 1}}}}}


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": 1}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "=cmd()"}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "x "}, "name"),
        ({"name": "x", "id": ""}, "id"),
        ({"name": "x", "id": 7}, "id"),
        ({"name": "x", "id": "i" * 101}, "id"),
        ({"name": "x", "id": "a\u0000b"}, "id"),
        ({"name": "x", "timestamp": "yesterday"}, "timestamp"),
        ({"name": "x", "timestamp": 1}, "timestamp"),
        ({"name": "x", "timestamp": "2031-05-04T10:00:00"}, "timestamp"),
        ({"name": "x", "timestamp": "2031-05-34T10:00:00Z"}, "timestamp"),
        ({"name": "x", "timestamp": "2031-04-04T09:59:59Z"}, "timestamp"),
        ({"name": "x", "timestamp": "2031-05-04T11:00:01Z"}, "timestamp"),
        ({"name": "x", "timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp"),
        ({"name": "x", "properties": []}, "properties"),
        ({"name": "x", "properties": "p"}, "properties"),
        ({"name": "x", "properties": {"a": "x" * 8192}}, "properties"),
        ({"name": "x", "properties": {"a": DEEP}}, "properties"),
        ({"name": "x", "properties": {"a": ["\u0000"]}}, "properties"),
        ({"name": "x", "properties": {"\u0000": 1}}, "properties"),
        ({"name": "x", "properties": {"a": 2**64}}, "properties"),
        ({"name": "x", "colour": "red"}, "colour"),
        ("x", "event"),
        (None, "event"),
    ],
)  # fmt: skip
def test_a_wrong_event_is_named_and_nothing_of_its_request_is_counted(api, cast, event, field):
    with time_machine.travel(NOW, tick=False):
        answer = api(cast.secret_key).post(TRACK, {"events": [{"name": "good"}, event]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert list(answer.json()["errors"]["events"]) == ["1"]
    ((name, sentences),) = answer.json()["errors"]["events"]["1"].items()
    assert name == field
    assert all(sentence.endswith(".") for sentence in sentences)
    assert usage_of(cast.acme) == (0, {}, {})


@pytest.mark.parametrize(
    "event",
    [
        {"name": "x" * 100},
        {"name": "Über uns besucht"},
        {"name": "9/10 - a_b:c"},
        {"name": "x", "id": None, "timestamp": None, "properties": None},
        {"name": "x", "timestamp": "2031-04-04T10:00:00Z"},
        {"name": "x", "timestamp": "2031-05-04T11:00:00z"},
        {"name": "x", "timestamp": "2031-05-04T12:30:00.123456+02:00"},
        {"name": "x", "properties": {}},
        {"name": "x", "properties": DEEP},
        {"name": "x", "properties": {"a": "\\u0000", "b": "x" * 8000, "c": -(2**63), "d": 1e300}},
    ],
)
def test_what_is_within_the_limits_is_taken(api, cast, event):
    with time_machine.travel(NOW, tick=False):
        answer = api(cast.secret_key).post(TRACK, {"events": [event]})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "duplicates": 0})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "events"),
        ({"events": []}, "events"),
        ({"events": None}, "events"),
        ({"events": {"name": "x"}}, "events"),
        ({"events": [{"name": "x"}] * 501}, "events"),
        ({"events": [{"name": "x"}], "project": "rocket"}, "project"),
        ([{"name": "x"}], "body"),
    ],
)
def test_a_wrong_body_is_refused(api, cast, body, field):
    answer = api(cast.secret_key).post(TRACK, body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert usage_of(cast.acme) == (0, {}, {})


def test_a_body_over_the_limit_is_refused_whole(api, cast):
    answer = api(cast.secret_key).post(TRACK, {"events": [{"name": "x", "properties": {"a": "x" * 8000}}] * 200})
    assert answer.status_code == 413
    assert usage_of(cast.acme) == (0, {}, {})


def test_beyond_the_quota_the_whole_request_is_refused_and_says_when_it_resets(api, cast, limit):
    limit(5)
    client = api(cast.secret_key)
    with time_machine.travel(datetime(2031, 12, 30, 12, tzinfo=UTC), tick=False):
        assert client.post(TRACK, {"events": [{"id": name, "name": "x"} for name in "abc"]}).status_code == 202
        answer = client.post(TRACK, {"events": [{"id": name, "name": "x"} for name in "def"]})
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["resets_on"]) == (429, "quota_exceeded", "2032-01-01")
        assert (problem["limit"], problem["used"]) == (5, 3)
        assert answer["Retry-After"] == str(36 * 3600 + 1)
        assert usage_of(cast.acme)[::2] == (3, {date(2031, 12, 1): 3})
        # What still fits is taken, and what was counted before uses nothing up.
        assert client.post(TRACK, {"events": [{"id": name, "name": "x"} for name in "abcde"]}).json() == {
            "accepted": 2,
            "duplicates": 3,
        }
        assert client.post(TRACK, {"events": [{"id": name, "name": "x"} for name in "abcde"]}).json() == {
            "accepted": 0,
            "duplicates": 5,
        }
        assert client.post(TRACK, {"events": [{"name": "x"}]}).status_code == 429
    assert usage_of(cast.acme)[::2] == (5, {date(2031, 12, 1): 5})


def test_the_quota_counts_anew_at_midnight_utc_of_the_first(api, cast, limit):
    limit(2)
    client, body = api(cast.secret_key), {"events": [{"name": "x"}, {"name": "x"}]}
    with time_machine.travel(datetime(2031, 1, 31, 23, 59, 59, tzinfo=UTC), tick=False):
        assert client.post(TRACK, body).status_code == 202
        assert client.post(TRACK, body).status_code == 429
    with time_machine.travel(datetime(2031, 2, 1, tzinfo=UTC), tick=False):
        assert client.post(TRACK, body).status_code == 202
        assert client.post(TRACK, body).status_code == 429
        # What happened in January but comes in February uses up February, and is shown in January.
    assert usage_of(cast.acme)[2] == {date(2031, 1, 1): 2, date(2031, 2, 1): 2}


def test_a_late_event_counts_on_its_day_and_in_the_month_in_which_it_comes(api, cast):
    with time_machine.travel(datetime(2031, 2, 1, 1, tzinfo=UTC), tick=False):
        event = {"name": "x", "timestamp": "2031-02-01T00:30:00+02:00"}
        assert api(cast.secret_key).post(TRACK, {"events": [event]}).status_code == 202
    assert usage_of(cast.acme)[1:] == (
        {(date(2031, 1, 31), cast.key.public_id, "x"): 1},
        {date(2031, 2, 1): 1},
    )


def test_the_quota_is_that_of_the_plan(api, cast, limit):
    limit(1)
    body = {"events": [{"name": "x"}, {"name": "x"}]}
    assert api(cast.secret_key).post(TRACK, body).status_code == 429
    Organization.objects.filter(id=cast.acme.id).update(plan="enterprise")
    assert api(cast.secret_key).post(TRACK, body).status_code == 202


def warnings_of(organization):
    with tenant_scope(organization.id):
        return [event.data["percent"] for event in AuditEvent.objects.filter(event="usage.warned").order_by("id")]


def test_80_and_100_percent_are_recorded_once_a_month(api, cast, limit):
    limit(10)
    client = api(cast.secret_key)
    with time_machine.travel(NOW, tick=False):
        client.post(TRACK, {"events": [{"name": "x"}] * 7})
        assert warnings_of(cast.acme) == []
        client.post(TRACK, {"events": [{"name": "x"}]})
        client.post(TRACK, {"events": [{"name": "x"}]})
        assert warnings_of(cast.acme) == [80]
        client.post(TRACK, {"events": [{"name": "x"}]})
        client.post(TRACK, {"events": [{"name": "x"}]})
        assert warnings_of(cast.acme) == [80, 100]
        with tenant_scope(cast.acme.id):
            event = AuditEvent.objects.filter(event="usage.warned").latest("id")
        assert event.data == {"percent": 100, "month": "2031-05", "used": 10, "limit": 10, "resets_on": "2031-06-01"}
        assert (event.actor_kind, event.target_id) == ("system", cast.acme.public_id)
    with time_machine.travel(NOW + timedelta(days=31), tick=False):
        client.post(TRACK, {"events": [{"name": "x"}] * 10})
    assert warnings_of(cast.acme) == [80, 100, 80, 100]
    assert warnings_of(cast.globex) == []


def test_a_refused_request_warns_too_when_little_is_left(api, cast, limit):
    limit(10)
    client = api(cast.secret_key)
    client.post(TRACK, {"events": [{"name": "x"}] * 11})
    assert warnings_of(cast.acme) == []
    client.post(TRACK, {"events": [{"name": "x"}] * 9})
    assert client.post(TRACK, {"events": [{"name": "x"}] * 2}).status_code == 429
    assert warnings_of(cast.acme) == [80, 100]


def test_what_is_sent_twice_as_the_same_bytes_is_one(api, cast):
    body = json.dumps({"events": [{"id": "naïve-\N{SNOWMAN}", "name": "x"}]}).encode()
    assert [api(cast.secret_key).post(TRACK, body).json()["accepted"] for _ in range(2)] == [1, 0]


def test_rows_tell_the_key_that_sent_them(api, cast, make):
    for key in (cast.secret_key, make.secret_key("usage:track")[1]):
        api(key).post(TRACK, {"events": [{"name": "x"}]})
    with system_scope("test"):
        by_key = Counter(TrackedEvent.objects.values_list("key", flat=True))
    with tenant_scope(cast.acme.id):
        keys = {public_id("key", row.id) for row in Key.objects.filter(kind="secret")}
    assert set(by_key) == keys
    assert set(by_key.values()) == {1}
