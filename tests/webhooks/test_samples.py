"""The receivers of docs/samples, run as an integrator would, at the other end of real deliveries."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.utils import timezone

from config.kernel.tenancy.scope import tenant_scope
from orgs.encryption import unseal
from tests.node import folder_with
from tests.webhooks.conftest import Webhooks
from webhooks.models import Endpoint
from webhooks.payloads import kept_payload
from webhooks.services.endpoints import update_endpoint
from webhooks.services.secrets import rotate_secret
from webhooks.signing import keys_of, signatures

pytestmark = pytest.mark.xdist_group("webhook samples")

SAMPLES = Path(settings.BASE_DIR) / "docs" / "samples"
LIBRARY = "standardwebhooks@1.1.1"


@dataclass
class Sample:
    """A running receiver."""

    url: str
    process: subprocess.Popen[str]

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        """The status that it answers."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=10)
        try:
            connection.request("POST", "/", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def answer_to(self, lines: list[str]) -> int:
        """The status that it answers to a POST with those headers alone, after which it has closed the connection."""
        parts = urlsplit(self.url)
        head = "\r\n".join(["POST / HTTP/1.1", "Host: localhost", *lines, "", ""])
        with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10) as connection:
            connection.sendall(head.encode())
            answer = b""
            while piece := connection.recv(1000):
                answer += piece
        return int(answer.split()[1])

    def break_off(self) -> None:
        """Sends less than it announced."""
        parts = urlsplit(self.url)
        with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10) as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")

    def written(self) -> list[str]:
        """What it wrote, once it has ended."""
        self.process.terminate()
        return self.process.communicate(timeout=10)[0].splitlines()


@pytest.fixture(params=["python", "python with the library", "node", "node with the library"])
def command(request: pytest.FixtureRequest) -> list[str]:
    """How the sample is started, without its port."""
    if request.param.startswith("python"):
        name = "webhook_receiver_library.py" if "library" in request.param else "webhook_receiver.py"
        return [sys.executable, str(SAMPLES / name)]
    folder = folder_with(LIBRARY.replace("@", "-"), LIBRARY)
    name = "webhook-receiver-library.mjs" if "library" in request.param else "webhook-receiver.mjs"
    # Node.js looks for packages beside the program.
    (folder / name).write_text((SAMPLES / name).read_text())
    return ["node", str(folder / name)]


@pytest.fixture
def start(command: list[str]) -> Iterator[Callable[[str], Sample]]:
    """`start(secret)` runs the sample."""
    running: list[subprocess.Popen[str]] = []

    def run(secret: str) -> Sample:
        process = subprocess.Popen(
            [*command, "0"], env={**os.environ, "WEBHOOK_SECRET": secret}, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout
        line = process.stdout.readline()
        found = re.fullmatch(r"Listening at (http://127\.0\.0\.1:\d+)\n", line)
        assert found, line
        return Sample(found[1], process)

    yield run
    for process in running:
        process.kill()
        process.communicate()


@contextmanager
def free_port() -> Iterator[str]:
    """An address where nobody listens yet."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_a_sample_takes_what_is_delivered_also_while_its_secret_is_rotated(
    webhooks: Webhooks, start: Callable[[str], Sample]
):
    with free_port() as nowhere:
        endpoint = webhooks.endpoint(nowhere)
    owner = webhooks.cast.principal(webhooks.cast.owner)
    sample = start(endpoint.plaintext)
    with tenant_scope(webhooks.cast.acme.id):
        update_endpoint(actor=owner, endpoint_id=endpoint.id, url=f"{sample.url}/hooks")
    (first,) = webhooks.happen()
    assert webhooks.deliver() == 1
    with tenant_scope(webhooks.cast.acme.id):
        rotate_secret(actor=owner, endpoint_id=endpoint.id)
    (second,) = webhooks.happen()
    assert webhooks.deliver() == 1
    assert [delivery.state for delivery in webhooks.deliveries(endpoint)] == ["delivered", "delivered"]
    assert sample.written() == [f"{event.event} {event.public_id}" for event in (first, second)]


def test_a_sample_refuses_what_is_altered_foreign_or_old_and_works_once(
    webhooks: Webhooks, start: Callable[[str], Sample]
):
    endpoint = webhooks.endpoint("http://127.0.0.1:9/")
    (event,) = webhooks.happen()
    with tenant_scope(webhooks.cast.acme.id):
        row = Endpoint.objects.get(id=endpoint.id)
        keys, secret = keys_of(row), unseal(row, "secret")
        body, now = kept_payload(event.id), int(time.time())
    assert body is not None

    def headers(timestamp: int = now, **other: str) -> dict[str, str]:
        made = signatures(keys, event.public_id, timestamp, body, now=timezone.now())
        return {
            "webhook-id": event.public_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": made,
            **{name.replace("_", "-"): value for name, value in other.items()},
        }

    sample = start(secret)
    assert sample.post(body + b" ", headers()) == 400
    assert sample.post(b"\xff", headers()) == 400
    assert sample.post(body, headers(webhook_id="evt_of_somebody_else")) == 400
    assert sample.post(body, headers(webhook_timestamp=str(now + 1))) == 400
    assert sample.post(body, headers(webhook_timestamp="now")) == 400
    assert sample.post(body, headers(webhook_signature="v1,AAAA")) == 400
    assert sample.post(body, headers(webhook_signature="")) == 400
    assert sample.post(body, headers(webhook_signature="v1,A v1")) == 400
    assert sample.post(body, headers(webhook_signature=headers()["webhook-signature"].replace("v1,", "v2,"))) == 400
    assert sample.post(body, headers(now - 3600)) == 400
    assert sample.post(body, headers(now + 3600)) == 400
    assert sample.post(body, {}) == 400
    assert [sample.post(body, headers()) for _ in range(3)] == [204, 204, 204]
    foreign = start("whsec_" + "A" * 43 + "=")
    assert foreign.post(body, headers()) == 400
    assert foreign.written() == []
    assert sample.written() == [f"{event.event} {event.public_id}"]


MOST_BYTES = 1024 * 1024
LENGTHS = [
    ([], 413),
    (["Transfer-Encoding: chunked"], 413),
    ([f"Content-Length: {MOST_BYTES + 1}"], 413),
    ([f"Content-Length: {10**15}"], 413),
    (["Content-Length: -1"], 400),
    (["Content-Length: +1"], 400),
    (["Content-Length: 1e3"], 400),
    (["Content-Length: many"], 400),
    ([f"Content-Length: {'9' * 5000}"], 400),
]


def test_a_sample_reads_no_body_of_unknown_or_excessive_length_and_hangs_up(
    start: Callable[[str], Sample],
):
    sample = start("whsec_" + "A" * 43 + "=")
    answers = [(lines, sample.answer_to(lines)) for lines, _ in LENGTHS]
    assert answers == LENGTHS
    sample.break_off()
    assert sample.post(b"x" * MOST_BYTES, {}) == 400
    assert sample.written() == []
