"""What is kept of each attempt: where it went, what went along, how long it took and what the answer said."""

import json

import pytest

from config.kernel.tenancy.scope import tenant_scope
from tests.certificates import Authority
from tests.receivers import BEHAVIOURS
from tests.webhooks.conftest import end, taken
from tests.webhooks.test_pages import address_of, text_of
from webhooks.answers import LONGEST_HEAD, LONGEST_LINE, masked, told
from webhooks.services.addresses import FitUrl
from webhooks.services.deliveries import replay_delivery
from webhooks.services.endpoints import update_endpoint

OLD, NEW = "Bearer of-the-old-receiver", "of-the-new-receiver"


def attempts_of(api, webhooks, delivery):
    """As REST tells them, the newest first."""
    answer = api(webhooks.cast.admin).get(f"/api/v1/orgs/acme/webhook-deliveries/{delivery.public_id}/attempts")
    assert answer.status_code == 200
    return answer.json()["data"]


def test_an_attempt_tells_where_it_went_after_the_endpoint_has_moved(api, browse, webhooks, start, by_owner):
    old, new = start(), start()
    endpoint = webhooks.endpoint(FitUrl(old.url("status/503", of="old")), headers={"Authorization": OLD})
    webhooks.happen()
    webhooks.deliver()
    with tenant_scope(webhooks.cast.acme.id):
        moved = FitUrl(new.url())
        update_endpoint(**by_owner, endpoint_id=endpoint.id, url=moved, headers={"X-Team": NEW, "X-Key": NEW})
        replay_delivery(**by_owner, delivery_id=webhooks.delivery(endpoint).id)
    webhooks.deliver()
    delivery = webhooks.delivery(endpoint)
    second, first = attempts_of(api, webhooks, delivery)
    assert (first["url"], second["url"]) == (old.url("status/503", of="old"), moved)
    for attempt, receiver, names in ((first, old, {"Authorization"}), (second, new, {"X-Team", "X-Key"})):
        (request,) = receiver.requests
        told = attempt["request_headers"]
        hidden = {name for name, value in told.items() if value is None}
        assert hidden == {"webhook-signature", *names}
        for name in told.keys() - hidden:
            assert request.headers[name] == told[name], name
    page = browse(webhooks.cast.admin).get(address_of(endpoint, f"deliveries/{delivery.public_id}/"))
    for words in (first["url"], moved, "Authorization", "X-Team", first["request_headers"]["webhook-timestamp"]):
        assert words in text_of(page), words
    for secret in (OLD, NEW, "v1,", "whsec_"):
        assert secret not in text_of(page)
        assert secret not in json.dumps([first, second])


def test_the_page_says_where_the_next_attempt_goes_when_that_is_elsewhere(browse, webhooks, receiver, by_owner):
    endpoint = webhooks.endpoint(FitUrl(receiver.url("status/500")))
    webhooks.happen()
    webhooks.deliver()
    address = address_of(endpoint, f"deliveries/{webhooks.delivery(endpoint).public_id}/")
    client = browse(webhooks.cast.admin)
    assert "has another address now" not in text_of(client.get(address))
    with tenant_scope(webhooks.cast.acme.id):
        update_endpoint(**by_owner, endpoint_id=endpoint.id, url=FitUrl(receiver.url("moved")))
    page = text_of(client.get(address))
    assert ("has another address now" in page, receiver.url("moved") in page) == (True, True)


def test_what_goes_to_the_old_address_of_an_endpoint_that_moves_meanwhile_is_told_so(webhooks, start, by_owner):
    """A worker has taken it already."""
    old, new = start(), start()
    endpoint = webhooks.endpoint(FitUrl(old.url("slow/0.2")))
    webhooks.happen()
    run = taken()
    with tenant_scope(webhooks.cast.acme.id):
        update_endpoint(**by_owner, endpoint_id=endpoint.id, url=FitUrl(new.url()))
    end(run)
    assert (webhooks.attempt(endpoint).url, len(old.requests), len(new.requests)) == (old.url("slow/0.2"), 1, 0)


def test_timing_has_its_parts_over_new_connections_and_standing_ones(api, webhooks, start, settings, tmp_path):
    authority = Authority(tmp_path)
    settings.TENANTRY_WEBHOOK_CA_FILE = str(authority.certificate)
    plain = start()
    encrypted = start(tls=authority.server("127.0.0.1"))
    for receiver, is_encrypted in ((plain, False), (encrypted, True)):
        endpoint = webhooks.endpoint(FitUrl(receiver.url("slow/0.05")))
        webhooks.happen()
        webhooks.deliver()
        (attempt,) = attempts_of(api, webhooks, webhooks.delivery(endpoint))
        timing = attempt["timing"]
        assert (timing["connected"] is not None, timing["secured"] is not None) == (True, is_encrypted)
        assert 50 <= timing["first_byte"] <= attempt["milliseconds"]
        assert timing["connected"] <= (timing["secured"] or 0) or not is_encrypted
        with tenant_scope(webhooks.cast.acme.id):
            webhooks.set(endpoint, state="disabled", disabled_cause="by_hand")


def test_over_a_standing_connection_no_time_was_spent_on_connecting(webhooks, receiver):
    endpoint = webhooks.endpoint(FitUrl(receiver.url("slow/0.02")))
    webhooks.happen(8)
    webhooks.deliver()
    attempts = webhooks.attempts(endpoint)
    assert receiver.connections < len(attempts)
    assert sum(row.connected_after is not None for row in attempts) == receiver.connections
    assert all(row.answered_after >= 20 for row in attempts)


@pytest.mark.parametrize("path", ["closes", "garbage", "resets"])
def test_without_an_answer_there_is_no_first_byte_and_no_header(webhooks, receiver, path):
    endpoint = webhooks.endpoint(FitUrl(receiver.url(path)))
    webhooks.happen()
    webhooks.deliver()
    row = webhooks.attempt(endpoint)
    assert (row.url, row.status, row.answered_after, row.response_headers) == (receiver.url(path), None, None, "")
    assert row.connected_after is not None


def test_no_connection_has_no_timing(webhooks):
    endpoint = webhooks.endpoint(FitUrl("http://127.0.0.1:1/"))
    webhooks.happen()
    webhooks.deliver()
    row = webhooks.attempt(endpoint)
    assert (row.outcome, row.connected_after, row.answered_after) == ("unreachable", None, None)
    assert row.url == "http://127.0.0.1:1/"


def test_of_the_answer_s_headers_those_are_kept_that_help(api, webhooks, receiver):
    receiver.script.append((429, {
        "content_type": "text/plain", "retry_after": "7", "x_request_id": "4711", "set_cookie": "session=secret",
        "server": "größe", "x_powered_by": "PHP",
    }))  # fmt: skip
    endpoint = webhooks.endpoint(FitUrl(receiver.url("scripted")))
    webhooks.happen()
    webhooks.deliver()
    (attempt,) = attempts_of(api, webhooks, webhooks.delivery(endpoint))
    assert attempt["response_headers"] == {
        "content-type": "text/plain", "retry-after": "7", "x-request-id": "4711", "server": "größe",
    }  # fmt: skip


def test_of_many_and_long_headers_the_beginning_is_kept():
    lines = [b"HTTP/1.1 100 Continue\r\n", b"Server: first\r\n", b"HTTP/1.1 200 OK\r\n", b"Location: " + b"x" * 9000]
    assert told(lines) == ("location: " + "x" * 9000)[:LONGEST_LINE]
    assert len(told([b"Server: " + b"y" * 200 + b"\r\n"] * 1000)) <= LONGEST_HEAD
    assert told([b"Server: a\x00b\xff\r\n", b"Allow: POST\r\n"]) == "server: a\ufffdb\ufffd\nallow: POST"
    assert told([b"Server\r\n", b"\r\n"]) == ""


BEARER = 'sk/0123+456"7\\89='
OWN = {"Authorization": f"Bearer {BEARER}", "X-Pass": "open sesame", "X-Team": "blue", "Accept": "application/json"}


def repeats(before):
    """A behaviour: after `before` it answers with all headers that came, as JSON, and tells some in its own headers."""

    def answer(talk, request, argument):
        secret = request.headers["authorization"]
        talk.answer(401, before + json.dumps(request.headers).encode(), content_type="application/json", server=secret)

    return answer


def test_what_a_receiver_repeats_of_the_endpoint_s_own_headers_is_shown_nowhere(
    api, browse, webhooks, receiver, monkeypatch
):
    monkeypatch.setitem(BEHAVIOURS, "repeats", repeats(b"unknown: " + BEARER.encode() + b" in "))
    endpoint = webhooks.endpoint(FitUrl(receiver.url("repeats")), headers=OWN)
    webhooks.happen()
    webhooks.deliver()
    assert receiver.requests[0].headers["authorization"] == f"Bearer {BEARER}"
    delivery = webhooks.delivery(endpoint)
    (attempt,) = attempts_of(api, webhooks, delivery)
    told_back = json.loads(attempt["response"].partition(" in ")[2])
    assert attempt["response"].startswith("unknown: " + "*" * len(BEARER) + " in ")
    assert set(told_back["authorization"]) == set(told_back["x-pass"]) == {"*"}
    assert (told_back["x-team"], told_back["accept"]) == ("blue", "application/json")
    assert told_back["webhook-id"] == delivery.event_public_id
    assert attempt["response_headers"]["content-type"] == "application/json"
    assert set(attempt["response_headers"]["server"]) == {"*"}
    page = text_of(browse(webhooks.cast.admin).get(address_of(endpoint, f"deliveries/{delivery.public_id}/")))
    assert ("unknown: ***" in page, "0123" in page, "sesame" in page) == (True, False, False)


@pytest.mark.parametrize("before", [4085, 4094, 4096, 5000])
def test_where_an_answer_is_cut_no_beginning_of_a_repeated_value_is_left(webhooks, receiver, monkeypatch, before):
    def answer(talk, request, argument):
        talk.answer(200, b"x" * before + request.headers["x-key"].encode())

    monkeypatch.setitem(BEHAVIOURS, "repeats", answer)
    endpoint = webhooks.endpoint(FitUrl(receiver.url("repeats")), headers={"X-Key": "k" * 2000})
    webhooks.happen()
    webhooks.deliver()
    assert webhooks.attempt(endpoint).response == ("x" * before + "*" * 2000)[:4096]


def test_characters_that_json_writes_otherwise_hide_no_value():
    """As PHP and .NET write them."""
    own = (f"Authorization: Bearer {BEARER}",)
    for spelled in (r"sk\/0123+456\"7\\89=", r"sk\u002f0123\u002B456\u00227\u005C89\u003d"):
        assert masked(f'{{"got": "{spelled}"}}'.encode(), own) == f'{{"got": "{"*" * len(spelled)}"}}'.encode()
    assert masked(b"sk/0123", own) == b"sk/0123"
    assert masked(b"", own) == masked(b"", ()) == b""
