"""Endpoints through their door: who makes, changes and ends them, with what, and what the ledger keeps of it."""

import pytest
from django.db import transaction

from audit.models import AuditEvent
from config.kernel.errors import Conflict, Forbidden
from config.kernel.tenancy.scope import tenant_scope
from keys.services.tokens import create_token
from orgs.encryption import unseal
from orgs.models import Membership
from projects.services.projects import archive_project
from tests.api.rows import everything
from tests.at_once import at_once
from tests.cast import Cast
from tests.webhooks.rows import endpoint_rows
from webhooks.models import Attempt, Delivery, Endpoint, EndpointHour
from webhooks.services import endpoints as services

ENDPOINTS = "/api/v1/orgs/acme/webhook-endpoints"
# A public address that needs no DNS; nothing is sent in these tests.
URL = "https://93.184.215.14/hooks/the-secret-part"
BODY = {"url": URL, "events": ["key.*", "project.created"], "description": "Platform"}


def recorded(cast: Cast, event: str) -> AuditEvent:
    with tenant_scope(cast.acme.id):
        return AuditEvent.objects.filter(event=event).latest("id")


def test_an_endpoint_is_made_and_its_secret_shown_once(api, cast: Cast):
    made = api(cast.admin).post(ENDPOINTS, {**BODY, "headers": {"Authorization": "Bearer of-ours", "X-Team": "a"}})
    assert made.status_code == 201, made.json()
    body = made.json()
    secret = body.pop("secret")
    assert secret.startswith("whsec_")
    shown = api(cast.admin).get(f"{ENDPOINTS}/{body['id']}")
    assert shown.json() == body
    assert shown["ETag"] == made["ETag"]
    assert (body["url"], body["events"], body["project_id"], body["enabled"]) == (URL, BODY["events"], None, True)
    assert (body["header_names"], body["disabled_cause"], body["verifying_key"]) == (
        ["Authorization", "X-Team"],
        None,
        None,
    )
    assert body["health"]["word"] == "quiet"
    assert body["created_by"] == cast.admin.public_id
    listed = api(cast.owner).get(ENDPOINTS).json()["data"]
    assert listed == [body]
    assert "of-ours" not in shown.content.decode()
    with tenant_scope(cast.acme.id):
        row = Endpoint.objects.get()
        assert unseal(row, "secret") == secret
        assert unseal(row, "headers") == '{"Authorization": "Bearer of-ours", "X-Team": "a"}'
    event = recorded(cast, "webhook_endpoint.created")
    assert event.data == {"url": "https://93.184.215.14/…", "events": BODY["events"], "project": None}
    assert (event.target_kind, event.target_id, event.target_label) == ("webhook_endpoint", body["id"], "Platform")


@pytest.mark.parametrize(("role", "status"), [("owner", 201), ("admin", 201), ("developer", 403), ("viewer", 403)])
def test_only_who_manages_webhooks_makes_or_sees_them(api, cast: Cast, role: str, status: int):
    client = api(cast.member(role))
    before = everything()
    answer = client.post(ENDPOINTS, BODY)
    assert answer.status_code == status
    assert client.get(ENDPOINTS).status_code == (200 if status == 201 else 403)
    if status == 403:
        assert answer.json()["permission"] == "manage_webhooks"
        assert everything() == before


def test_programs_and_other_organizations_find_nothing(api, cast: Cast):
    with tenant_scope(cast.acme.id):
        endpoint = endpoint_rows().endpoint
    clients = [api(cast.outsider), api(cast.foreign_secret_key), api(cast.secret_key), api(None)]
    before = everything()
    for client, status in zip(clients, (404, 404, 403, 401), strict=True):
        for method, path, body in (
            ("get", ENDPOINTS, None),
            ("post", ENDPOINTS, BODY),
            ("patch", f"{ENDPOINTS}/{endpoint.public_id}", {"description": "theirs"}),
            ("delete", f"{ENDPOINTS}/{endpoint.public_id}", None),
            ("post", f"{ENDPOINTS}/{endpoint.public_id}/rotate-secret", {}),
        ):
            arguments = [path] if method == "get" else [path, body]
            assert getattr(client, method)(*arguments).status_code == status, (method, path)
    own = f"/api/v1/orgs/globex/webhook-endpoints/{endpoint.public_id}"
    assert api(cast.outsider).get(own).status_code == 404
    assert api(cast.outsider).patch(own, {"description": "theirs"}).status_code == 404
    assert everything() == before


UNFIT_URLS = [
    ("http://93.184.215.14/", "begins with https"),
    ("ftp://93.184.215.14/", "https"),
    ("//93.184.215.14/", "https"),
    ("hooks.example", "https"),
    ("https://", "https"),
    ("https://ann:pass@93.184.215.14/", "user name and password"),
    ("https://93.184.215.14/#x", "fragment"),
    ("https://93.184.215.14/a b", "spaces"),
    ("https://93.184.215.14/\\x", "backslashes"),
    ("https://127.0.0.1/", "public address"),
    ("https://localhost/", "public address"),
    ("https://2130706433/", "public address"),
    ("https://0177.0.0.1/", "public address"),
    ("https://0x7f.1/", "public address"),
    ("https://[::1]/", "public address"),
    ("https://[::ffff:10.0.0.1]/", "public address"),
    ("https://[64:ff9b::10.0.0.1]/", "public address"),
    ("https://[fe80::1]/", "public address"),
    ("https://10.1.2.3/", "public address"),
    ("https://169.254.169.254/latest/meta-data", "public address"),
    ("https://100.64.0.1/", "public address"),
    ("https://0.0.0.0/", "public address"),
    ("https://224.0.0.1/", "public address"),
    ("https://nobody.invalid/", "typing mistake"),
    ("https://93.184.215.14/" + "x" * 500, "500 characters"),
    ("", "blank"),
    ("https://93.184.215.14:99999/", "complete address"),
]


def test_an_address_that_is_not_called_is_refused_with_what_to_do(api, cast: Cast, settings):
    settings.TENANTRY_OUTBOUND_NETWORKS = []
    client = api(cast.owner)
    with tenant_scope(cast.acme.id):
        endpoint = endpoint_rows().endpoint
    before = everything()
    for url, part in UNFIT_URLS:
        for answer in (
            client.post(ENDPOINTS, {**BODY, "url": url}),
            client.patch(f"{ENDPOINTS}/{endpoint.public_id}", {"url": url}),
        ):
            assert (answer.status_code, list(answer.json()["errors"])) == (400, ["url"]), url
            assert part in answer.json()["errors"]["url"][0], url
    assert everything() == before


def test_an_address_in_an_allowed_network_may_be_plain(api, cast: Cast, settings):
    settings.TENANTRY_OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    assert api(cast.owner).post(ENDPOINTS, {**BODY, "url": "http://127.0.0.1:9/x"}).status_code == 201
    assert api(cast.owner).post(ENDPOINTS, {**BODY, "url": "http://10.0.0.1:9/x"}).status_code == 400


UNFIT_HEADERS = [
    ({"Webhook-Id": "x"}, "Leave out Webhook-Id"),
    ({"webhook-anything": "x"}, "Leave out"),
    ({"HOST": "x"}, "Leave out HOST"),
    ({"Content-Type": "x"}, "Leave out"),
    ({"content-length": "0"}, "Leave out"),
    ({"Transfer-Encoding": "chunked"}, "Leave out"),
    ({"Connection": "close"}, "Leave out"),
    ({"User-Agent": "x"}, "Leave out"),
    ({"Proxy-Authorization": "x"}, "Leave out"),
    ({"TE": "x"}, "Leave out"),
    ({"Upgrade": "x"}, "Leave out"),
    ({"Expect": "100-continue"}, "Leave out"),
    ({"X Team": "x"}, "Name each header"),
    ({"X-Team:": "x"}, "Name each header"),
    ({"": "x"}, "Name each header"),
    ({"X-Ünicode": "x"}, "Name each header"),
    ({"X-" + "a" * 80: "x"}, "Name each header"),
    ({"X-Team": ""}, "Give X-Team a value"),
    ({"X-Team": "a\r\nwebhook-id: b"}, "Give X-Team a value"),
    ({"X-Team": "tab\there"}, "Give X-Team a value"),
    ({"X-Team": " a"}, "Give X-Team a value"),
    ({"X-Team": "a "}, "Give X-Team a value"),
    ({"X-Team": "é"}, "Give X-Team a value"),
    ({"X-Team": "a" * 2001}, "Give X-Team a value"),
    ({"X-Team": "a", "x-team": "b"}, "once only"),
    ({f"X-{number}": "a" for number in range(11)}, "at most 10"),
    ({"X-Team": 1}, "object of strings"),
    (["X-Team"], "object of strings"),
]


def test_a_header_that_is_ours_or_none_is_refused(api, cast: Cast):
    client = api(cast.owner)
    before = everything()
    for headers, part in UNFIT_HEADERS:
        answer = client.post(ENDPOINTS, {**BODY, "headers": headers})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["headers"]), headers
        assert part in answer.json()["errors"]["headers"][0], headers
    assert everything() == before


def test_an_event_that_nobody_declares_is_refused_with_a_hint(api, cast: Cast):
    client = api(cast.owner)
    before = everything()
    for events in (["keys.created"], ["key.exploded"], ["*.created"], ["key"], ["**"], ["key.*", "nothing.*"]):
        answer = client.post(ENDPOINTS, {**BODY, "events": events})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["events"]), events
        assert "catalogue" in answer.json()["errors"]["events"][0]
    assert everything() == before


def test_a_project_must_be_an_active_one_of_the_organization(api, cast: Cast):
    client = api(cast.owner)
    for reference in ("freight", cast.foreign_project.public_id, "nothing"):
        answer = client.post(ENDPOINTS, {**BODY, "project": reference})
        assert (answer.status_code, "an id sent along" in answer.json()["detail"]) == (404, True)
    made = client.post(ENDPOINTS, {**BODY, "project": "rocket"})
    assert made.json()["project_id"] == cast.project.public_id
    assert recorded(cast, "webhook_endpoint.created").data["project"] == cast.project.public_id
    with tenant_scope(cast.acme.id):
        archive_project(actor=cast.principal(cast.owner), project_id=cast.project.id)
    refused = client.post(ENDPOINTS, {**BODY, "project": cast.project.public_id})
    assert (refused.status_code, refused.json()["code"]) == (409, "project_archived")
    with tenant_scope(cast.acme.id):
        assert Endpoint.objects.count() == 1


def test_who_manages_webhooks_may_narrow_to_any_project_as_they_may_have_the_events_of_all(api, cast: Cast):
    _, token = create_token(
        actor=cast.principal(cast.admin), user=cast.admin, name="Hooks", permissions=["manage_webhooks"]
    )
    client = api(token)
    assert client.get("/api/v1/orgs/acme/projects/rocket").status_code == 403
    for body in ({**BODY, "events": ["*"]}, {**BODY, "project": "rocket"}):
        assert client.post(ENDPOINTS, body).status_code == 201
    assert client.post(ENDPOINTS, {**BODY, "project": cast.foreign_project.public_id}).status_code == 404


def test_a_change_tells_old_and_new_without_what_is_secret(api, cast: Cast):
    with tenant_scope(cast.acme.id):
        endpoint = endpoint_rows().endpoint
    path = f"{ENDPOINTS}/{endpoint.public_id}"
    changed = api(cast.admin).patch(
        path,
        {"url": URL, "events": ["*"], "project": "rocket", "description": "Ours", "headers": {"X-New": "of-ours-too"}},
    )
    assert changed.status_code == 200, changed.json()
    assert changed.json()["header_names"] == ["X-New"]
    event = recorded(cast, "webhook_endpoint.updated")
    assert event.data["changes"]["url"] == ["https://hooks.acme.example/…", "https://93.184.215.14/…"]
    assert event.data["changes"]["headers"] == [["Authorization", "X-Team"], ["X-New"]]
    assert event.data["changes"]["project"] == [None, cast.project.public_id]
    assert "of-ours-too" not in str(event.data) + changed.content.decode()
    cleared = api(cast.admin).patch(path, {"headers": {}, "project": None})
    assert (cleared.json()["header_names"], cleared.json()["project_id"]) == ([], None)
    before = everything()
    assert api(cast.admin).patch(path, {"url": URL, "events": ["*"], "headers": {}}).status_code == 200
    assert everything() == before


def test_headers_do_not_go_to_another_host_unless_sent_anew(api, cast: Cast):
    with tenant_scope(cast.acme.id):
        endpoint = endpoint_rows(url="https://93.184.215.14/a").endpoint
    client, path = api(cast.admin), f"{ENDPOINTS}/{endpoint.public_id}"
    before = everything()
    for url in ("https://93.184.215.15/a", "https://93.184.215.14:8443/a"):
        refused = client.patch(path, {"url": url})
        assert (refused.status_code, refused.json()["code"]) == (409, "headers_belong_to_host")
        assert list(refused.json()["errors"]) == ["url"]
    assert everything() == before
    assert client.patch(path, {"url": "https://93.184.215.14/b"}).json()["header_names"] == ["Authorization", "X-Team"]
    moved = client.patch(path, {"url": "https://93.184.215.15/b", "headers": {"X-Team": "b"}})
    assert (moved.status_code, moved.json()["header_names"]) == (200, ["X-Team"])


def test_a_change_of_an_outdated_record_is_refused(api, cast: Cast):
    with tenant_scope(cast.acme.id):
        endpoint = endpoint_rows().endpoint
    path = f"{ENDPOINTS}/{endpoint.public_id}"
    etag = api(cast.owner).get(path)["ETag"]
    assert api(cast.owner).patch(path, {"description": "One"}, HTTP_IF_MATCH=etag).status_code == 200
    before = everything()
    refused = api(cast.owner).patch(path, {"description": "Two"}, HTTP_IF_MATCH=etag)
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert everything() == before


def test_its_health_is_no_part_of_its_version(api, cast: Cast):
    with tenant_scope(cast.acme.id):
        endpoint = endpoint_rows().endpoint
    before = api(cast.owner).get(f"{ENDPOINTS}/{endpoint.public_id}")
    with tenant_scope(cast.acme.id):
        EndpointHour.objects.update(delivered=77)
    after = api(cast.owner).get(f"{ENDPOINTS}/{endpoint.public_id}")
    assert after.json()["health"] != before.json()["health"]
    assert after["ETag"] == before["ETag"]


def test_the_health_counts_the_last_day(api, cast: Cast):
    with tenant_scope(cast.acme.id):
        endpoint = endpoint_rows().endpoint
    health = api(cast.owner).get(f"{ENDPOINTS}/{endpoint.public_id}").json()["health"]
    assert (health["word"], health["delivered"], health["failed"]) == ("failing", 52, 3)
    assert (health["mean_milliseconds"], health["slowest_milliseconds"]) == (120, 840)
    with tenant_scope(cast.acme.id):
        Endpoint.objects.update(failing_since=None)
    assert api(cast.owner).get(ENDPOINTS).json()["data"][0]["health"]["word"] == "healthy"


def test_disabling_gives_up_what_is_pending_and_enabling_begins_anew(api, cast: Cast):
    with tenant_scope(cast.acme.id):
        rows = endpoint_rows()
    path = f"{ENDPOINTS}/{rows.endpoint.public_id}"
    disabled = api(cast.admin).patch(path, {"enabled": False})
    assert (disabled.json()["enabled"], disabled.json()["disabled_cause"]) == (False, "by_hand")
    assert disabled.json()["health"]["word"] == "disabled"
    with tenant_scope(cast.acme.id):
        given_up = Delivery.objects.get(id=rows.pending.id)
        assert (given_up.state, given_up.due_at) == ("failed", None)
        assert given_up.finished_at is not None
        assert Delivery.objects.get(id=rows.delivered.id).state == "delivered"
    assert recorded(cast, "webhook_endpoint.disabled").data == {"cause": "by_hand", "pending": 1, "project": None}
    before = everything()
    assert api(cast.admin).patch(path, {"enabled": False}).status_code == 200
    assert everything() == before
    enabled = api(cast.admin).patch(path, {"enabled": True}).json()
    assert (enabled["enabled"], enabled["disabled_at"], enabled["health"]["failing_since"]) == (True, None, None)
    with tenant_scope(cast.acme.id):
        assert Endpoint.objects.get().held_until is None


def test_deleting_takes_along_what_the_preview_says(api, cast: Cast):
    with tenant_scope(cast.acme.id):
        rows = endpoint_rows()
        kept = endpoint_rows().endpoint
    path = f"{ENDPOINTS}/{rows.endpoint.public_id}"
    assert api(cast.owner).get(f"{path}/deletion").json() == {"deliveries": 3, "pending": 1}
    assert api(cast.owner).delete(path).status_code == 204
    assert api(cast.owner).get(path).status_code == 404
    with tenant_scope(cast.acme.id):
        assert set(Delivery.objects.values_list("endpoint_id", flat=True)) == {kept.id}
        assert set(EndpointHour.objects.values_list("endpoint_id", flat=True)) == {kept.id}
        assert Attempt.objects.count() == 4
    event = recorded(cast, "webhook_endpoint.deleted")
    assert event.data == {"url": "https://hooks.acme.example/…", "project": None}
    assert api(cast.owner).delete(path).status_code == 404


def test_a_repeated_request_makes_one_endpoint_and_answers_with_the_same_secret(api, cast: Cast):
    first = api(cast.owner).post(ENDPOINTS, BODY, HTTP_IDEMPOTENCY_KEY="once")
    again = api(cast.owner).post(ENDPOINTS, BODY, HTTP_IDEMPOTENCY_KEY="once")
    assert (again.status_code, again.json()) == (201, first.json())
    path = f"{ENDPOINTS}/{first.json()['id']}/rotate-secret"
    rotated = [api(cast.owner).post(path, {}, HTTP_IDEMPOTENCY_KEY="twice").json()["secret"] for _ in range(2)]
    assert rotated[0] == rotated[1] != first.json()["secret"]
    with tenant_scope(cast.acme.id):
        assert Endpoint.objects.count() == 1


def test_the_limit_holds_also_for_two_at_once(committed_cast: Cast, monkeypatch):
    monkeypatch.setattr(services, "MOST_ENDPOINTS", 2)
    cast = committed_cast
    with tenant_scope(cast.acme.id):
        endpoint_rows()

    def make():
        with tenant_scope(cast.acme.id):
            try:
                services.create_endpoint(actor=cast.principal(cast.owner), url=URL, events=["*"])
            except Conflict as refusal:
                return refusal.code
        return "made"

    assert sorted(at_once([make, make])) == ["made", "too_many_endpoints"]
    with tenant_scope(cast.acme.id):
        assert Endpoint.objects.count() == 2


def test_who_lost_the_permission_on_the_way_is_refused(cast: Cast):
    actor = cast.principal(cast.admin)
    with tenant_scope(cast.acme.id), transaction.atomic():
        endpoint = endpoint_rows().endpoint
        Membership.objects.filter(user=cast.admin).update(role="developer")
        before = everything()
        for work in (
            lambda: services.create_endpoint(actor=actor, url=URL, events=["*"]),
            lambda: services.update_endpoint(actor=actor, endpoint_id=endpoint.id, description="x"),
            lambda: services.disable_endpoint(actor=actor, endpoint_id=endpoint.id),
            lambda: services.delete_endpoint(actor=actor, endpoint_id=endpoint.id),
        ):
            with pytest.raises(Forbidden), transaction.atomic():
                work()
        assert everything() == before
