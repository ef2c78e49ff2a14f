"""Deliveries through their door: lists, tests, replays, and what is forgotten."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from audit.models import AuditEvent, first_id_at
from audit.services import Target, record
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import tenant_scope
from keys.events import KEY_RELEASED, KEY_REVOKED
from projects.events import PROJECT_ARCHIVED
from tests.api.rows import everything
from tests.cast import Cast
from tests.webhooks.rows import Rows, endpoint_rows
from webhooks import replaying
from webhooks.mail import mail_disabled
from webhooks.models import Attempt, Delivery, Endpoint, EndpointHour, OutboxEntry
from webhooks.services import deliveries as services
from webhooks.services.deliveries import Limit
from webhooks.services.endpoints import disable_for
from webhooks.tasks import tend
from webhooks.tidying import tidy

ACME = "/api/v1/orgs/acme"
DELIVERIES = f"{ACME}/webhook-deliveries"


@pytest.fixture
def rows(cast: Cast) -> Rows:
    with tenant_scope(cast.acme.id):
        made = endpoint_rows()
        OutboxEntry.objects.all().delete()
    return made


def path_of(rows: Rows, what: str = "") -> str:
    return f"{ACME}/webhook-endpoints/{rows.endpoint.public_id}{what}"


def test_deliveries_are_listed_by_endpoint_state_and_event(api, cast: Cast, rows: Rows):
    with tenant_scope(cast.acme.id):
        other = endpoint_rows()
    client = api(cast.admin)

    def listed(**query: str) -> set[str]:
        return {row["id"] for row in client.get(DELIVERIES, query).json()["data"]}

    of_first = {rows.delivered.public_id, rows.failed.public_id, rows.pending.public_id}
    assert listed(endpoint=rows.endpoint.public_id) == of_first
    assert listed(state="failed") == {rows.failed.public_id, other.failed.public_id}
    assert listed(event="member.*", endpoint=rows.endpoint.public_id) == {rows.failed.public_id}
    assert listed(event="key.created") == {rows.pending.public_id, other.pending.public_id}
    assert listed(endpoint="whe_01h455vb4pex5vsknk084sn02q") == set()
    first = client.get(DELIVERIES, {"limit": "4"}).json()
    rest = client.get(DELIVERIES, {"limit": "4", "cursor": first["next"]}).json()
    assert (len(first["data"]), len(rest["data"]), rest["next"]) == (4, 2, None)
    for odd in ({"state": "lost"}, {"event": "key"}, {"endpoints": "x"}):
        assert client.get(DELIVERIES, odd).status_code == 400
    assert client.get(DELIVERIES, {"endpoint": "nonsense"}).status_code == 404


def test_one_delivery_tells_what_is_sent_and_each_attempt(api, cast: Cast, rows: Rows):
    client = api(cast.admin)
    shown = client.get(f"{DELIVERIES}/{rows.delivered.public_id}").json()
    assert (shown["state"], shown["attempts"], shown["next_attempt_at"], shown["last_status"]) == (
        "delivered", 2, None, 204,
    )  # fmt: skip
    assert json.loads(shown["payload"])["data"]["id"] == shown["event_id"]
    assert client.get(f"{DELIVERIES}/{rows.failed.public_id}").json()["payload"] is None
    attempts = client.get(f"{DELIVERIES}/{rows.delivered.public_id}/attempts").json()["data"]
    assert [(row["number"], row["outcome"], row["status"]) for row in attempts] == [
        (2, "delivered", 204),
        (1, "refused", 503),
    ]
    assert attempts[1]["response"].startswith("<h1>Busy</h1>")


@pytest.mark.parametrize("who", ["developer", "viewer", "outsider"])
def test_nobody_else_sees_or_asks_for_deliveries(api, cast: Cast, rows: Rows, who: str):
    client, outsider = api(getattr(cast, who)), api(cast.outsider)
    status = 404 if who == "outsider" else 403
    before = everything()
    one = f"{DELIVERIES}/{rows.failed.public_id}"
    for path in (DELIVERIES, one, f"{one}/attempts"):
        assert client.get(path).status_code == status
    for path, body in (
        (f"{one}/replay", None),
        (path_of(rows, "/test"), None),
        (path_of(rows, "/replay"), {"since": "2026-01-01T00:00:00Z"}),
    ):
        assert client.post(path, body).status_code == status
    elsewhere = one.replace("acme", "globex")
    assert outsider.get(elsewhere).status_code == 404
    assert outsider.post(f"{elsewhere}/replay").status_code == 404
    assert everything() == before


def test_a_test_goes_to_that_endpoint_whatever_it_asks_for(api, cast: Cast, rows: Rows):
    sent = api(cast.admin).post(path_of(rows, "/test"))
    assert sent.status_code == 201, sent.json()
    assert (sent.json()["event"], sent.json()["state"]) == ("webhook_endpoint.tested", "pending")
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.get(event="webhook_endpoint.tested")
        delivery = Delivery.objects.get(event="webhook_endpoint.tested")
    assert (event.public_id, event.target_id) == (sent.json()["event_id"], rows.endpoint.public_id)
    assert delivery.due_at is not None


def test_a_disabled_endpoint_gets_no_test_and_no_replay(api, cast: Cast, rows: Rows):
    client = api(cast.admin)
    client.patch(path_of(rows), {"enabled": False})
    before = everything()
    for path, body in (
        (path_of(rows, "/test"), None),
        (path_of(rows, "/replay"), {"since": timezone.now().isoformat()}),
        (f"{DELIVERIES}/{rows.delivered.public_id}/replay", None),
    ):
        answer = client.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_disabled")
    assert everything() == before


def test_while_nobody_can_count_who_asks_nothing_is_sent_and_the_answer_says_to_come_again(
    api, cast: Cast, rows: Rows, settings
):
    client = api(cast.admin)
    client.get(path_of(rows))  # the token is known by now
    before = everything()
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    for path, body in (
        (path_of(rows, "/test"), None),
        (path_of(rows, "/replay"), {"since": timezone.now().isoformat()}),
        (f"{DELIVERIES}/{rows.delivered.public_id}/replay", None),
    ):
        answer = client.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert everything() == before


def test_tests_are_not_for_hammering(api, cast: Cast, rows: Rows):
    client = api(cast.admin)
    for _ in range(20):
        assert client.post(path_of(rows, "/test")).status_code == 201
    before = everything()
    assert client.post(path_of(rows, "/test")).status_code == 429
    assert everything() == before


def test_many_endpoints_and_deliveries_are_no_way_round_the_limits(api, cast: Cast, rows: Rows, monkeypatch):
    monkeypatch.setattr(services, "TESTS", Limit("webhook test", "3/minute", "4/minute"))
    monkeypatch.setattr(services, "REPLAYS", Limit("webhook replay", "2/minute", "9/minute"))
    with tenant_scope(cast.acme.id):
        other = endpoint_rows()
    client = api(cast.admin)
    tests = [client.post(path_of(each, "/test")).status_code for each in (rows, rows, other, other, other)]
    assert tests == [201, 201, 201, 201, 429]
    with tenant_scope(cast.acme.id):
        sent = list(Delivery.objects.filter(event="webhook_endpoint.tested", endpoint=rows.endpoint))

    def replay(delivery: Delivery) -> int:
        return client.post(f"{DELIVERIES}/{delivery.public_id}/replay").status_code

    assert [replay(delivery) for delivery in sent] == [202, 202]
    before = everything()
    assert replay(rows.delivered) == 429
    assert everything() == before
    assert replay(other.delivered) == 202


def test_nobody_uses_up_the_limit_of_another_organization(api, cast: Cast, rows: Rows):
    outsider = api(cast.outsider)
    foreign = path_of(rows, "/test").replace("acme", "globex")
    assert {outsider.post(foreign).status_code for _ in range(25)} == {404, 429}
    assert api(cast.admin).post(path_of(rows, "/test")).status_code == 201


def test_a_delivery_is_replayed_from_the_beginning_with_the_same_id(api, cast: Cast, rows: Rows):
    answer = api(cast.admin).post(f"{DELIVERIES}/{rows.delivered.public_id}/replay")
    assert answer.status_code == 202, answer.json()
    with tenant_scope(cast.acme.id):
        delivery = Delivery.objects.get(id=rows.delivered.id)
        event = AuditEvent.objects.get(event="webhook_delivery.replayed")
    assert (delivery.state, delivery.tries, delivery.attempts, delivery.finished_at) == ("pending", 0, 2, None)
    assert delivery.due_at <= timezone.now()
    assert delivery.event_id == rows.delivered.event_id
    assert event.data == {
        "endpoint": rows.endpoint.public_id,
        "event": delivery.event_public_id,
        "project": None,
    }
    before = everything()
    forgotten = api(cast.admin).post(f"{DELIVERIES}/{rows.failed.public_id}/replay")
    assert (forgotten.status_code, forgotten.json()["code"]) == (409, "event_forgotten")
    assert everything() == before


def happen(cast: Cast, event, project=None) -> AuditEvent:
    target = Target("project", project.public_id, "x") if project and "project" not in event.data else None
    data = {"project": (project or cast.project).public_id} if "project" in event.data else {}
    return record(event, actor=SYSTEM, target=target, data=data)


def test_what_happened_while_it_was_disabled_is_made_up_for(api, cast: Cast, rows: Rows, delivering):
    client = api(cast.admin)
    since = timezone.now()
    client.patch(path_of(rows), {"enabled": False})
    with tenant_scope(cast.acme.id), transaction.atomic():
        missed = [happen(cast, KEY_RELEASED), happen(cast, KEY_REVOKED)]
        happen(cast, PROJECT_ARCHIVED, cast.project)
        assert not OutboxEntry.objects.filter(id=missed[0].id).exists()
    client.patch(path_of(rows), {"enabled": True})
    with delivering():
        asked = client.post(path_of(rows, "/replay"), {"since": since.isoformat()})
    assert (asked.status_code, asked.json()["endpoint_id"]) == (202, rows.endpoint.public_id)
    with tenant_scope(cast.acme.id):
        made = Delivery.objects.filter(state="pending").exclude(id=rows.pending.id)
        # Besides, its patterns name what became of itself.
        assert {row.event for row in made} == {"key.released", "key.revoked", "webhook_endpoint.disabled"}
        assert {row.id for row in missed} <= {row.event_id for row in made}
        # It had been pending, and was given up: its event is not in the ledger of the time asked for.
        assert Delivery.objects.get(id=rows.pending.id).state == "failed"
        assert AuditEvent.objects.filter(event="webhook_endpoint.replayed").count() == 1


def in_progress(endpoint: Endpoint, start: UUID, until: UUID) -> None:
    """A replay as it stands in the database."""
    Endpoint.objects.filter(id=endpoint.id).update(
        replay_from=start, replay_until=until, replay_moved_at=timezone.now()
    )


def test_a_replay_repeats_what_failed_and_nothing_that_was_delivered(cast: Cast, rows: Rows, monkeypatch):
    """In chunks of two events, a task for each, and killed in the middle: done twice, it does no more."""
    monkeypatch.setattr(replaying, "CHUNK", 2)
    monkeypatch.setattr(replaying, "CHUNKS_A_TASK", 1)
    monkeypatch.setattr(replaying, "enqueue", lambda *arguments: None)
    with tenant_scope(cast.acme.id), transaction.atomic():
        happened = [happen(cast, event) for event in (KEY_RELEASED, KEY_REVOKED) * 3]
        states = ["failed", "delivered", "pending", "failed"]
        for event, state in zip(happened, states, strict=False):
            due = timezone.now() + timedelta(hours=1) if state == "pending" else None
            Delivery.objects.create(
                endpoint=rows.endpoint, event_id=event.id, event=event.event, state=state, due_at=due, tries=10
            )
        first, last = happened[0].id, happened[-1].id
        outcomes = []
        for start in (first, first, happened[3].id):  # as if its note of how far it came were lost
            in_progress(rows.endpoint, start, last)
            outcomes.append(replaying.replay(rows.endpoint.id))
        while outcomes[-1] == "more":
            outcomes.append(replaying.replay(rows.endpoint.id))
        outcomes.append(replaying.replay(rows.endpoint.id))
        found = {row.event_id: row for row in Delivery.objects.filter(event_id__in=[event.id for event in happened])}
    assert outcomes == ["more", "more", "more", "done", "gone"]
    assert [found[event.id].state for event in happened] == [
        "pending", "delivered", "pending", "pending", "pending", "pending",
    ]  # fmt: skip
    assert found[happened[2].id].due_at > timezone.now(), "what was pending keeps its time"
    assert found[happened[3].id].tries == 0


def test_a_replay_obeys_the_project_the_patterns_and_the_endpoint_s_own_age(cast: Cast):
    with tenant_scope(cast.acme.id), transaction.atomic():
        before = happen(cast, KEY_RELEASED)
        endpoint = endpoint_rows().endpoint
        Delivery.objects.all().delete()
        # Its deliveries of the past are not what is missing.
        Endpoint.objects.update(project=cast.project, created_at=timezone.now())
        inside = happen(cast, KEY_RELEASED)
        outside = record(KEY_RELEASED, actor=SYSTEM, data={"project": public_id("prj", new_id())})
        unwanted = happen(cast, PROJECT_ARCHIVED, cast.project)
        in_progress(endpoint, first_id_at(timezone.now() - timedelta(days=1)), unwanted.id)
        outcome = replaying.replay(endpoint.id)
        made = set(Delivery.objects.values_list("event_id", flat=True))
    assert outcome == "done"
    assert made == {inside.id}
    assert not made & {before.id, outside.id}


def test_since_must_be_over_and_within_reach(api, cast: Cast, rows: Rows):
    client = api(cast.admin)
    before = everything()
    for since in (timezone.now() + timedelta(minutes=1), timezone.now() - timedelta(days=30, minutes=1)):
        answer = client.post(path_of(rows, "/replay"), {"since": since.isoformat()})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["since"])
    assert everything() == before
    soon = {"since": (timezone.now() - timedelta(days=29)).isoformat()}
    assert client.post(path_of(rows, "/replay"), soon).status_code == 202


@pytest.mark.parametrize("cause", ["gone", "failing"])
def test_who_manages_webhooks_is_mailed_of_an_endpoint_that_was_disabled(
    cast: Cast, rows: Rows, delivering, mailoutbox, cause: str
):
    with delivering(), tenant_scope(cast.acme.id):
        assert disable_for(endpoint_id=rows.endpoint.id, cause=Endpoint.Cause(cause))
        assert not disable_for(endpoint_id=rows.endpoint.id, cause=Endpoint.Cause(cause))
        assert tend() == "sent off 2, asked 0"
        assert tend() == "sent off 0, asked 0"
    assert sorted(mail.to[0] for mail in mailoutbox) == [cast.admin.email, cast.owner.email]
    text, html = mailoutbox[0].body, mailoutbox[0].alternatives[0][0]
    for form in (text, html):
        assert "https://hooks.acme.example/…" in form
        assert "0123456789abcdef" not in form
        assert f"/orgs/acme/webhooks/{rows.endpoint.public_id}/" in form
        assert ("410" in form) == (cause == "gone")
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.get(event="webhook_endpoint.disabled")
        assert (event.actor_kind, event.data["cause"], event.data["pending"]) == ("system", cause, 1)
        assert Endpoint.objects.get().disabled_cause == cause


def test_no_mail_about_an_endpoint_that_is_enabled_again(cast: Cast, rows: Rows, mailoutbox):

    with tenant_scope(cast.acme.id):
        assert mail_disabled(rows.endpoint.id, cast.owner.id) == "gone"
        Endpoint.objects.update(state="disabled", disabled_cause="by_hand")
        assert mail_disabled(rows.endpoint.id, cast.owner.id) == "gone"
        Endpoint.objects.update(state="disabled", disabled_cause="gone")
        assert mail_disabled(rows.endpoint.id, cast.viewer.id) == "gone"
        assert mail_disabled(new_id(), cast.owner.id) == "gone"
    assert mailoutbox == []


def test_old_deliveries_are_forgotten_in_batches_and_pending_ones_kept(cast: Cast, rows: Rows, monkeypatch):
    monkeypatch.setattr("webhooks.tidying.BATCH", 1)
    with time_machine.travel(timezone.now() + timedelta(days=30)):
        tidy()
    with tenant_scope(cast.acme.id):
        assert Delivery.objects.count() == 3
    with time_machine.travel(timezone.now() + timedelta(days=31, minutes=1)):
        tidy()
        with tenant_scope(cast.acme.id):
            assert [row.id for row in Delivery.objects.all()] == [rows.pending.id]
            assert [row.delivery_id for row in Attempt.objects.all()] == [rows.pending.id]
            assert not EndpointHour.objects.exists()
        assert tidy() == 0


def test_hours_are_kept_as_long_as_charts_show_them(cast: Cast, rows: Rows, settings):
    settings.TENANTRY_WEBHOOK_DELIVERIES_DAYS = 4
    with tenant_scope(cast.acme.id):
        Delivery.objects.filter(id=rows.pending.id).update(state="failed", due_at=None)
        newest = EndpointHour.objects.latest("hour").hour
    with time_machine.travel(newest + timedelta(days=8)):
        tidy()
    with tenant_scope(cast.acme.id):
        assert [row.hour for row in EndpointHour.objects.all()] == [newest]
        assert not Delivery.objects.exists()
    with time_machine.travel(newest + timedelta(days=8, seconds=1)):
        assert tidy() == 1
