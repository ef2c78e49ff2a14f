"""Pages of webhook endpoints: from the empty list to a deleted endpoint, as an admin goes through them."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditEvent, first_id_at
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from orgs.encryption import unseal
from projects.services.projects import archive_project
from tests.api.rows import everything
from tests.browsers import saved, signed_in
from tests.webhooks.rows import ADDRESS, endpoint_rows
from webhooks.models import Delivery, Endpoint, EndpointHour
from webhooks.services.endpoints import MOST_ENDPOINTS, disable_for

HOME = "/orgs/acme/webhooks/"
LOCAL = "http://127.0.0.1:9/hooks/a-secret-path"
BEARER = "the-bearer-of-acme"
CHOSEN = {"which": "chosen", "events": ["key.*", "member.joined"]}


def text_of(answer):
    return " ".join(answer.content.decode().split())


def address_of(endpoint, page=""):
    return f"{HOME}{endpoint.public_id}/{page}"


def once_in(client, path=f"{HOME}new/"):
    return client.get(path).context["form"]["once"].value()


def form_of(client, **changes):
    form = {"once": once_in(client), "url": LOCAL, "which": "chosen", "events": ["key.*", "key.created"], **changes}
    return {name: value for name, value in form.items() if value is not None}


def made(cast, **facts):
    with tenant_scope(cast.acme.id):
        return endpoint_rows(**facts)


def again(cast, endpoint):
    with tenant_scope(cast.acme.id):
        return Endpoint.objects.select_related("project").get(id=endpoint.id)


def changed_since(before):
    return {name: rows for name, rows in everything().items() if rows != before[name]}


def test_an_admin_makes_an_endpoint_from_the_empty_list_on(browse, cast):
    client = browse(cast.admin)
    assert "No endpoint yet" in text_of(client.get(HOME))
    assert "No endpoint yet" in text_of(client.get("/orgs/acme/panels/webhooks/"))
    form = form_of(client, description="Slack", project="rocket", headers=f"Authorization: Bearer {BEARER}\n\nX-A: b")
    answer = client.post(f"{HOME}new/", form)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    with tenant_scope(cast.acme.id):
        endpoint = Endpoint.objects.get()
        secret, headers = unseal(endpoint, "secret"), unseal(endpoint, "headers")
    assert secret in answer.content.decode()
    assert "pip install standardwebhooks" in text_of(answer)
    assert (endpoint.url, endpoint.description, endpoint.project_id) == (LOCAL, "Slack", cast.project.id)
    assert endpoint.events == ["key.*"], "what the noun covers is left out"
    assert (BEARER in headers, endpoint.header_names) == (True, ["Authorization", "X-A"])
    listed = text_of(client.get(HOME))
    assert ("Slack" in listed, "Quiet" in listed, "only Rocket" in listed) == (True, True, True)
    for page in (
        "",
        "deliveries/",
        "replay/",
        "settings/",
        "edit/",
        "headers/",
        "rotate-secret/",
        "disable/",
        "delete/",
    ):
        answer = client.get(address_of(endpoint, page))
        assert answer.status_code == 200, page
        assert not {secret, BEARER} & set(answer.content.decode().replace('"', " ").replace("<", " ").split()), page
        assert BEARER not in answer.content.decode(), page


def test_a_form_that_is_sent_again_makes_no_second_endpoint_and_shows_nothing(browse, cast):
    client = browse(cast.owner)
    form = form_of(client)
    assert client.post(f"{HOME}new/", form).status_code == 200
    refused = client.post(f"{HOME}new/", form)
    assert (refused.status_code, "sent before" in text_of(refused), "whsec_" in text_of(refused)) == (409, True, False)
    with tenant_scope(cast.acme.id):
        assert Endpoint.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": None}, "This field is required"),
        ({"url": "nonsense"}, "begins with https://"),
        ({"url": "https://user:word@hooks.example/"}, "Leave user name and password out"),
        ({"url": "http://10.0.0.1/"}, "https://"),
        ({"url": "https://169.254.169.254/"}, "public address"),
        ({"url": "https://127.0.0.1/#part"}, "Leave out the fragment"),
        ({"url": f"https://hooks.example/{'x' * 500}"}, "at most 500 characters"),
        ({"which": None}, "This field is required"),
        ({"events": None}, "Choose at least one event"),
        ({"events": ["key.eaten"]}, "Select a valid choice"),
        ({"project": "freight"}, "No project of this organization"),
        ({"headers": "no colon"}, "Write line 1 as Name: value"),
        ({"headers": "X-A: b\nx-a: c"}, "line 2 names one again"),
        ({"headers": "Host: elsewhere.example"}, "Leave out Host"),
        ({"headers": "X-A: café"}, "printable ASCII"),
        ({"description": "x" * 201}, "at most 200 characters"),
        ({"once": "forged"}, "open for too long"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_beside_the_field_and_makes_nothing(browse, cast, changes, words):
    client = browse(cast.owner)
    form = form_of(client, **changes)
    before = everything()
    answer = client.post(f"{HOME}new/", form)
    assert answer.status_code in (400, 422)
    assert words in text_of(answer).replace("&#x27;", "'")
    assert changed_since(before) == {}


def test_an_archived_project_and_too_many_endpoints_are_refused_in_the_form(browse, cast):
    client = browse(cast.owner)
    with tenant_scope(cast.acme.id):
        archive_project(actor=SYSTEM, project_id=cast.project.id)
    refused = client.post(f"{HOME}new/", form_of(client, project="rocket"))
    assert (refused.status_code, "archived" in text_of(refused)) == (409, True)
    row = {"url": ADDRESS, "events": ["*"], "secret": b"", "created_by": "usr_x"}
    with tenant_scope(cast.acme.id):
        Endpoint.objects.bulk_create(Endpoint(**row) for _ in range(MOST_ENDPOINTS))
    refused = client.post(f"{HOME}new/", form_of(client))
    assert (refused.status_code, "at most" in text_of(refused)) == (409, True)
    with tenant_scope(cast.acme.id):
        assert Endpoint.objects.count() == MOST_ENDPOINTS


def test_every_event_is_one_choice_and_the_form_offers_the_catalogue(browse, cast):
    client = browse(cast.owner)
    page = text_of(client.get(f"{HOME}new/"))
    assert all(f'value="{name}"' in page for name in ("key.*", "key.created", "webhook_endpoint.disabled"))
    client.post(f"{HOME}new/", form_of(client, which="all", events=["key.created"]))
    with tenant_scope(cast.acme.id):
        endpoint = Endpoint.objects.get()
    assert endpoint.events == ["*"]
    assert "Every event" in text_of(client.get(address_of(endpoint)))
    catalogue = text_of(client.get(f"{HOME}events/"))
    assert ("key.created" in catalogue, "A webhook endpoint was created." in catalogue) == (True, True)
    assert "(publishable or secret): its kind" in catalogue
    assert ("SSO connection" in catalogue, "Sign-in policy" in catalogue, "Sso" in catalogue) == (True, True, False)


def test_the_pages_tell_how_an_endpoint_fares(browse, cast):
    rows = made(cast)
    client = browse(cast.admin)
    page = text_of(client.get(address_of(rows.endpoint)))
    for words in ("This endpoint is failing", "It asked for patience", "Attempts by hour: 52 delivered, 3 failed."):
        assert words in page
    assert "<rect" in page
    assert "style=" not in page
    listed = text_of(client.get(HOME))
    assert ("Failing" in listed, "hooks.acme.example" in listed, "a/path/of" in listed) == (True, True, False)
    panel = text_of(client.get("/orgs/acme/panels/webhooks/"))
    assert "52 delivered, 3 failed in 24 h" in panel
    assert "panels/webhooks/" in text_of(client.get("/orgs/acme/"))
    with time_machine.travel(timezone.now() + timedelta(days=8), tick=False):
        later = signed_in(Client(), cast.admin)
        page = text_of(later.get(address_of(rows.endpoint)))
    assert ("Nothing was sent in 7 days" in page, "It asked for patience" in page) == (True, False)


def test_an_endpoint_that_was_disabled_says_why_and_is_enabled_by_a_button(browse, cast):
    rows = made(cast)
    with tenant_scope(cast.acme.id):
        disable_for(endpoint_id=rows.endpoint.id, cause=Endpoint.Cause.GONE)
    client, began = browse(cast.admin), rows.endpoint.failing_since
    page = text_of(client.get(address_of(rows.endpoint)))
    assert ("410 Gone" in page, "Send a test event" in page) == (True, False)
    assert "Disabled" in text_of(client.get(HOME))
    answer = client.post(address_of(rows.endpoint, "enable/"), follow=True)
    assert "Events are sent to it again" in text_of(answer)
    # Where what it missed is replayed, from its first failure on.
    assert answer.redirect_chain == [(f"{address_of(rows.endpoint, 'replay/')}?since={began:%Y-%m-%dT%H:%M}", 302)]
    assert f'value="{began:%Y-%m-%dT%H:%M}"' in text_of(answer)
    assert again(cast, rows.endpoint).is_enabled
    assert "since=" not in client.post(address_of(rows.endpoint, "enable/"))["Location"]


def test_what_was_given_up_with_an_endpoint_is_replayed_however_long_ago_it_happened(browse, cast):
    rows, happened = made(cast), timezone.now() - timedelta(days=2)
    with tenant_scope(cast.acme.id):
        Delivery.objects.filter(id=rows.pending.id).update(event_id=first_id_at(happened))
        disable_for(endpoint_id=rows.endpoint.id, cause=Endpoint.Cause.GONE)
    answer = browse(cast.admin).post(address_of(rows.endpoint, "enable/"))
    assert answer["Location"].endswith(f"?since={happened:%Y-%m-%dT%H:%M}")


def test_an_endpoint_that_was_disabled_for_long_is_replayed_as_far_back_as_that_goes(browse, cast):
    rows = made(cast)
    with tenant_scope(cast.acme.id):
        disable_for(endpoint_id=rows.endpoint.id, cause=Endpoint.Cause.GONE)
        Endpoint.objects.update(disabled_at=timezone.now() - timedelta(days=400))
    client = browse(cast.admin)
    page = client.post(address_of(rows.endpoint, "enable/"))["Location"]
    answer = client.post(page, {"since": page.partition("since=")[2]}, follow=True)
    assert "is being sent" in text_of(answer)


def test_an_endpoint_that_only_failed_before_it_was_enabled_is_not_called_healthy(browse, cast):
    rows = made(cast)
    with tenant_scope(cast.acme.id):
        EndpointHour.objects.update(delivered=0, failed=3)
        disable_for(endpoint_id=rows.endpoint.id, cause=Endpoint.Cause.GONE)
    client = browse(cast.admin)
    client.post(address_of(rows.endpoint, "enable/"))
    answer = text_of(client.get(address_of(rows.endpoint)))
    assert ("Quiet" in answer, "Nothing was sent since its last change" in answer) == (True, True)
    assert ("Healthy" in answer, "Attempts succeed" in answer) == (False, False)


def test_disabling_says_how_many_are_given_up(browse, cast):
    rows = made(cast)
    client = browse(cast.admin)
    assert "1 pending delivery is given up" in text_of(client.get(address_of(rows.endpoint, "disable/")))
    client.post(address_of(rows.endpoint, "disable/"))
    assert again(cast, rows.endpoint).disabled_cause == "by_hand"
    assert "Somebody disabled it" in text_of(client.get(address_of(rows.endpoint)))
    with tenant_scope(cast.acme.id):
        assert not Delivery.objects.filter(state="pending").exists()


def test_an_endpoint_is_edited_and_its_ledger_tells_no_path(browse, cast):
    rows = made(cast)
    client = browse(cast.owner)
    page = client.get(address_of(rows.endpoint, "edit/"))
    assert page.context["form"]["events"].value() == rows.endpoint.events
    # The present address is not asked for again, although no DNS knows its host.
    form = {"url": ADDRESS, "description": "Renamed", **CHOSEN, "project": "rocket"}
    assert saved(client, address_of(rows.endpoint, "edit/"), form).status_code == 302
    changed = again(cast, rows.endpoint)
    assert (changed.description, changed.events, changed.project) == ("Renamed", CHOSEN["events"], cast.project)
    kept = saved(client, address_of(rows.endpoint, "edit/"), {**form, "url": LOCAL})
    assert "take them away first" in text_of(kept)
    assert again(cast, rows.endpoint).url == ADDRESS
    client.post(address_of(rows.endpoint, "headers/"), {"headers": ""})
    saved(client, address_of(rows.endpoint, "edit/"), {**form, "url": LOCAL})
    assert again(cast, rows.endpoint).url == LOCAL
    with tenant_scope(cast.acme.id):
        told = [row.data for row in AuditEvent.objects.filter(event="webhook_endpoint.updated")]
    assert len(told) == 3
    assert "a-secret-path" not in repr(told)


def test_an_event_that_no_longer_exists_can_be_kept_or_taken_away(browse, cast):
    rows = made(cast)
    with tenant_scope(cast.acme.id):
        Endpoint.objects.filter(id=rows.endpoint.id).update(events=["key.*", "robot.eaten"])
    client = browse(cast.owner)
    assert "no longer happens" in text_of(client.get(address_of(rows.endpoint, "edit/")))
    form = {"url": ADDRESS, "description": "", "which": "chosen", "events": ["key.*"], "project": ""}
    assert saved(client, address_of(rows.endpoint, "edit/"), form).status_code == 302
    assert again(cast, rows.endpoint).events == ["key.*"]


def test_headers_are_replaced_without_anybody_seeing_the_old_ones(browse, cast):
    rows = made(cast)
    client = browse(cast.owner)
    page = client.get(address_of(rows.endpoint, "headers/")).content.decode()
    assert ("Authorization" in page, BEARER in page) == (True, False)
    client.post(address_of(rows.endpoint, "headers/"), {"headers": "X-New: value"})
    assert again(cast, rows.endpoint).header_names == ["X-New"]
    refused = client.post(address_of(rows.endpoint, "headers/"), {"headers": "Cookie: a=b"})
    assert (refused.status_code, "Leave out Cookie" in text_of(refused)) == (400, True)
    client.post(address_of(rows.endpoint, "headers/"), {"headers": ""})
    assert (again(cast, rows.endpoint).headers, again(cast, rows.endpoint).header_names) == (None, [])


def test_deleting_takes_the_host_and_says_what_goes(browse, cast):
    rows = made(cast)
    client, page = browse(cast.owner), address_of(rows.endpoint, "delete/")
    shown = text_of(client.get(page))
    assert ("3 deliveries are gone" in shown, "1 pending delivery is given up" in shown) == (True, True)
    wrong = client.post(page, {"confirm": "acme"})
    assert (wrong.status_code, "Type hooks.acme.example to confirm" in text_of(wrong)) == (422, True)
    assert again(cast, rows.endpoint)
    answer = client.post(page, {"confirm": "hooks.acme.example"}, follow=True)
    assert "No endpoint yet" in text_of(answer)
    with tenant_scope(cast.acme.id):
        assert not Endpoint.objects.exists()
        assert not EndpointHour.objects.exists()


@pytest.mark.parametrize("page", ["", "deliveries/", "settings/", "delete/"])
def test_an_endpoint_of_another_organization_is_absent(browse, cast, page):
    rows = made(cast)
    answer = browse(cast.outsider).get(f"/orgs/globex/webhooks/{rows.endpoint.public_id}/{page}")
    assert answer.status_code == 404
    assert "Platform team" not in answer.content.decode()


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_who_may_not_manage_webhooks_sees_and_changes_nothing(browse, cast, role):
    rows, client = made(cast), browse(cast.member(role))
    before = everything()
    for path in (HOME, f"{HOME}new/", "/orgs/acme/panels/webhooks/", address_of(rows.endpoint)):
        answer = client.get(path)
        assert (answer.status_code, "Platform team" in text_of(answer)) == (403, False), path
    for page in ("enable/", "disable/", "test/", "signing-key/"):
        assert client.post(address_of(rows.endpoint, page)).status_code == 403
    kept = changed_since(before)
    assert {name for name in kept if name.startswith("webhook")} == set()
    home = text_of(client.get("/orgs/acme/"))
    assert HOME not in home
    assert "panels/webhooks/" not in home


def test_a_longer_list_asks_no_more_often(browse, cast):
    client = browse(cast.owner)
    counts = []
    for number in range(2):
        for _ in range(1 + 3 * number):
            made(cast)
        for path in (HOME, "/orgs/acme/panels/webhooks/"):
            with CaptureQueriesContext(
                connection,
            ) as asked:
                assert client.get(path).status_code == 200
            counts.append(len(asked))
    assert counts[:2] == counts[2:]
