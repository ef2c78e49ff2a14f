"""Real deliveries, verified by the libraries that others wrote: standardwebhooks for Python and for Node.js."""

import base64
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from config.kernel.tenancy.scope import tenant_scope
from tests.node import folder_with
from tests.receivers import Received
from webhooks.services import secrets

pytestmark = pytest.mark.xdist_group("standardwebhooks")

LIBRARY = "standardwebhooks@1.1.1"
PROGRAM = """
import { Webhook } from "standardwebhooks";
import { readFileSync } from "node:fs";
const results = JSON.parse(readFileSync(0, "utf8")).map(({ secret, headers, body, at }) => {
  Date.now = () => at * 1000;
  try {
    return new Webhook(secret).verify(body, headers).data.id;
  } catch (error) {
    return error.message;
  }
});
console.log(JSON.stringify(results));
"""
MATCHES_NOT = "No matching signature found"


@dataclass(frozen=True)
class Case:
    """What a receiver with a secret has got, and when it looks at it (seconds since 1970)."""

    secret: str
    headers: dict[str, str]
    body: str
    at: float

    @classmethod
    def of(cls, secret: str, received: Received) -> "Case":
        """A delivery that is looked at when it arrives."""
        names = ("webhook-id", "webhook-timestamp", "webhook-signature")
        headers = {name: received.headers[name] for name in names}
        return cls(secret, headers, received.body.decode(), float(headers["webhook-timestamp"]))

    def with_header(self, name: str, value: str) -> "Case":
        """Another value of `webhook-NAME`."""
        return replace(self, headers={**self.headers, f"webhook-{name}": value})


def by_python(cases: list[Case]) -> list[str]:
    """For each case the event's id, or why it is refused."""
    found = []
    for case in cases:
        with time_machine.travel(case.at, tick=False):
            try:
                found.append(Webhook(case.secret).verify(case.body, case.headers)["data"]["id"])
            except WebhookVerificationError as error:
                found.append(str(error))
    return found


def by_node(cases: list[Case]) -> list[str]:
    """The same by the other library."""
    folder = folder_with(LIBRARY.replace("@", "-"), LIBRARY)
    given = [case.__dict__ for case in cases]
    ended = subprocess.run(
        ["node", "--input-type=module", "--eval", PROGRAM],
        check=True, cwd=folder, input=json.dumps(given), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return json.loads(ended.stdout)


Verify = Callable[[list[Case]], list[str]]


@pytest.fixture(params=[by_python, by_node], ids=["python", "node"])
def verify(request) -> Verify:
    return request.param


@pytest.fixture
def clock():
    """The time, which moves only when it is told to."""
    with time_machine.travel(datetime.now(UTC), tick=False) as moved:
        yield moved


@pytest.fixture
def delivered(webhooks, receiver) -> Callable[[], Received]:
    """`delivered()`: an event happens, and this is what the receiver gets."""

    def one() -> Received:
        webhooks.happen()
        webhooks.deliver()
        return receiver.requests[-1]

    return one


def test_deliveries_verify_before_during_and_after_a_rotation(webhooks, receiver, delivered, clock, *, verify):
    endpoint = webhooks.endpoint(receiver.url())
    first, actor = endpoint.plaintext, webhooks.cast.principal(webhooks.cast.owner)
    before = delivered()
    with tenant_scope(webhooks.cast.acme.id):
        _, second = secrets.rotate_secret(actor=actor, endpoint_id=endpoint.id, overlap=timedelta(hours=1))
    during = delivered()
    clock.shift(timedelta(hours=1) - timedelta(seconds=1))
    last_moment = delivered()
    clock.shift(timedelta(seconds=1))
    after = delivered()
    with tenant_scope(webhooks.cast.acme.id):
        _, third = secrets.rotate_secret(actor=actor, endpoint_id=endpoint.id, overlap=timedelta(0))
    at_once = delivered()
    wanted = [
        (before, first, True), (before, second, False),
        (during, first, True), (during, second, True),
        (last_moment, first, True), (last_moment, second, True),
        (after, first, False), (after, second, True),
        (at_once, second, False), (at_once, third, True), (at_once, first, False),
    ]  # fmt: skip
    found = verify([Case.of(secret, received) for received, secret, _ in wanted])
    assert found == [received.id if fits else MATCHES_NOT for received, _, fits in wanted]
    assert len(before.headers["webhook-signature"].split()) == len(after.headers["webhook-signature"].split()) == 1
    assert len(during.headers["webhook-signature"].split()) == 2


def test_what_was_tampered_with_is_refused(webhooks, receiver, delivered, verify):
    endpoint, other = webhooks.endpoint(receiver.url("fine/1")), webhooks.endpoint(receiver.url("fine/2"))
    delivered()
    (received,), (foreign,) = receiver.got("fine/1"), receiver.got("fine/2")
    case = Case.of(endpoint.plaintext, received)
    stamp, signature = int(case.headers["webhook-timestamp"]), case.headers["webhook-signature"]
    changed = base64.b64encode(bytes([*base64.b64decode(signature.removeprefix("v1,"))][::-1])).decode()
    tampered = {
        "the body": replace(case, body=case.body.replace("project.restored", "project.archived")),
        "a space": replace(case, body=case.body + " "),
        "the id": case.with_header("id", received.id[:-1] + ("0" if received.id[-1] != "0" else "1")),
        "the time": case.with_header("timestamp", str(stamp + 1)),
        "the signature": case.with_header("signature", f"v1,{changed}"),
        "of another endpoint": case.with_header("signature", foreign.headers["webhook-signature"]),
        "another version": case.with_header("signature", signature.replace("v1,", "v2,")),
        "another secret": replace(case, secret=other.plaintext),
    }
    assert verify([case, Case.of(other.plaintext, foreign)]) == [received.id, received.id]
    assert dict(zip(tampered, verify([*tampered.values()]), strict=True)) == dict.fromkeys(tampered, MATCHES_NOT)
    late, early = verify([replace(case, at=case.at + 301), replace(case, at=case.at - 301)])
    assert (late, early) == ("Message timestamp too old", "Message timestamp too new")


def test_an_ed25519_key_signs_too_and_disturbs_nobody(webhooks, receiver, delivered, verify):
    endpoint, actor = webhooks.endpoint(receiver.url()), webhooks.cast.principal(webhooks.cast.owner)
    keys = []
    for _ in range(2):
        with tenant_scope(webhooks.cast.acme.id):
            keys.append(secrets.make_signing_key(actor=actor, endpoint_id=endpoint.id).verifying_key)
        received = delivered()
        assert verify([Case.of(endpoint.plaintext, received)]) == [received.id]
        assert [is_signed_by(key, received) for key in keys] == [False] * (len(keys) - 1) + [True]
        assert not is_signed_by(keys[-1], replace(received, body=received.body + b" "))
    with tenant_scope(webhooks.cast.acme.id):
        secrets.remove_signing_key(actor=actor, endpoint_id=endpoint.id)
    received = delivered()
    assert "v1a" not in received.headers["webhook-signature"]
    assert verify([Case.of(endpoint.plaintext, received)]) == [received.id]


def is_signed_by(verifying_key: str, received: Received) -> bool:
    """Whether an asymmetric signature is of the key `whpk_…`, as a receiver checks that."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(verifying_key.removeprefix("whpk_")))
    signed = f"{received.id}.{received.headers['webhook-timestamp']}.".encode() + received.body
    found = [each for each in received.headers["webhook-signature"].split() if each.startswith("v1a,")]
    for signature in found:
        try:
            key.verify(base64.b64decode(signature.removeprefix("v1a,")), signed)
        except InvalidSignature:
            continue
        return True
    return False


def test_every_attempt_has_a_signature_of_its_own_time(webhooks, receiver, clock, verify):
    receiver.script = [500]
    endpoint = webhooks.endpoint(receiver.url("scripted"))
    webhooks.happen()
    webhooks.deliver()
    clock.shift(timedelta(minutes=10))
    webhooks.deliver()
    cases = [Case.of(endpoint.plaintext, received) for received in receiver.requests]
    assert verify(cases) == receiver.ids()
    assert cases[1].at - cases[0].at == 600
    assert cases[0].body == cases[1].body
