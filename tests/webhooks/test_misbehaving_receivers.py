"""Receivers that misbehave: each attempt ends within its bounds, says what happened, and delays no other endpoint."""

import resource
import socket
import time
from collections.abc import Callable
from threading import Event

import pytest

from projects.events import PROJECT_ARCHIVED
from tests.certificates import Authority
from tests.receivers import BEHAVIOURS
from webhooks import delivery, sending
from webhooks.answers import Answer, Call
from webhooks.models import Delivery

pytestmark = pytest.mark.usefixtures("impatient")

DELIVERED, REFUSED, GONE, REDIRECTED = "delivered", "refused", "gone", "redirected"
TIMED_OUT, UNREACHABLE, UNTRUSTED = "timed_out", "unreachable", "untrusted"
# What each does, what it comes to, the status that is kept, and how much of the answer.
ANSWERS = [
    ("fine", DELIVERED, 200, "fine"),
    ("status/204", DELIVERED, 204, ""),
    ("status/299", DELIVERED, 299, "status 299"),
    ("status/304", REDIRECTED, 304, ""),
    ("status/400", REFUSED, 400, "status 400"),
    ("status/401", REFUSED, 401, "status 401"),
    ("status/404", REFUSED, 404, "status 404"),
    ("status/429", REFUSED, 429, "status 429"),
    ("status/500", REFUSED, 500, "status 500"),
    ("status/503", REFUSED, 503, "status 503"),
    ("status/999", REFUSED, 999, "status 999"),
    ("status/410", GONE, 410, "status 410"),
    ("hangs", TIMED_OUT, None, ""),
    ("slow/0.2", DELIVERED, 200, "at last"),
    # A status of success is the receiver's word that it has the event, whatever becomes of the rest.
    ("hangs-in-body", DELIVERED, 200, ""),
    ("drips-headers", DELIVERED, 200, ""),
    ("drips-body", DELIVERED, 200, "xxx"),
    ("resets-in-body", DELIVERED, 200, "begun"),
    ("closes-in-body", DELIVERED, 200, "begun"),
    ("large", DELIVERED, 200, "x" * 4096),
    ("endless", DELIVERED, 200, "x" * 4096),
    ("endless-headers", DELIVERED, 200, ""),
    ("endless-header", DELIVERED, 200, ""),
    ("endless-continue", UNREACHABLE, None, ""),
    ("resets", UNREACHABLE, None, ""),
    ("closes", UNREACHABLE, None, ""),
    ("garbage", UNREACHABLE, None, ""),
]


@pytest.mark.parametrize("row", ANSWERS, ids=[row[0] for row in ANSWERS])
def test_each_answer_leads_to_its_outcome_in_time(webhooks, receiver, row):
    path, outcome, status, response = row
    endpoint = webhooks.endpoint(receiver.url(path))
    webhooks.happen()
    before = time.monotonic()
    assert webhooks.deliver() == 1
    assert time.monotonic() - before < 5
    attempt = webhooks.attempt(endpoint)
    assert (attempt.outcome, attempt.status) == (outcome, status)
    assert attempt.response.startswith(response)
    assert len(attempt.response) <= 4096
    assert attempt.milliseconds < 2500
    assert bool(attempt.detail) != attempt.succeeded
    # Of what has no end, little is read.
    assert receiver.bytes_sent < 20_000_000
    row = webhooks.delivery(endpoint)
    assert (row.last_outcome, row.last_status, row.tries, row.attempts) == (outcome, status, 1, 1)
    ended = {DELIVERED: Delivery.State.DELIVERED, GONE: Delivery.State.FAILED}
    assert row.state == ended.get(outcome, Delivery.State.PENDING)


def test_every_behaviour_of_the_receiver_is_tried():
    tried = {path.partition("/")[0] for path, *_ in ANSWERS}
    elsewhere = {
        "scripted", "compressed", "redirects", "closes-afterwards", "resets-next", "silent-next", "hangs-after",
    }  # fmt: skip
    assert set(BEHAVIOURS) == tried | elsewhere


def test_a_compressed_answer_stays_compressed(webhooks, receiver):
    endpoint = webhooks.endpoint(receiver.url("compressed"))
    webhooks.happen()
    webhooks.deliver()
    assert receiver.requests[0].headers["accept-encoding"] == "identity"
    attempt = webhooks.attempt(endpoint)
    assert (attempt.outcome, attempt.status) == (DELIVERED, 200)
    assert len(attempt.response) <= 4096


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(webhooks, receiver, start, status):
    elsewhere = start("127.0.0.2")
    endpoint = webhooks.endpoint(receiver.url(f"redirects/{status}", to=elsewhere.url()))
    webhooks.happen()
    webhooks.deliver()
    assert (webhooks.attempt(endpoint).outcome, webhooks.attempt(endpoint).status) == (REDIRECTED, status)
    assert elsewhere.connections == 0
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("options", [{"deaf": True}, {"full": True}], ids=["hears nothing", "takes no connection"])
def test_who_takes_no_connection_or_no_request_has_timed_out(webhooks, start, options):
    endpoint = webhooks.endpoint(start(**options).url())
    webhooks.happen()
    webhooks.deliver()
    attempt = webhooks.attempt(endpoint)
    assert (attempt.outcome, attempt.status) == (TIMED_OUT, None)
    assert attempt.milliseconds < 2500


def test_a_closed_port_is_unreachable(webhooks):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint = webhooks.endpoint(f"http://127.0.0.1:{port}/")
    webhooks.happen()
    webhooks.deliver()
    assert webhooks.attempt(endpoint).outcome == UNREACHABLE


@pytest.fixture
def authority(settings, tmp_path):
    """The one that is trusted."""
    found = Authority(tmp_path)
    settings.TENANTRY_WEBHOOK_CA_FILE = str(found.certificate)
    return found


@pytest.mark.parametrize(
    ("hosts", "options", "outcome"),
    [
        (["127.0.0.1"], {}, DELIVERED),
        (["127.0.0.1"], {"expired": True}, UNTRUSTED),
        (["127.0.0.1"], {"itself": True}, UNTRUSTED),
        (["127.0.0.2", "receiver.example"], {}, UNTRUSTED),
    ],
    ids=["good", "expired", "signed itself", "of another host"],
)
def test_certificates_are_checked(webhooks, start, authority, *, hosts, options, outcome):
    receiver = start(tls=authority.server(*hosts, **options))
    endpoint = webhooks.endpoint(receiver.url())
    webhooks.happen()
    webhooks.deliver()
    assert webhooks.attempt(endpoint).outcome == outcome
    assert len(receiver.requests) == (1 if outcome == DELIVERED else 0)


def test_an_unknown_authority_and_tls_that_is_none(webhooks, start, authority, tmp_path):
    unknown = start(tls=Authority(tmp_path, "another").server("127.0.0.1"))
    plain, deaf = start(), start(deaf=True)
    cases = {
        UNTRUSTED: webhooks.endpoint(unknown.url()),
        TIMED_OUT: webhooks.endpoint(deaf.url().replace("http:", "https:")),
    }
    no_tls = webhooks.endpoint(plain.url().replace("http:", "https:"))
    webhooks.happen()
    webhooks.deliver()
    for outcome, endpoint in cases.items():
        assert webhooks.attempt(endpoint).outcome == outcome
    # It waits for the end of a request that never comes, as the sender for a handshake.
    assert webhooks.attempt(no_tls).outcome in (TIMED_OUT, UNREACHABLE)
    assert unknown.requests == plain.requests == []


@pytest.mark.parametrize("path", ["closes-afterwards", "resets-next"])
def test_a_kept_connection_that_was_closed_meanwhile_costs_nothing(webhooks, receiver, monkeypatch, path):
    monkeypatch.setattr("webhooks.pace.FIRST", 1)
    endpoint = webhooks.endpoint(receiver.url(path))
    webhooks.happen(6)
    webhooks.deliver()
    assert len(receiver.ids()) >= 6
    found = [attempt.outcome for attempt in webhooks.attempts(endpoint)]
    # What was cut off while it was on its way is tried again like any other failure.
    assert set(found) <= {DELIVERED, UNREACHABLE}
    webhooks.deliver()
    assert found.count(DELIVERED) >= 3


def test_a_connection_that_a_firewall_forgot_times_out_and_is_not_used_again(webhooks, receiver):
    endpoint = webhooks.endpoint(receiver.url("silent-next"))
    webhooks.happen(3)
    webhooks.deliver()
    found = [attempt.outcome for attempt in webhooks.attempts(endpoint)]
    assert len(found) == 3
    assert set(found) <= {DELIVERED, TIMED_OUT}
    assert DELIVERED in found


def test_one_that_hangs_delays_no_other(webhooks, receiver, monkeypatch):
    """Four that never answer, and one that does: all of its deliveries are there before the first of theirs ends."""
    monkeypatch.setattr(sending, "SECONDS", 3)
    dead = [webhooks.endpoint(receiver.url(f"hangs/{number}")) for number in range(4)]
    endpoint = webhooks.endpoint(receiver.url("fine"), events=(PROJECT_ARCHIVED.name,))
    webhooks.happen(2)
    webhooks.happen(20, PROJECT_ARCHIVED)
    began = time.monotonic()
    run = delivery.Delivering(10)
    while len(receiver.got("fine")) < 20:
        assert time.monotonic() - began < 20
        run.desk.turn()
        run.send(0.05)
    arrived = max(received.at for received in receiver.got("fine"))
    first = min(received.at for received in receiver.got("hangs"))
    assert arrived - first < sending.SECONDS
    run.run_here()
    assert [attempt.outcome for attempt in webhooks.attempts(endpoint)] == [DELIVERED] * 20
    for each in dead:
        assert {attempt.outcome for attempt in webhooks.attempts(each)} == {TIMED_OUT}
        assert webhooks.again(each).failing_since is not None
    assert webhooks.again(endpoint).failing_since is None


def test_one_that_was_quick_and_then_hangs_delays_no_other(webhooks, receiver, monkeypatch):
    """Most of what the worker may take is the hanging one's by then. Nothing of it is lost or sent twice."""
    monkeypatch.setattr(sending, "SECONDS", 12)
    goes_on = Event()

    def hangs_after(talk, *_):
        while len(receiver.got("turning")) > 130 and not goes_on.is_set():
            talk.wait(0.05)
        talk.answer(200)

    monkeypatch.setitem(BEHAVIOURS, "turning", hangs_after)
    turning = webhooks.endpoint(receiver.url("turning"))
    other = webhooks.endpoint(receiver.url("fine"), events=(PROJECT_ARCHIVED.name,))
    webhooks.happen(300)
    run = delivery.Delivering(10)

    def work_until(done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end
            run.desk.turn()
            run.send(0.05)

    work_until(lambda: len(receiver.got("turning")) > 135 and run.desk.taken > 100, 20)
    for number in range(1, 4):
        webhooks.happen(5, PROJECT_ARCHIVED)
        work_until(lambda: len(receiver.got("fine")) == 5 * number, 2)  # noqa: B023 - called in this round only
    work_until(lambda: run.desk.taken < 10, 2)
    assert len(receiver.got("turning")) < 150
    goes_on.set()
    run.run_here()
    for endpoint, count in ((turning, 300), (other, 15)):
        rows = webhooks.deliveries(endpoint)
        assert {(row.state, row.attempts, row.claimed_until) for row in rows} == {(Delivery.State.DELIVERED, 1, None)}
        assert len(rows) == count
    assert len(receiver.ids()) == len(set(receiver.ids())) == 315


def test_an_answer_that_no_database_takes_is_kept_as_far_as_it_can(webhooks, start, monkeypatch):
    """NUL bytes and no UTF-8."""
    receiver = start()
    monkeypatch.setitem(BEHAVIOURS, "binary", lambda talk, *_: talk.answer(200, b"a\x00b\xff\xfec" + bytes(5000)))
    endpoint = webhooks.endpoint(receiver.url("binary"))
    webhooks.happen()
    webhooks.deliver()
    attempt = webhooks.attempt(endpoint)
    assert attempt.outcome == DELIVERED
    assert attempt.response.startswith("a\ufffdb\ufffd\ufffdc")
    assert "\x00" not in attempt.response


def test_nobody_is_blamed_for_files_that_a_worker_is_not_allowed_to_open(start, monkeypatch):
    """Systems allow 1,024 unless they are asked for more, which a worker with many connections needs."""
    monkeypatch.setattr(sending, "SECONDS", 10)
    receiver = start()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    sender = sending.Sender(200)
    try:
        for number in range(200):
            sender.begin(Call(receiver.url("slow/1"), [], b"{}", number))
        answers: list[Answer] = []
        while sender.calls:
            answers += sender.wait(1)
    finally:
        sender.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [answer.outcome for answer in answers] == [DELIVERED] * 200
