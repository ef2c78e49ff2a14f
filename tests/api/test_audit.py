"""`/api/v1/orgs/{org}/audit-events` and `event-types`."""

import pytest

from audit.models import AuditEvent
from config.kernel.events import declared_events
from config.kernel.tenancy.scope import tenant_scope

EVENTS = "/api/v1/orgs/acme/audit-events"
ROCKET = "/api/v1/orgs/acme/projects/rocket"


def test_what_happened_is_told_newest_first(api, cast):
    answer = api(cast.admin).patch(ROCKET, {"name": "Falcon"}, HTTP_X_REQUEST_ID="request-0001")
    assert answer["X-Request-Id"] == "request-0001"
    event = api(cast.viewer).get(EVENTS).json()["data"][0]
    assert (event["event"], event["result"]) == ("project.updated", "done")
    assert event["actor"] == {"kind": "user", "id": cast.admin.public_id, "label": cast.admin.email}
    assert event["target"] == {"kind": "project", "id": cast.project.public_id, "label": "Falcon"}
    assert event["data"] == {"changes": {"name": ["Rocket", "Falcon"]}}
    assert (event["request_id"], event["ip"]) == ("request-0001", "127.0.0.1")
    assert api(cast.viewer).get(f"{EVENTS}/{event['id']}").json() == event


def test_the_ledger_is_narrowed_by_event_actor_target_and_result(api, cast):
    api(cast.admin).patch(ROCKET, {"name": "Falcon"})

    def listed(query):
        return [row["event"] for row in api(cast.viewer).get(f"{EVENTS}?{query}").json()["data"]]

    assert listed("event=project.updated") == ["project.updated"]
    assert set(listed("event=project.*")) == {"project.created", "project.updated"}
    assert set(listed("event=key.*")) == {"key.created"}
    assert listed(f"actor={cast.admin.public_id}") == ["project.updated"]
    assert listed(f"target={cast.project.public_id}&event=project.created") == ["project.created"]
    assert listed("result=refused") == []
    assert listed("actor=nobody") == []


@pytest.mark.parametrize("query", ["event=Project", "event=*", "event=key", "result=maybe", "event=", "actor=%00"])
def test_a_filter_that_makes_no_sense_is_refused(api, cast, query):
    answer = api(cast.viewer).get(f"{EVENTS}?{query}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [query.split("=")[0]])


def test_another_tenants_events_are_absent(api, cast):
    with tenant_scope(cast.globex.id):
        foreign = AuditEvent.objects.first().public_id
    absent = api(cast.owner).get(f"{EVENTS}/evt_01h455vb4pex5vsknk084sn02q")
    assert api(cast.owner).get(f"{EVENTS}/{foreign}").content == absent.content
    assert api(cast.outsider).get(f"/api/v1/orgs/globex/audit-events/{foreign}").status_code == 200
    listed = api(cast.owner).get(f"{EVENTS}?limit=100").json()["data"]
    assert {row["organization_id"] for row in listed} == {cast.acme.public_id}


def test_keys_do_not_read_the_ledger(api, cast):
    answer = api(cast.secret_key).get(EVENTS)
    assert (answer.status_code, answer.json()["permission"]) == (403, "view_audit")


def test_the_ledger_goes_on_behind_its_cursor_without_gap_or_repetition(api, cast):
    whole = [row["id"] for row in api(cast.viewer).get(f"{EVENTS}?limit=100").json()["data"]]
    seen, cursor = [], ""
    while cursor is not None:
        page = api(cast.viewer).get(f"{EVENTS}?limit=2{cursor}").json()
        seen += [row["id"] for row in page["data"]]
        cursor = page["next"] and f"&cursor={page['next']}"
    assert seen == whole
    assert whole == sorted(whole, reverse=True)


def test_anybody_may_read_the_catalogue_of_events(api):
    answer = api(None).get("/api/v1/event-types")
    assert answer.status_code == 200
    assert [row["name"] for row in answer.json()["data"]] == [event.name for event in declared_events()]
    created = next(row for row in answer.json()["data"] if row["name"] == "key.created")
    assert created["data"]["mode"] == "its mode"
    assert created["schema"]["properties"]["mode"]["enum"] == ["live", "test"]
    assert created["schema"]["required"] == ["project", "kind", "mode", "permissions"]
