"""Pages of deliveries: filters, one delivery with what was sent, tests that show what becomes of them, replays."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import tenant_scope
from projects.services.projects import create_project
from tests.receivers import receiving
from tests.webhooks.rows import endpoint_rows
from tests.webhooks.test_pages import BEARER, address_of, made, text_of
from webhooks.delivery import deliver_due
from webhooks.models import Attempt, Delivery, Endpoint, OutboxEntry
from webhooks.services.deliveries import replay_since
from webhooks.services.endpoints import create_endpoint, disable_endpoint


def listening(cast, url):
    """An endpoint with a receiver behind it, to which nothing but tests is sent."""
    with tenant_scope(cast.acme.id):
        endpoint, secret = create_endpoint(actor=SYSTEM, url=url, events=["export.*"], headers={"X-Key": BEARER})
        OutboxEntry.objects.all().delete()
    return endpoint, secret


def of(rows, delivery, page=""):
    return address_of(rows.endpoint, f"deliveries/{delivery.public_id}/{page}")


def shown(answer):
    """The states of the deliveries in a list."""
    return sorted(row.state for row in answer.context["rows"])


def test_a_test_event_is_sent_and_its_page_shows_what_became_of_it(browse, cast):
    client = browse(cast.admin)
    with receiving() as receiver:
        endpoint, secret = listening(cast, receiver.url())
        sent = client.post(address_of(endpoint, "test/"))
        page = client.get(sent["Location"])
        assert ('hx-trigger="every 2s"' in text_of(page), "Waiting for its turn" in text_of(page)) == (True, True)
        assert deliver_due() == 1
    part = client.get(sent["Location"], headers={"HX-Request": "true", "HX-Target": "progress"})
    assert ("hx-get" in text_of(part), "<html" in text_of(part), "It is delivered." in text_of(part)) == (
        False, False, True,
    )  # fmt: skip
    page = text_of(client.get(sent["Location"]))
    for words in ("Delivered", "Status 200", "fine", "webhook_endpoint.tested", receiver.ids()[0], "X-Key"):
        assert words in page, words
    for secrets in (BEARER, secret, "whsec_", "v1,"):
        assert secrets not in page
    assert "Hello from Tenantry" in page


def test_a_refused_attempt_is_told_in_words_with_what_was_answered_and_when_it_is_tried_again(browse, cast):
    client = browse(cast.admin)
    with receiving() as receiver:
        endpoint, _ = listening(cast, receiver.url("status/503"))
        sent = client.post(address_of(endpoint, "test/"))
        deliver_due()
    page = text_of(client.get(sent["Location"]))
    for words in ("Retrying", "Refused", "Next attempt", "This endpoint is failing", "hx-get"):
        assert words in page, words


def test_a_disabled_endpoint_gets_no_test(browse, cast):
    rows = made(cast)
    with tenant_scope(cast.acme.id):
        disable_endpoint(actor=SYSTEM, endpoint_id=rows.endpoint.id)
        before = Delivery.objects.count()
    answer = browse(cast.admin).post(address_of(rows.endpoint, "test/"))
    assert (answer.status_code, "enable it first" in text_of(answer)) == (409, True)
    with tenant_scope(cast.acme.id):
        assert Delivery.objects.count() == before


@pytest.mark.parametrize(
    ("query", "states"),
    [
        ("", ["delivered", "failed", "pending"]),
        ("?state=failed", ["failed"]),
        ("?state=delivered", ["delivered"]),
        ("?event=key.created", ["pending"]),
        ("?event=member.*", ["failed"]),
        ("?state=failed&event=key.created", []),
    ],
)
def test_deliveries_are_narrowed_by_state_and_event(browse, cast, query, states):
    rows = made(cast)
    with tenant_scope(cast.acme.id):
        endpoint_rows(url="https://other.acme.example/")  # whose deliveries are not shown
    answer = browse(cast.admin).get(f"{address_of(rows.endpoint, 'deliveries/')}{query}")
    assert (answer.status_code, shown(answer)) == (200, states)
    assert ("No delivery matches" in text_of(answer)) == (not states)


@pytest.mark.parametrize("query", ["?state=eaten", "?event=key.eaten", "?event=eaten.*"])
def test_a_filter_that_is_none_is_told(browse, cast, query):
    rows = made(cast)
    answer = browse(cast.admin).get(f"{address_of(rows.endpoint, 'deliveries/')}{query}")
    assert (answer.status_code, "Select a valid choice" in text_of(answer)) == (422, True)


def test_an_endpoint_without_deliveries_says_what_to_do(browse, cast):
    endpoint, _ = listening(cast, "http://127.0.0.1:9/")
    answer = text_of(browse(cast.admin).get(address_of(endpoint, "deliveries/")))
    assert ("Nothing was sent yet" in answer, "Send a test event" in answer) == (True, True)


def test_deliveries_turn_by_cursors_with_as_many_queries_on_each_page(browse, cast):
    rows, client = made(cast), browse(cast.admin)
    path = address_of(rows.endpoint, "deliveries/")
    with CaptureQueriesContext(connection) as few:
        client.get(path)
    with tenant_scope(cast.acme.id):
        Delivery.objects.bulk_create(
            Delivery(endpoint=rows.endpoint, event_id=new_id(), event="key.created", state="delivered")
            for _ in range(60)
        )
    with CaptureQueriesContext(connection) as many:
        first = client.get(path)
    assert len(many) == len(few)
    older = re.search(r'href="([^"]+before=[^"]+)"', first.content.decode())
    second = client.get(older[1].replace("&amp;", "&"))
    assert len(first.context["rows"]) + len(second.context["rows"]) == 63
    assert not {row.id for row in first.context["rows"]} & {row.id for row in second.context["rows"]}


def test_one_delivery_tells_its_attempts_and_masks_the_headers(browse, cast):
    rows, client = made(cast), browse(cast.admin)
    page = text_of(client.get(of(rows, rows.delivered)))
    for words in ("Attempt 1", "Attempt 2", "Status 503", "4,321 ms", "&lt;h1&gt;Busy&lt;/h1&gt;", "Authorization"):
        assert words in page, words
    for secrets in (BEARER, "whsec_"):
        assert secrets not in page
    failed = text_of(client.get(of(rows, rows.failed)))
    for words in ("does not answer in time", "Timed out", "Given up", "The event is no longer kept"):
        assert words in failed, words
    assert "hx-get" not in failed
    waiting = text_of(client.get(of(rows, rows.pending)))
    assert ('hx-trigger="every 30s"' in waiting, "Next attempt" in waiting) == (True, True)


def test_many_attempts_are_asked_for_as_often_as_one(browse, cast):
    rows, client = made(cast), browse(cast.admin)
    with CaptureQueriesContext(connection) as few:
        client.get(of(rows, rows.delivered))
    with tenant_scope(cast.acme.id):
        Attempt.objects.bulk_create(
            Attempt(delivery=rows.delivered, number=number, outcome="refused", milliseconds=1)
            for number in range(3, 99)
        )
    with CaptureQueriesContext(connection) as many:
        answer = client.get(of(rows, rows.delivered))
    assert (len(many), len(answer.context["rows"])) == (len(few), 50)


def test_a_delivery_is_replayed_under_its_own_id(browse, cast):
    client = browse(cast.admin)
    with receiving() as receiver:
        endpoint, _ = listening(cast, receiver.url())
        page = client.post(address_of(endpoint, "test/"))["Location"]
        deliver_due()
        answer = client.post(f"{page}replay/", follow=True)
        assert ("sent once more" in text_of(answer), "Attempt 1" in text_of(answer)) == (True, True)
        deliver_due()
    assert len(receiver.requests) == 2
    assert len(set(receiver.ids())) == 1
    with tenant_scope(cast.acme.id):
        assert Delivery.objects.get(endpoint=endpoint).attempts == 2
        assert AuditEvent.objects.filter(event="webhook_delivery.replayed").count() == 1


def test_what_is_no_longer_kept_cannot_be_replayed(browse, cast):
    rows = made(cast)
    answer = browse(cast.admin).post(of(rows, rows.failed, "replay/"))
    assert (answer.status_code, "no longer has this event" in text_of(answer)) == (409, True)
    with tenant_scope(cast.acme.id):
        assert Delivery.objects.get(id=rows.failed.id).state == "failed"


def test_what_was_missed_is_replayed_since_a_time(browse, cast, delivering):
    rows, client = made(cast), browse(cast.admin)
    with tenant_scope(cast.acme.id):
        create_project(actor=SYSTEM, name="Launcher", slug="launcher")
        event = AuditEvent.objects.filter(event="project.created").order_by("-id").first()
        missed = Delivery.objects.create(endpoint=rows.endpoint, event_id=event.id, event=event.event, state="failed")
    since = f"{timezone.now() - timedelta(hours=2):%Y-%m-%dT%H:%M}"
    with delivering():
        answer = client.post(address_of(rows.endpoint, "replay/"), {"since": since}, follow=True)
    assert "is being sent" in text_of(answer)
    with tenant_scope(cast.acme.id):
        assert Delivery.objects.get(id=missed.id).state == "pending"
        assert AuditEvent.objects.filter(event="webhook_endpoint.replayed").count() == 1


@pytest.mark.parametrize(
    ("since", "status", "words"),
    [
        ("", 422, "This field is required"),
        ("yesterday", 422, "Enter a valid date/time"),
        ("2999-01-01T00:00", 400, "Choose a time that is over"),
        ("2001-01-01T00:00", 400, "Choose a time within the last"),
    ],
)
def test_a_time_that_nothing_can_be_replayed_since_is_refused(browse, cast, since, status, words):
    rows = made(cast)
    answer = browse(cast.admin).post(address_of(rows.endpoint, "replay/"), {"since": since})
    assert (answer.status_code, words in text_of(answer)) == (status, True)
    with tenant_scope(cast.acme.id):
        assert not AuditEvent.objects.filter(event="webhook_endpoint.replayed").exists()


def test_a_delivery_is_found_below_its_own_endpoint_and_organization_only(browse, cast):
    rows = made(cast)
    with tenant_scope(cast.acme.id):
        other = endpoint_rows(url="https://other.acme.example/")
    assert browse(cast.admin).get(of(other, rows.delivered)).status_code == 404
    foreign = of(rows, rows.delivered).replace("/acme/", "/globex/")
    assert browse(cast.outsider).get(foreign).status_code == 404
    assert browse(cast.outsider).post(f"{foreign}replay/").status_code == 404
    for role in ("developer", "viewer"):
        assert browse(cast.member(role)).post(of(rows, rows.delivered, "replay/")).status_code == 403
    with tenant_scope(cast.acme.id):
        assert Delivery.objects.get(id=rows.delivered.id).state == "delivered"


def test_a_failing_endpoint_leads_to_deliveries_that_are_there(browse, cast):
    client = browse(cast.admin)
    with receiving() as receiver:
        endpoint, _ = listening(cast, receiver.url("status/503"))
        client.post(address_of(endpoint, "test/"))
        deliver_due()
    page = client.get(address_of(endpoint)).content.decode()
    link = re.search(r'href="([^"]+)">See its deliveries</a>', page)
    assert shown(client.get(link[1])) == ["pending"]  # tried again for three days, and failed after them only
    assert "Pending or retrying" in text_of(client.get(link[1]))


def test_a_delivery_says_that_its_endpoint_asked_for_patience_and_offers_no_try_before(browse, cast):
    rows, client = made(cast), browse(cast.admin)
    with tenant_scope(cast.acme.id):
        waiting = Delivery.objects.create(
            endpoint=rows.endpoint, event_id=new_id(), event="key.created", due_at=timezone.now()
        )
    page = text_of(client.get(of(rows, waiting)))
    assert f'Next attempt <time datetime="{rows.endpoint.held_until:%Y-%m-%dT%H:%M:%SZ}"' in page
    assert ("for which the endpoint asked" in page, "Waiting for its turn" in page, "Try now" in page) == (
        True, False, False,
    )  # fmt: skip
    assert 'hx-trigger="every 30s"' in page
    with tenant_scope(cast.acme.id):
        Endpoint.objects.update(held_until=None)
    page = text_of(client.get(of(rows, waiting)))
    assert ("Waiting for its turn" in page, "Try now" in page) == (True, False)
    assert "Try now" in text_of(client.get(of(rows, rows.pending)))


def test_a_delivery_on_its_way_is_said_to_be_sent_now(browse, cast):
    rows, now = made(cast), timezone.now()
    with tenant_scope(cast.acme.id):
        Endpoint.objects.update(held_until=None)
        taken = Delivery.objects.create(
            endpoint=rows.endpoint, event_id=new_id(), event="key.created", due_at=now,
            claimed_until=now + timedelta(minutes=1),
        )  # fmt: skip
    page = text_of(browse(cast.admin).get(of(rows, taken)))
    assert ("It is being sent now" in page, "as soon as a worker is free" in page, "Try now" in page) == (
        True, False, False,
    )  # fmt: skip


def test_what_was_given_up_before_its_turn_is_not_promised_to_be_sent(browse, cast):
    rows = made(cast)
    with tenant_scope(cast.acme.id):
        untried = Delivery.objects.create(
            endpoint=rows.endpoint, event_id=new_id(), event="key.created", due_at=timezone.now()
        )
        disable_endpoint(actor=SYSTEM, endpoint_id=rows.endpoint.id)
    page = text_of(browse(cast.admin).get(of(rows, untried)))
    assert ("No attempt was made" in page, "given up before its turn came" in page) == (True, True)
    for promise in ("It is sent within seconds", "What is going to be sent"):
        assert promise not in page


def test_a_replay_under_way_tells_how_far_it_has_come(browse, cast):
    rows, client = made(cast), browse(cast.admin)
    path = address_of(rows.endpoint, "deliveries/")
    assert "A replay is under way" not in text_of(client.get(path))
    since = timezone.now() - timedelta(hours=2)
    with tenant_scope(cast.acme.id):
        replay_since(actor=SYSTEM, endpoint_id=rows.endpoint.id, since=since)
    page = text_of(client.get(path))
    assert ("A replay is under way" in page, f"{since:%Y-%m-%dT%H:%M:%SZ}" in page) == (True, True)


def test_with_a_filter_that_is_none_no_delivery_is_said_to_be_missing(browse, cast):
    rows = made(cast)
    page = text_of(browse(cast.admin).get(f"{address_of(rows.endpoint, 'deliveries/')}?state=eaten"))
    assert ("Nothing was looked for" in page, "No delivery matches" in page) == (True, False)


def test_a_page_that_waits_is_answered_by_nothing_until_there_is_news(browse, cast):
    client = browse(cast.admin)
    with receiving() as receiver:
        endpoint, _ = listening(cast, receiver.url("status/503"))
        path = client.post(address_of(endpoint, "test/"))["Location"]
        deliver_due()
    told = re.search(r"\"X-Shown\": \"(\w+)\"", client.get(path).content.decode())[1]
    asks = {"HX-Request": "true", "HX-Target": "progress", "X-Shown": told}
    with tenant_scope(cast.acme.id):
        Delivery.objects.filter(endpoint=endpoint).update(due_at=timezone.now() + timedelta(hours=2))
    later = client.get(path, headers=asks)
    asks["X-Shown"] = re.search(r"\"X-Shown\": \"(\w+)\"", later.content.decode())[1]
    same = client.get(path, headers=asks)
    assert (later.status_code, same.status_code, same.content) == (200, 204, b"")
    assert client.get(path, headers={"X-Shown": asks["X-Shown"]}).status_code == 200  # the whole page
    with tenant_scope(cast.acme.id):
        Delivery.objects.filter(endpoint=endpoint).update(state="delivered", due_at=None, finished_at=timezone.now())
    assert "It is delivered." in text_of(client.get(path, headers=asks))
