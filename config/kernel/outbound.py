"""Calls to addresses that customers typed. Each connection is judged by the very address that it is made to.

A name is resolved once, here, and the connection is made to what was judged: a resolver that answers differently the
next time changes nothing. Only public addresses are called, and those of TENANTRY_OUTBOUND_NETWORKS.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 500
MOST_BYTES = 1024 * 1024
SECONDS = 10.0
PIECE = 16 * 1024

# Global by the registries of IANA, and yet nobody's web server.
_UNFIT: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "192.0.0.0/24",  # protocol assignments; clouds answer their machines here, too (RFC 6890)
            "192.88.99.0/24",  # relays of 6to4 (RFC 7526)
            "168.63.129.16/32",  # what Azure's machines ask for their configuration
            "2001::/23",  # protocol assignments, Teredo among them (RFC 2928, RFC 4380)
            "2002::/16",  # 6to4: an IPv4 address in disguise (RFC 3056)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address, which a gateway of the network's own calls


class OutboundRefused(requests.RequestException):
    """We do not make this call, or broke it off. The message is a sentence for whoever typed the address."""


class _Unfit(Exception):
    """Like OutboundRefused, from inside the connection; no OSError, which urllib3 would take for the network's."""


def is_public(address: Address) -> bool:
    """Whether an address is a public unicast one. IPv4 addresses inside IPv6 ones are judged as what they are."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST:
            return False
    if any(address in network for network in _UNFIT if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


@lru_cache(maxsize=8)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(ip_network, texts))


def is_listed(address: Address) -> bool:
    """Whether the operator allows an address by TENANTRY_OUTBOUND_NETWORKS."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    networks = _networks(tuple(settings.TENANTRY_OUTBOUND_NETWORKS))
    return any(address in network for network in networks if network.version == address.version)


def checked_url(text: str) -> SplitResult:
    """The parts of an address that may be called, as far as its text tells. Raises OutboundRefused.

    http:// passes here, since whether its host is in an allowed network shows when it is called.
    """
    if len(text) > LONGEST_URL:
        raise OutboundRefused(f"Write an address of up to {LONGEST_URL} characters.")
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise OutboundRefused("Write the address in ASCII, without spaces and backslashes.")
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise OutboundRefused("Write a complete address, such as https://login.example.com/metadata.") from None
    if parts.scheme not in ("https", "http") or not host:
        raise OutboundRefused("Write a complete address that begins with https://.")
    if "@" in parts.netloc:
        raise OutboundRefused("Leave user name and password out of the address.")
    return parts


def system_addresses(host: str, port: int) -> list[str]:
    """What a host resolves to, by the operating system. Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


Resolver = Callable[[str, int], list[str]]


def require_encrypted(url: str) -> None:
    """Raises OutboundRefused for http:// outside of the allowed networks, where browsers are sent, too."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return
    try:
        addresses = [ip_address(text) for text in system_addresses(parts.hostname or "", parts.port or 80)]
    except (OSError, ValueError):
        addresses = []
    if not addresses or not all(map(is_listed, addresses)):
        raise OutboundRefused("Write an address that begins with https://.")


def require_callable(url: str, resolve: Resolver = system_addresses) -> None:
    """Judges an address that somebody types, by where its host is now. Waits for the DNS. Raises OutboundRefused.

    It may be elsewhere later: each connection is judged again.
    """
    parts = checked_url(url)
    host, encrypted = parts.hostname or "", parts.scheme == "https"
    try:
        for address in _addresses(host, parts.port or (443 if encrypted else 80), resolve):
            _require_fit(host, address, encrypted=encrypted)
    except _Unfit as error:
        raise OutboundRefused(str(error)) from None


def _addresses(host: str, port: int, resolve: Resolver) -> list[Address]:
    """Where a host is. Raises _Unfit for one that has no address."""
    try:
        found = [ip_address(text) for text in resolve(host.strip("[]"), port)]
    except (OSError, UnicodeError, ValueError):
        found = []
    if not found:
        raise _Unfit(f"The host {host} has no address; check it for a typing mistake.")
    return found


class _Call:
    """One request on its way: how names are resolved, and a lever on its connections for when the time is over."""

    def __init__(self, resolve: Resolver) -> None:
        self.resolve = resolve
        self.is_late = False
        self._levers: list[socket.socket] = []
        self._lock = threading.Lock()

    def hold(self, connection: socket.socket) -> None:
        """TLS takes the socket over, so this keeps a handle of its own on the same connection."""
        with self._lock:
            self._levers.append(connection.dup())
        if self.is_late:
            self.break_off()

    def break_off(self) -> None:
        """Ends every read and write at once."""
        self.is_late = True
        with self._lock:
            for lever in self._levers:
                try:
                    lever.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it had ended by itself

    def let_go(self) -> None:
        """Closes the handles."""
        with self._lock:
            for lever in self._levers:
                lever.close()
            self._levers.clear()


_call: ContextVar[_Call | None] = ContextVar("tenantry_outbound_call", default=None)


def _connect(host: str, port: int, *, timeout: Any, encrypted: bool) -> socket.socket:
    """A connection to the first address of `host` that takes one, once all of them are found fit. Raises _Unfit."""
    call = _call.get()
    if call is None:
        raise _Unfit("This connection was not made through its session.")
    addresses = _addresses(host, port, call.resolve)
    for address in addresses:
        _require_fit(host, address, encrypted=encrypted)
    failure: OSError | None = None
    for address in addresses:
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004 - the protocol's number
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            call.hold(connection)
            connection.connect((str(address), port))
        except OSError as error:
            connection.close()
            failure = error
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    if call.is_late or failure is None or isinstance(failure, TimeoutError):
        raise _Unfit(f"The host {host} does not answer in time.")
    raise _Unfit(f"The host {host} takes no connections at port {port}.")


def _require_fit(host: str, address: Address, *, encrypted: bool) -> None:
    """Does not tell the address: that would let customers read names of the operator's network."""
    if is_listed(address):
        return
    if not is_public(address):
        raise _Unfit(f"The host {host} is not at a public address, and only those are called.")
    if not encrypted:
        raise _Unfit("Write an address that begins with https://.")


class _PlainConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port, timeout=self.timeout, encrypted=False)


class _EncryptedConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connect(self.host, self.port or 443, timeout=self.timeout, encrypted=True)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _EncryptedConnection


class _Pools(PoolManager):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pool_classes_by_scheme = {"http": _PlainPool, "https": _EncryptedPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:  # noqa: FBT001 - requests calls it so
        self.poolmanager = _Pools(num_pools=connections, maxsize=maxsize, block=block, **kwargs)


class OutboundSession(requests.Session):
    """A requests.Session for addresses that customers typed.

    It follows no redirects, takes no proxies, credentials or certificates from the environment, reads at most
    `most_bytes` and works at most `seconds` on one request (without the operating system's own time for names).
    Raises OutboundRefused, which is a requests.RequestException.
    """

    def __init__(
        self, *, most_bytes: int = MOST_BYTES, seconds: float = SECONDS, resolve: Resolver = system_addresses
    ) -> None:
        super().__init__()
        self.trust_env = False
        self.most_bytes, self.seconds, self.resolve = most_bytes, seconds, resolve
        # Compressed, a small answer could become a large one.
        self.headers["Accept-Encoding"] = "identity"
        self.headers["User-Agent"] = "Tenantry"
        self.adapters.clear()
        self.mount("https://", _Adapter())
        self.mount("http://", _Adapter())

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: a redirect is an answer like any other, and not followed."""
        return None

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Refuses what requests would refuse in ways of its own."""
        checked_url(str(request.url))
        try:
            return super().prepare_request(request)
        except (requests.RequestException, UnicodeError):
            raise OutboundRefused("Write a complete address, such as https://login.example.com/metadata.") from None

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Sends, and reads the whole answer within the bounds."""
        checked_url(request.url or "")
        kwargs |= {"stream": True, "allow_redirects": False, "proxies": {}}
        if kwargs.setdefault("verify", self.verify) is False:
            raise OutboundRefused("The certificates of other parties are always checked.")
        kwargs["timeout"] = _within(kwargs.get("timeout"), self.seconds)
        with self._bounded() as call:
            try:
                response = super().send(request, **kwargs)
                self._read(response)
                if call.is_late:  # an answer without a length looks whole when it is broken off
                    raise requests.Timeout
            except OutboundRefused:
                raise
            except (requests.RequestException, _Unfit, OSError) as error:
                raise _refusal(error, call, request) from None
        return response

    @contextmanager
    def _bounded(self) -> Iterator[_Call]:
        """Connections serve one request each, so that each request's are judged anew."""
        call = _Call(self.resolve)
        token = _call.set(call)
        watch = threading.Timer(self.seconds, call.break_off)
        watch.daemon = True
        watch.start()
        try:
            yield call
        finally:
            watch.cancel()
            _call.reset(token)
            call.let_go()
            for adapter in self.adapters.values():
                adapter.close()

    def _read(self, response: requests.Response) -> None:
        """Fills the response's content."""
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise OutboundRefused("The answer is compressed, though we asked for it plain.")
        pieces, size = [], 0
        try:
            for piece in response.iter_content(PIECE):
                size += len(piece)
                if size > self.most_bytes:
                    raise OutboundRefused(f"The answer has more than {self.most_bytes} bytes.")
                pieces.append(piece)
        finally:
            response.close()
        # requests keeps what was read under this name, and gives it out as `content`.
        response._content = b"".join(pieces)


def _within(timeout: Any, seconds: float) -> float:
    """The caller's timeout if it is shorter; requests takes pairs, too."""
    given = [each for each in (timeout if isinstance(timeout, tuple) else (timeout,)) if isinstance(each, int | float)]
    return min([*given, seconds])


def _refusal(error: Exception, call: _Call, request: requests.PreparedRequest) -> OutboundRefused:
    """What became of the call, in a sentence that tells nothing of our network."""
    host = urlsplit(request.url or "").hostname
    if call.is_late or isinstance(error, requests.Timeout | TimeoutError):
        return OutboundRefused(f"The host {host} does not answer in time.", request=request)
    if isinstance(error, _Unfit):
        return OutboundRefused(str(error), request=request)
    if isinstance(error, requests.exceptions.SSLError):
        return OutboundRefused(
            f"The certificate of {host} does not hold: it is not for that name, has expired, or is not signed by a "
            "known authority.",
            request=request,
        )
    return OutboundRefused(f"The host {host} broke the connection off.", request=request)
