"""Signatures and payloads, against values that were worked out by hand and by the published example."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.kernel.identifiers import public_id
from webhooks.payloads import Record, payload_of
from webhooks.signing import Keys, signatures

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = b"o" * 32, b"n" * 32
RECORD = Record(
    id=UUID(int=7), org_id=UUID(int=8), created_at=datetime(2026, 1, 1, 10, 0, 0, 5000, UTC), event="key.created",
    actor_kind="user", actor_id="usr_x", actor_label="o@acme.example", target_kind="key", target_id="key_x",
    target_label="Büro", result="done", data={"project": "prj_x"}, ip="203.0.113.9", user_agent="", request_id="req_x",
)  # fmt: skip


def v1(key: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, b"evt_1.1700000000.{}", "sha256")).decode()


def test_the_example_of_the_standard_has_the_signature_of_the_standard():
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    given = signatures(Keys(key), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert given == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_both_secrets_sign_until_the_overlap_ends():
    keys = Keys(NEW, OLD, NOW)
    before = signatures(keys, "evt_1", 1700000000, b"{}", now=NOW - timedelta(seconds=1))
    assert before == f"{v1(NEW)} {v1(OLD)}"
    assert signatures(keys, "evt_1", 1700000000, b"{}", now=NOW) == v1(NEW)


def test_the_ed25519_key_signs_the_same_beside_the_secret():
    private = Ed25519PrivateKey.generate()
    first, second = signatures(Keys(NEW, private=private), "evt_1", 1700000000, b"{}").split(" ")
    assert first == v1(NEW)
    name, signature = second.split(",")
    assert name == "v1a"
    private.public_key().verify(base64.b64decode(signature), b"evt_1.1700000000.{}")


def test_keys_do_not_show_themselves():
    assert "nnnn" not in repr(Keys(NEW, OLD, NOW))


def test_a_payload_is_the_whole_record_and_the_same_bytes_each_time():
    body = payload_of(RECORD)
    assert body == payload_of(RECORD)
    assert json.loads(body) == {
        "type": "key.created",
        "timestamp": "2026-01-01T10:00:00.005000Z",
        "data": {
            "id": public_id("evt", UUID(int=7)),
            "organization_id": public_id("org", UUID(int=8)),
            "actor": {"kind": "user", "id": "usr_x", "label": "o@acme.example"},
            "target": {"kind": "key", "id": "key_x", "label": "Büro"},
            "result": "done",
            "data": {"project": "prj_x"},
            "ip": "203.0.113.9",
            "user_agent": "",
            "request_id": "req_x",
            "created_at": "2026-01-01T10:00:00.005000Z",
        },
    }


def test_a_payload_without_target_says_none_and_one_with_a_huge_number_keeps_it():
    huge = RECORD._replace(target_kind="", data={"number": 2**70})
    found = json.loads(payload_of(huge))["data"]
    assert found["target"] is None
    assert found["data"] == {"number": 2**70}
    assert json.loads(payload_of(huge))["timestamp"].endswith("Z")
