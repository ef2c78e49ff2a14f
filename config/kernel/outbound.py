"""Calls to addresses that customers typed. Each connection is judged by the very address that it is made to.

A name is resolved once, here, and the connection is made to what was judged: a resolver that answers differently the
next time changes nothing. Only public addresses are called, and those of TENANTRY_OUTBOUND_NETWORKS.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from config.kernel.addresses import (
    AddressRefused,
    Resolver,
    addresses_of,
    checked_url,
    require_fit,
    system_addresses,
)

MOST_BYTES = 1024 * 1024
SECONDS = 10.0
PIECE = 16 * 1024


class OutboundRefused(AddressRefused, requests.RequestException):
    """We do not make this call, or broke it off. The message is a sentence for whoever typed the address."""


class _Call:
    """One request on its way: how names are resolved, and a lever on its connections for when the time is over."""

    def __init__(self, resolve: Resolver, seconds: float) -> None:
        self.resolve = resolve
        self.is_late = False
        self._end = time.monotonic() + seconds
        self._levers: list[socket.socket] = []
        self._lock = threading.Lock()

    @property
    def seconds_left(self) -> float:
        """How much of its time is left; 0 when that is over."""
        return max(self._end - time.monotonic(), 0.0)

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
    """A connection to the first address of `host` that takes one, if all of them are fit. Raises AddressRefused."""
    call = _call.get()
    if call is None:
        raise AddressRefused("This connection was not made through its session.")
    addresses = addresses_of(host, port, call.resolve)
    for address in addresses:
        require_fit(host, address, encrypted=encrypted)
    failure: OSError | None = None
    for address in addresses:
        # They share the time: a host may name many that do not answer.
        seconds = min(timeout, call.seconds_left)
        if not seconds:
            failure = TimeoutError()
            break
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004 - the protocol's number
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(seconds)
            call.hold(connection)
            connection.connect((str(address), port))
        except OSError as error:
            connection.close()
            failure = error
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    if call.is_late or failure is None or isinstance(failure, TimeoutError):
        raise AddressRefused(f"The host {host} does not answer in time.")
    raise AddressRefused(f"The host {host} takes no connections at port {port}.")


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
        _require_sense(str(request.url))
        try:
            return super().prepare_request(request)
        except (requests.RequestException, UnicodeError):
            raise OutboundRefused("Write a complete address, such as https://login.example.com/metadata.") from None

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Sends, and reads the whole answer within the bounds."""
        _require_sense(request.url or "")
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
            except (requests.RequestException, AddressRefused, OSError) as error:
                raise _refusal(error, call, request) from None
        return response

    @contextmanager
    def _bounded(self) -> Iterator[_Call]:
        """Connections serve one request each, so that each request's are judged anew."""
        call = _Call(self.resolve, self.seconds)
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


def _require_sense(url: str) -> None:
    """Raises OutboundRefused."""
    try:
        checked_url(url)
    except AddressRefused as error:
        raise OutboundRefused(str(error)) from None


def _within(timeout: Any, seconds: float) -> float:
    """The caller's timeout if it is shorter; requests takes pairs, too."""
    given = [each for each in (timeout if isinstance(timeout, tuple) else (timeout,)) if isinstance(each, int | float)]
    return min([*given, seconds])


def _refusal(error: Exception, call: _Call, request: requests.PreparedRequest) -> OutboundRefused:
    """What became of the call, in a sentence that tells nothing of our network."""
    host = urlsplit(request.url or "").hostname
    if call.is_late or isinstance(error, requests.Timeout | TimeoutError):
        return OutboundRefused(f"The host {host} does not answer in time.", request=request)
    if isinstance(error, AddressRefused):
        return OutboundRefused(str(error), request=request)
    if isinstance(error, requests.exceptions.SSLError):
        return OutboundRefused(
            f"The certificate of {host} does not hold: it is not for that name, has expired, or is not signed by a "
            "known authority.",
            request=request,
        )
    return OutboundRefused(f"The host {host} broke the connection off.", request=request)
