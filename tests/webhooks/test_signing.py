"""Signatures, against values that were worked out by hand and by the published example."""

import base64
import hmac
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from webhooks.signing import Keys, signatures

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = b"o" * 32, b"n" * 32


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
