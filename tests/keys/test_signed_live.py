"""Signed requests to real servers: the samples as the documentation runs them, replays at two servers, chunks."""

import http.client
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from audit.models import AuditEvent
from config.kernel.tenancy.scope import tenant_scope
from projects.models import Project
from tests.browser import site
from tests.cast import Cast
from tests.gateway import Gateway, make_gateway, sample

PROJECTS = "/api/v1/orgs/acme/projects"
DOCUMENT = (site.ROOT / "docs" / "service-accounts.md").read_text()
COMMANDS = re.findall(r"```sh\n((?:python|node) .*)\n```", DOCUMENT)
pytestmark = pytest.mark.xdist_group("signed")  # one pair of servers for all of them
SAMPLES = [
    [sys.executable, "docs/samples/signed_request.py"],
    ["node", "docs/samples/signed-request.mjs"],
]


@pytest.fixture(scope="module")
def servers(web_servers: Callable[..., list[int]]) -> list[int]:
    """The ports of two web servers."""
    return web_servers({}, {})


@pytest.fixture
def gateway(committed_cast: Cast) -> Gateway:
    """May see Acme, make projects and verify keys there."""
    gateway = make_gateway(committed_cast)
    gateway.grant(committed_cast.acme, "view_org", "manage_apps", "keys:verify")
    return gateway


def ask(port: int, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and body."""
    connection = http.client.HTTPConnection(site.ADDRESS, port, timeout=20)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def run(command: list[str] | str, gateway: Gateway, url: str) -> subprocess.CompletedProcess[str]:
    """A sample at work, as an integrator runs it."""
    cast = gateway.cast
    environment = {
        **os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "no_proxy": "127.0.0.1",
        "TENANTRY_KEY_ID": gateway.key_id, "TENANTRY_SECRET": gateway.secret, "TENANTRY_URL": url,
        "KEY": cast.secret_key, "ORGANIZATION_ID": cast.acme.public_id,
    }  # fmt: skip
    return subprocess.run(
        command, shell=isinstance(command, str), cwd=site.ROOT, env=environment, check=False, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip


def test_the_documentation_shows_both_languages():
    assert len(COMMANDS) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_the_samples_work_as_they_are_written_in_the_documentation(gateway: Gateway, servers: list[int], command: str):
    ended = run(command, gateway, f"http://{site.ADDRESS}:{servers[0]}")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("200 "), ended.stdout
    assert ('"code":"valid"' in ended.stdout) == ("keys/verify" in command)


def test_the_example_in_the_documentation_is_a_true_one():
    head, _, body = re.search(r"```http\n(.*?)\n```", DOCUMENT, re.DOTALL)[1].partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    assert headers["Content-Digest"] == sample.content_digest(body.encode())
    parameters = headers["Signature-Input"].removeprefix("sig1=")
    values = {"@method": "POST", "@path": "/api/v1/keys/verify", "@query": "?"}
    values |= {name.lower(): value for name, value in headers.items()}
    covered = [(f'"{name}"', values[name]) for name in re.findall(r'"([^"]+)"', parameters.partition(")")[0])]
    signature = sample.signature_of("an-example-and-no-secret", covered, parameters)
    assert headers["Signature"] == f"sig1=:{signature}:"


class Meddler(http.server.BaseHTTPRequestHandler):
    """Stands between a sample and the server."""

    port: int
    meddle: Callable[[int, dict[str, str], bytes], tuple[int, dict[str, str], bytes]]

    def do_GET(self) -> None:
        given = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection = http.client.HTTPConnection(site.ADDRESS, self.port, timeout=20)
        connection.request("GET", self.path, headers=given)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        status, headers, body = type(self).meddle(answer.status, headers, answer.read())
        self.send_response_only(status)
        for name, value in headers.items():
            if name not in ("content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        connection.close()

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextmanager
def meddling(port: int, meddle: Callable[..., Any]) -> Iterator[str]:
    """The address of somebody in the middle."""
    handler = type("Handler", (Meddler,), {"port": port, "meddle": staticmethod(meddle)})
    server = http.server.ThreadingHTTPServer((site.ADDRESS, 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{site.ADDRESS}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def without(headers: dict[str, str], name: str) -> dict[str, str]:
    return {other: value for other, value in headers.items() if other != name}


@pytest.mark.parametrize("command", SAMPLES, ids=["python", "node"])
def test_the_samples_notice_every_answer_that_is_not_ours(gateway: Gateway, servers: list[int], command: list[str]):
    path, kept = f"{PROJECTS}/rocket", {}

    def swapped(status: int, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        kept.setdefault("answer", (status, headers, body))
        return kept["answer"]

    cases: list[tuple[Callable[..., Any], str]] = [
        (lambda status, headers, body: (status, headers, body.replace(b"Rocket", b"Racket")), "body is not the one"),
        (lambda status, headers, body: (404, headers, body), "signature is wrong"),
        (lambda status, headers, body: (status, {**headers, "content-type": "text/plain"}, body), "signature is wrong"),
        (lambda status, headers, body: (status, without(headers, "signature"), body), "not signed"),
    ]
    for meddle, words in cases:
        with meddling(servers[0], meddle) as url:
            ended = run([*command, "GET", f"{url}{path}"], gateway, url)
        assert (ended.returncode, ended.stdout) == (1, ""), words
        assert words in ended.stderr
    with meddling(servers[0], swapped) as url:
        assert run([*command, "GET", f"{url}{path}"], gateway, url).returncode == 0
        ended = run([*command, "GET", f"{url}{path}"], gateway, url)
    assert ended.returncode == 1
    assert "signature is wrong" in ended.stderr


def test_a_replay_is_refused_by_the_other_server_too(gateway: Gateway, servers: list[int]):
    headers = gateway.sign("POST", PROJECTS, {"name": "Once", "slug": "once"})
    body = b'{"name": "Once", "slug": "once"}'
    assert ask(servers[0], "POST", PROJECTS, body, headers)[0] == 201
    for port in (servers[1], servers[0]):
        assert ask(port, "POST", PROJECTS, body, headers)[0] == 401
    with tenant_scope(gateway.cast.acme.id):
        causes = [row.data["cause"] for row in AuditEvent.objects.filter(event="service_account.refused")]
        assert Project.objects.filter(slug="once").count() == 1
    assert causes == ["replayed", "replayed"]


def test_of_many_at_once_at_two_servers_exactly_one_passes(gateway: Gateway, servers: list[int]):
    path = f"{PROJECTS}?limit=1"
    for _ in range(5):
        send = partial(ask, method="GET", path=path, body=None, headers=gateway.sign("GET", path))
        with ThreadPoolExecutor(8) as pool:
            answers = [status for status, _ in pool.map(send, servers * 4)]
        assert sorted(answers) == [200] + [401] * 7


def test_a_body_in_chunks_is_checked_and_read(gateway: Gateway, servers: list[int]):
    body = b'{"name": "Chunks", "slug": "chunks"}'
    for sent, expected in ((body.replace(b"Chunks", b"Chanks"), 401), (body, 201)):
        signed = sample.signed_headers(
            gateway.key_id, gateway.secret, method="POST", url=f"http://x{PROJECTS}", body=body
        )
        status, answer = ask(servers[0], "POST", PROJECTS, iter([sent[:10], sent[10:]]), signed)
        assert status == expected, answer


def test_headers_that_come_twice_are_refused(gateway: Gateway, servers: list[int]):
    acme = gateway.cast.acme.public_id
    for name, value in (("X-Organization-Id", acme), ("Signature", "sig1=:AAAA:"), ("X_Organization_Id", "org_x")):
        headers = gateway.sign("GET", PROJECTS, X_Organization_Id=acme)
        connection = http.client.HTTPConnection(site.ADDRESS, servers[0], timeout=20)
        connection.putrequest("GET", PROJECTS)
        for header, text in [*headers.items(), (name, value)]:
            connection.putheader(header, text)
        connection.endheaders()
        assert connection.getresponse().status == 401, name
        connection.close()


@pytest.mark.parametrize("path", ["/api/v1/orgs/%61cme/projects", "/api/v1/orgs/acme%2Fprojects", f"{PROJECTS}/%C3%A4"])
def test_the_path_is_checked_as_views_see_it(gateway: Gateway, servers: list[int], path: str):
    """One encoding of each path is signed, so two spellings never mean two things."""
    headers = gateway.sign("GET", path)
    expected = 404 if path.endswith("%C3%A4") else 401
    assert ask(servers[0], "GET", path, None, headers)[0] == expected


@pytest.mark.parametrize("names", [("Signature", "Signature-Input"), ("Signature",), ("Signature-Input",)])
def test_a_key_that_comes_with_a_signature_is_refused_on_the_fast_path_too(
    gateway: Gateway, servers: list[int], names: tuple[str, ...]
):
    body = json.dumps({"key": gateway.cast.secret_key}).encode()
    key = {"Authorization": f"Bearer {gateway.cast.secret_key}"}
    signed = gateway.sign("POST", "/api/v1/keys/verify", body)
    assert ask(servers[0], "POST", "/api/v1/keys/verify", body, key)[0] == 200
    refused = ask(servers[0], "POST", "/api/v1/keys/verify", body, {**key, **{name: signed[name] for name in names}})
    assert refused[0] == 401
