"""`/api/v1/track` in front of Django: the same answers and the same counts as through it, or none."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from config.kernel.errors import Unavailable
from config.kernel.tenancy.scope import tenant_scope
from keys.hot.tracking import LONGEST_UNREAD, read, read_request
from keys.services.keys import revoke_key
from orgs import plans
from orgs.models import Organization
from projects.models import TrackedEvent, UsageDay, UsageMonth
from projects.services.projects import archive_project
from tests.keys.doors import FellThrough, forget_everything, through_django, through_the_door

TRACK = "/api/v1/track"


@pytest.fixture(autouse=True)
def _fresh(db):
    forget_everything()


def bearer(key):
    return {"HTTP_AUTHORIZATION": f"Bearer {key}"}


def counted(organization):
    with tenant_scope(organization.id):
        return (
            sorted(UsageDay.objects.values_list("day", "key", "domain", "name", "count")),
            [(e["event_id"], e["name"], e["properties"]) for e in TrackedEvent.objects.order_by("id").values()],
            list(UsageMonth.objects.values_list("count", flat=True)),
        )


def moment(**ago):
    return (timezone.now() - timedelta(**ago)).isoformat().replace("+00:00", "Z")


TAKEN = [
    [{"name": "page.viewed"}],
    [{"id": "a", "name": "page.viewed"}],
    [{"id": None, "name": "x", "timestamp": None, "properties": None}],
    [{"id": "a", "name": "x"}, {"id": "a", "name": "x"}, {"name": "y"}],
    [{"name": "x", "properties": {"a": [1, 2.5, {"b": "c"}], "d": None, "e": True, "f": ""}}],
    [{"name": "x"}] * 500,
]


@pytest.mark.parametrize("events", TAKEN, ids=range(len(TAKEN)))
def test_what_is_taken_is_counted_alike(cast, events):
    body = json.dumps({"events": [*events, {"name": "late", "timestamp": moment(days=2)}][:500]}).encode()
    full = through_django(TRACK, body, **bearer(cast.secret_key))
    after_full = counted(cast.acme)
    with tenant_scope(cast.acme.id):
        for model in (TrackedEvent, UsageDay, UsageMonth):
            model.objects.all().delete()
    fast = through_the_door(TRACK, body, **bearer(cast.secret_key))
    assert (fast[0], json.loads(fast[2])) == (full[0], json.loads(full[2]))
    assert fast[0] == 202
    assert counted(cast.acme) == after_full
    again = through_the_door(TRACK, body, **bearer(cast.secret_key))
    ids = sum(bool(event.get("id")) for event in events)
    assert json.loads(again[2])["duplicates"] == ids
    for name in ("Content-Type", "Cache-Control"):
        assert fast[1][name] == full[1][name]


UNUSUAL = [
    b"",
    b"[]",
    b"{}",
    b'{"events":[]}',
    b'{"events":{}}',
    b'{"events":[{"name":"x"}],"more":1}',
    b'{"events":[{"name":"x"}],"events":[{"name":"y"}]}',
    b'{"events":[{"name":"x","name":"y"}]}',
    b'{"events":[{"name":"x","properties":{"a":1,"a":2}}]}',
    b'{"events":[{"name":"x","properties":{"a":18446744073709551616}}]}',
    b'{"events":[{"name":"x","properties":{"a":1e400}}]}',
    b'{"events":[{"name":"x","properties":{"a":NaN}}]}',
    b'{"events":[{"name":"\\u0000"}]}',
    b'{"events":[{"name":"\\u0041"}]}',
    b'{"events":[{"name":"=x"}]}',
    b'{"events":[{"name":"x","id":""}]}',
    b'{"events":[{"name":"x","timestamp":"2001-01-01T00:00:00Z"}]}',
    b'{"events":[{"name":"x","colour":"red"}]}',
    b'{"events":[{"name":"x"},{"name":1}]}',
    b'{"events":[' + b",".join([b'{"name":"x"}'] * 501) + b"]}",
    b'\xff{"events":[{"name":"x"}]}',
    b'{"events":' + b"[" * 2000,
]


@pytest.mark.parametrize("body", UNUSUAL, ids=range(len(UNUSUAL)))
def test_every_other_body_is_left_to_the_full_path_and_counts_nothing(cast, body):
    assert read(body) is None
    with pytest.raises(FellThrough):
        through_the_door(TRACK, body, **bearer(cast.secret_key))
    assert counted(cast.acme) == ([], [], [])


GOOD = b'{"events":[{"id":"a","name":"x"}]}'


def test_other_credentials_are_left_to_the_full_path(cast):
    for headers in (
        {},
        bearer("sk_live_" + "0" * 32),
        bearer(cast.publishable_key),
        {**bearer(cast.publishable_key), "HTTP_ORIGIN": "https://shop.example"},
        {**bearer(cast.secret_key), "HTTP_ORIGIN": "https://shop.example"},
        {**bearer(cast.secret_key), "HTTP_X_API_KEY": cast.secret_key},
        {**bearer(cast.secret_key), "HTTP_X_ORGANIZATION_ID": cast.globex.public_id},
        bearer(cast.token(cast.owner)),
    ):
        with pytest.raises(FellThrough):
            through_the_door(TRACK, GOOD, **headers)
    assert counted(cast.acme) == ([], [], [])


@pytest.mark.parametrize("end", ["revoke", "archive", "disable"])
def test_a_key_that_ended_tracks_nothing(cast, end):
    assert through_the_door(TRACK, GOOD, **bearer(cast.secret_key))[0] == 202
    before = counted(cast.acme)
    actor = cast.principal(cast.owner)
    with tenant_scope(cast.acme.id):
        if end == "revoke":
            revoke_key(actor=actor, project_id=cast.project.id, key=cast.key.public_id)
        elif end == "archive":
            archive_project(actor=actor, project_id=cast.project.id)
        else:
            Organization.objects.filter(id=cast.acme.id).update(status="disabled")
    with pytest.raises(FellThrough):
        through_the_door(TRACK, GOOD, **bearer(cast.secret_key))
    assert counted(cast.acme) == before


def test_each_key_counts_for_its_own_organization(cast):
    assert through_the_door(TRACK, GOOD, **bearer(cast.foreign_secret_key))[0] == 202
    assert counted(cast.acme) == ([], [], [])
    ((_, key, domain, name, count),) = counted(cast.globex)[0]
    assert (key, domain, name, count) == (cast.foreign_key.public_id, "", "x", 1)


def test_beyond_the_quota_the_full_path_words_the_refusal(cast, monkeypatch):
    small = {**plans.DEFAULTS, "free": plans.Plan("free", ("core",), domains=3, events=1, audit_days=90)}
    monkeypatch.setattr(plans, "plans", lambda: small)
    assert through_the_door(TRACK, GOOD, **bearer(cast.secret_key))[0] == 202
    before = counted(cast.acme)
    more = b'{"events":[{"id":"b","name":"x"}]}'
    with pytest.raises(FellThrough):
        through_the_door(TRACK, more, **bearer(cast.secret_key))
    assert through_django(TRACK, more, **bearer(cast.secret_key))[0] == 429
    assert counted(cast.acme) == before
    assert json.loads(through_the_door(TRACK, GOOD, **bearer(cast.secret_key))[2]) == {"accepted": 0, "duplicates": 1}


def test_a_small_request_of_a_kept_key_is_read_once_by_who_writes_it(cast, monkeypatch):
    waits = []

    def watched(environ, body, *, may_wait=True):
        waits.append(may_wait)
        return read_request(environ, body, may_wait=may_wait)

    monkeypatch.setattr("keys.hot.tracking.read_request", watched)
    large = json.dumps({"events": [{"name": "x", "properties": {"a": "b" * LONGEST_UNREAD}}]}).encode()
    for body, expected in ((GOOD, [False, True]), (GOOD, [False]), (large, [True])):
        assert through_the_door(TRACK, body, **bearer(cast.secret_key))[0] == 202
        assert waits == expected
        waits.clear()
    assert counted(cast.acme)[2] == [2]


def test_what_the_full_path_has_to_answer_does_not_wait_for_who_writes(cast, monkeypatch):
    asked = []
    monkeypatch.setattr("keys.hot.tracking.submit", asked.append)
    for headers in (
        {},
        bearer(cast.publishable_key),
        {**bearer(cast.secret_key), "HTTP_ORIGIN": "https://acme.example"},
        {**bearer(cast.secret_key), "HTTP_X_ORGANIZATION_ID": cast.acme.public_id},
    ):
        with pytest.raises(FellThrough):
            through_the_door(TRACK, GOOD, **headers)
    assert asked == []


def test_when_nobody_knows_whether_they_count_the_full_path_is_not_asked(cast, monkeypatch):
    """It would count events without ids a second time."""

    def unheard_of(_submission):
        raise Unavailable

    monkeypatch.setattr("keys.hot.tracking.submit", unheard_of)
    status, headers, body = through_the_door(TRACK, GOOD, **bearer(cast.secret_key))
    assert (status, json.loads(body)["code"]) == (503, "unavailable")
    assert headers["Content-Type"] == "application/problem+json"
