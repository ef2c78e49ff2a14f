"""Calls to addresses that customers typed: real servers on addresses of this machine, a real resolver in between."""

import http.server
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dns.resolver
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from dnslib import QTYPE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSServer

from config.kernel.addresses import AddressRefused, checked_url, is_listed, is_public
from config.kernel.outbound import OutboundRefused, OutboundSession

pytestmark = pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"])


class Peer(http.server.ThreadingHTTPServer):
    """A web server that notes who asked for what; paths choose how it answers."""

    daemon_threads = True

    def __init__(self, host: str, tls: ssl.SSLContext | None = None) -> None:
        super().__init__((host, 0), Answers)
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that break off are what is tested."""


class Answers(http.server.BaseHTTPRequestHandler):
    server: Peer

    def do_GET(self) -> None:
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        name = self.path.strip("/").split("?")[0]
        getattr(self, f"answer_{name}", self.answer_plain)()

    def answer_plain(self) -> None:
        self._send(200, b"fine")

    def answer_elsewhere(self) -> None:
        self._send(302, b"", Location=f"http://127.0.0.1:{self.server.server_port}/plain")

    def answer_large(self) -> None:
        self._send(200, b"x" * 5000)

    def answer_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"x" * 1000)

    def answer_compressed(self) -> None:
        self._send(200, b"\x1f\x8b", **{"Content-Encoding": "gzip"})

    def answer_drops(self) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.1)

    def answer_silence(self) -> None:
        time.sleep(3)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not to the terminal."""


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    started: list[Peer] = []

    def start(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Peer:
        started.append(Peer(host, tls))
        return started[-1]

    yield start
    for each in started:
        each.shutdown()
        each.server_close()


@pytest.fixture
def only_first(settings: Any) -> None:
    """Of this machine only 127.0.0.1 is allowed."""
    settings.TENANTRY_OUTBOUND_NETWORKS = ["127.0.0.1/32"]


class Turning(BaseResolver):
    """Answers each question for an address with the next set of its list, and with the last from then on."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def resolve(self, request: DNSRecord, handler: Any) -> DNSRecord:
        reply = request.reply()
        if request.q.qtype == QTYPE.A:
            for address in self.answers[min(self.asked, len(self.answers) - 1)]:
                reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(address), ttl=0))
            self.asked += 1
        return reply


@pytest.fixture
def resolver() -> Iterator[Callable[..., tuple[Turning, Callable[[str, int], list[str]]]]]:
    """`resolver(["1.2.3.4"], …)`: the DNS server, and how to ask it."""
    started: list[DNSServer] = []

    def start(*answers: list[str]) -> tuple[Turning, Callable[[str, int], list[str]]]:
        turning = Turning(*answers)
        server = DNSServer(turning, address="127.0.0.1", port=0)
        server.start_thread()
        started.append(server)
        asking = dns.resolver.Resolver(configure=False)
        asking.nameservers, asking.port = ["127.0.0.1"], server.server.server_address[1]

        def resolve(host: str, port: int) -> list[str]:
            return [answer.address for answer in asking.resolve(host, "A")]

        return turning, resolve

    yield start
    for each in started:
        each.stop()
        each.server.server_close()


def test_an_allowed_address_is_called_over_http(peer, only_first):
    server = peer()
    answer = OutboundSession().get(f"http://127.0.0.1:{server.server_port}/plain?a=1")
    assert (answer.status_code, answer.content, answer.text) == (200, b"fine", "fine")
    method, path, headers = server.asked[0]
    assert (method, path, headers["Accept-Encoding"]) == ("GET", "/plain?a=1", "identity")


def test_addresses_of_this_machine_are_refused_and_never_reached(peer, only_first):
    server = peer("127.0.0.2")
    for host in ("127.0.0.2", "127.2", "2130706434", "0x7f000002", "0177.0.0.2", "[::ffff:127.0.0.2]"):
        with pytest.raises(OutboundRefused, match="not at a public address"):
            OutboundSession(seconds=2).get(f"http://{host}:{server.server_port}/plain")
    assert server.asked == []


def test_nothing_of_this_machine_is_allowed_by_default(peer, settings):
    settings.TENANTRY_OUTBOUND_NETWORKS = []
    server = peer()
    for address in (f"http://127.0.0.1:{server.server_port}/", f"https://localhost:{server.server_port}/"):
        with pytest.raises(OutboundRefused, match="not at a public address"):
            OutboundSession().get(address)
    assert server.asked == []


def test_the_refusal_does_not_tell_what_a_name_resolves_to(resolver, only_first):
    _, resolve = resolver(["10.11.12.13"])
    with pytest.raises(OutboundRefused) as refused:
        OutboundSession(resolve=resolve).get("https://intranet.example/")
    assert "10.11" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_one_unfit_address_among_several_refuses_the_call(peer, resolver, only_first):
    server = peer()
    _, resolve = resolver(["127.0.0.1", "10.0.0.1"])
    with pytest.raises(OutboundRefused, match="not at a public address"):
        OutboundSession(resolve=resolve).get(f"http://idp.example:{server.server_port}/plain")
    assert server.asked == []


def test_a_resolver_that_answers_differently_the_second_time_changes_nothing(peer, resolver, only_first):
    """DNS rebinding: what was judged is what is connected to, so there is no second question in between."""
    allowed, inner = peer("127.0.0.1"), peer("127.0.0.3")
    turning, resolve = resolver(["127.0.0.1"], ["127.0.0.3"])
    session = OutboundSession(resolve=resolve)
    assert session.get(f"http://idp.example:{allowed.server_port}/plain").content == b"fine"
    assert turning.asked == 1
    with pytest.raises(OutboundRefused, match="not at a public address"):
        session.get(f"http://idp.example:{inner.server_port}/plain")
    assert (turning.asked, inner.asked) == (2, [])


def test_no_connection_outlives_its_request(peer, resolver, only_first):
    """A kept one would serve a later request without a judgement of its own."""
    server = peer()
    turning, resolve = resolver(["127.0.0.1"])
    session = OutboundSession(resolve=resolve)
    for _ in range(2):
        session.get(f"http://idp.example:{server.server_port}/plain")
    assert turning.asked == 2


def test_a_redirect_is_not_followed(peer, only_first):
    server = peer()
    answer = OutboundSession().get(f"http://127.0.0.1:{server.server_port}/elsewhere", allow_redirects=True)
    assert answer.status_code == 302
    assert [path for _, path, _ in server.asked] == ["/elsewhere"]


def test_proxies_and_credentials_of_the_environment_are_left_alone(peer, only_first, monkeypatch, tmp_path: Path):
    server, proxy = peer("127.0.0.1"), peer("127.0.0.1")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.server_port}")
    session = OutboundSession()
    session.get(f"http://127.0.0.1:{server.server_port}/plain")
    session.get(
        f"http://127.0.0.1:{server.server_port}/plain",
        proxies={"http": f"http://127.0.0.1:{proxy.server_port}"},
    )
    assert proxy.asked == []
    assert [headers.get("Authorization") for _, _, headers in server.asked] == [None, None]


@pytest.mark.parametrize(
    "address",
    [
        "https://user:secret@idp.example/", "https://user@idp.example/", "ftp://idp.example/", "file:///etc/passwd",
        "gopher://127.0.0.1:25/", "//idp.example/", "idp.example", "", "https://", "https:///path", "https://[::1/",
        "https://idp.example:99999/", "https://idp.example:0/", "https://idp.example/\n", "https://idp.example/ b", "https://idp.example\\@x/",
        "https://bücher.example/", "https://idp.example/" + "x" * 500,
    ],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_refused_by_its_text(address):
    with pytest.raises(AddressRefused):
        checked_url(address)
    with pytest.raises(OutboundRefused):
        OutboundSession().get(address)


@pytest.mark.parametrize("address", ["https://.", "https://*.example/", "https://x%zz/", "0" * 500, "https://a..b/"])
def test_what_requests_would_not_take_is_refused_in_our_words(address):
    with pytest.raises(OutboundRefused):
        OutboundSession().get(address)


def test_credentials_in_the_address_are_not_sent(peer, only_first):
    server = peer()
    with pytest.raises(OutboundRefused, match="user name and password"):
        OutboundSession().get(f"http://user:secret@127.0.0.1:{server.server_port}/plain")
    assert server.asked == []


@pytest.mark.parametrize("path", ["large", "endless"])
def test_an_answer_is_read_up_to_the_bound(peer, only_first, path):
    server = peer()
    with pytest.raises(OutboundRefused, match="more than 4000 bytes"):
        OutboundSession(most_bytes=4000).get(f"http://127.0.0.1:{server.server_port}/{path}")


def test_a_compressed_answer_is_refused(peer, only_first):
    server = peer()
    with pytest.raises(OutboundRefused, match="compressed"):
        OutboundSession().get(f"http://127.0.0.1:{server.server_port}/compressed")


@pytest.mark.parametrize("path", ["silence", "drops"])
def test_an_answer_that_takes_too_long_is_broken_off(peer, only_first, path):
    """Also one whose every byte comes in time."""
    server = peer()
    before = time.monotonic()
    with pytest.raises(OutboundRefused, match="does not answer in time"):
        OutboundSession(seconds=0.5).get(f"http://127.0.0.1:{server.server_port}/{path}", timeout=30)
    assert time.monotonic() - before < 2


def test_several_addresses_that_take_no_connection_share_the_time_of_one_request(settings):
    """A host may name as many as it likes."""
    settings.TENANTRY_OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    with socket.socket() as full:
        full.bind(("0.0.0.0", 0))  # every address of this machine
        full.listen(0)
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # what its queue has room for
            before = time.monotonic()
            with pytest.raises(OutboundRefused, match="does not answer in time"):
                OutboundSession(seconds=1, resolve=lambda *_: hosts).get(f"http://many.example:{port}/")
            assert time.monotonic() - before < 2


def test_a_host_without_an_address_and_a_closed_port_are_told_apart(peer, only_first):
    server = peer()
    port = server.server_port
    server.shutdown()
    server.server_close()
    with pytest.raises(OutboundRefused, match="takes no connections"):
        OutboundSession().get(f"http://127.0.0.1:{port}/")
    with pytest.raises(OutboundRefused, match="has no address"):
        OutboundSession().get("https://nowhere.invalid/")


def test_refusals_are_what_callers_of_requests_expect():
    assert issubclass(OutboundRefused, requests.RequestException)


def authority(folder: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that signed itself, in `folder`/certificate.pem, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def test_tls_is_checked_and_cannot_be_switched_off(peer, only_first, tmp_path: Path):
    server = peer(tls=authority(tmp_path))
    address = f"https://127.0.0.1:{server.server_port}/plain"
    with pytest.raises(OutboundRefused, match="certificate of 127.0.0.1 does not hold"):
        OutboundSession().get(address)
    with pytest.raises(OutboundRefused, match="always checked"):
        OutboundSession().get(address, verify=False)
    session = OutboundSession()
    session.verify = str(tmp_path / "certificate.pem")
    assert session.get(address).content == b"fine"
    assert len(server.asked) == 1


def test_http_is_for_listed_networks_only(resolver):
    _, resolve = resolver(["8.8.8.8"])
    with pytest.raises(OutboundRefused, match="begins with https://"):
        OutboundSession(resolve=resolve, seconds=2).get("http://idp.example/")


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "168.63.129.16", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "64:ff9b::a00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "100::1", "2001::1",
        "2001:0:5ef5:79fd::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "fc00::1",
        "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "5f00::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "172.15.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::1",
                "::ffff:8.8.8.8", "64:ff9b::808:808"],
)  # fmt: skip
def test_addresses_that_are_public(address):
    assert is_public(ipaddress.ip_address(address))


def test_a_listed_network_is_known_in_its_mapped_form_too(settings):
    settings.TENANTRY_OUTBOUND_NETWORKS = ["10.20.0.0/16", "fd00:1::/32"]
    assert is_listed(ipaddress.ip_address("10.20.3.4"))
    assert is_listed(ipaddress.ip_address("::ffff:10.20.3.4"))
    assert is_listed(ipaddress.ip_address("fd00:1::5"))
    assert not is_listed(ipaddress.ip_address("10.21.0.1"))
    assert not is_listed(ipaddress.ip_address("2002:0a14:0304::"))
