"""Leak reports as GitHub's secret scanning sends them: signed, by keys that are fetched from a server of ours."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from django.test import Client

from tests.cast import Cast
from tests.kernel.test_tasks import Inbox, inbox, worker  # noqa: F401 - fixtures
from tests.keys.test_pages import key_now
from tests.staff.conftest import enter  # noqa: F401 - a fixture

REPORT = "/api/v1/keys/report-leak"
GITHUB = "/leaks/github"


class KeyServer:
    """GitHub's public keys, on the loopback address."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.asked = 0
        self.answer: Any = {"public_keys": [self.entry("current", self.private)]}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked += 1
                body = json.dumps(server.answer).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @staticmethod
    def entry(identifier: str, private: Any) -> dict[str, Any]:
        pem = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {"key_identifier": identifier, "key": pem.decode(), "is_current": True}

    def headers(self, body: bytes, *, identifier: str = "current", private: Any = None) -> dict[str, str]:
        signature = (private or self.private).sign(body, ec.ECDSA(hashes.SHA256()))
        return {
            "Github-Public-Key-Identifier": identifier,
            "Github-Public-Key-Signature": base64.b64encode(signature).decode(),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/"


@pytest.fixture
def github(settings: Any) -> Iterator[KeyServer]:
    server = KeyServer()
    settings.TENANTRY_GITHUB_KEYS_URL = server.url
    yield server
    server.http.shutdown()
    server.http.server_close()


def message(*tokens: str) -> bytes:
    return json.dumps(
        [
            {"token": token, "type": "tenantry_key", "url": "https://github.com/x/y", "source": "content"}
            for token in tokens
        ]
    ).encode()


def send(body: bytes, headers: dict[str, str]) -> Any:
    return Client(enforce_csrf_checks=True).post(GITHUB, body, content_type="application/json", headers=headers)


def test_the_receiver_is_absent_unless_it_is_switched_on(cast: Cast):
    assert send(b"[]", {}).status_code == 404


def test_what_github_signed_is_taken_in_and_answered_without_a_word(cast: Cast, github: KeyServer):
    body = message(cast.secret_key, "sk_live_unknown")
    answer = send(body, github.headers(body))
    assert (answer.status_code, answer.json()) == (200, [])
    assert send(b"[]", github.headers(b"[]")).json() == []
    assert github.asked == 1, "the keys are kept"


def test_labels_are_answered_when_the_operator_wants_it(cast: Cast, github: KeyServer, settings: Any):
    settings.TENANTRY_GITHUB_LABELS = True
    body = message(cast.secret_key, "sk_live_unknown", cast.publishable_key)
    answer = send(body, github.headers(body)).json()
    assert [row["label"] for row in answer] == ["true_positive", "false_positive", "false_positive"]
    assert answer[0] == {
        "token_hash": hashlib.sha256(cast.secret_key.encode()).hexdigest(),
        "token_type": "tenantry_key",
        "label": "true_positive",
    }


def test_what_github_did_not_sign_is_refused(cast: Cast, github: KeyServer):
    body = message(cast.secret_key)
    good = github.headers(body)
    stranger = ec.generate_private_key(ec.SECP256R1())
    weak = ec.generate_private_key(ec.SECP384R1())
    other = ed25519.Ed25519PrivateKey.generate()
    github.answer["public_keys"] += [github.entry("weak", weak), github.entry("other", other)]
    github.answer["public_keys"].append({"key_identifier": "broken", "key": "no key", "is_current": True})
    signature = "Github-Public-Key-Signature"
    for wrong in (
        {},
        {**good, signature: ""},
        {**good, signature: "not base64!"},
        {**good, signature: base64.b64encode(b"x" * 70).decode()},
        github.headers(body, private=stranger),
        github.headers(body, private=weak, identifier="weak"),
        {**good, "Github-Public-Key-Identifier": "other"},
        {**good, "Github-Public-Key-Identifier": "broken"},
        {**good, "Github-Public-Key-Identifier": "unknown"},
        github.headers(body + b" "),
    ):
        answer = send(body, wrong)
        assert (answer.status_code, answer.json()["title"]) == (401, "auth failure"), wrong
    assert key_now(cast).leaked_at is None


def test_made_up_identifiers_do_not_make_us_ask_github_each_time(cast: Cast, github: KeyServer):
    for number in range(20):
        send(b"[]", github.headers(b"[]", identifier=f"unknown-{number}"))
    assert github.asked == 12
    assert send(b"[]", github.headers(b"[]")).status_code == 200


def test_a_new_key_of_github_is_fetched_when_it_is_first_used(cast: Cast, github: KeyServer):
    assert send(b"[]", github.headers(b"[]")).status_code == 200
    following = ec.generate_private_key(ec.SECP256R1())
    github.answer["public_keys"].append(github.entry("next", following))
    assert send(b"[]", github.headers(b"[]", private=following, identifier="next")).status_code == 200


@pytest.mark.parametrize("answer", [[], {"public_keys": 5}, {"keys": []}, "x"])
def test_nonsense_in_place_of_githubs_keys_lets_nobody_in(cast: Cast, github: KeyServer, answer: Any):
    github.answer = answer
    assert send(b"[]", github.headers(b"[]")).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1]", b"[[]]", b'[{"type": "x"}]', b'[{"token": 5}]', b'[{"token": "x", "url": {}}]',
     b"[" * 100_000, b'[{"token": "' + b"x" * 1001 + b'"}]', json.dumps([{"token": "x"}] * 501).encode()],
    ids=lambda body: body[:20],
)  # fmt: skip
def test_a_signed_message_that_is_no_list_of_reports_is_malformed(cast: Cast, github: KeyServer, body: bytes):
    answer = send(body, github.headers(body))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


# -- staff -----------------------------------------------------------------------------------------------------------
