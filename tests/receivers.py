"""A receiver of webhooks on this machine: keeps what it gets, and misbehaves as the path of its address says.

It speaks HTTP by hand over its sockets, since a library would not let it be as rude.
"""

import gzip
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

PIECE = 64 * 1024
HUNDRED_MEGABYTES = 100_000_000


@dataclass(frozen=True)
class Received:
    """One whole request. Header names are in lower case; `connection` numbers the connections of its receiver."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int
    at: float

    @property
    def id(self) -> str:
        """`webhook-id`."""
        return self.headers["webhook-id"]


class Gone(Exception):
    """The other side has ended the connection, or the receiver is ending."""


class Conversation:
    """One connection: reads requests and lets behaviours write whatever they want."""

    def __init__(self, receiver: "Receiver", number: int, connection: socket.socket) -> None:
        self.receiver, self.number, self.connection = receiver, number, connection
        self.rest = b""
        self.answered = 0

    def run(self) -> None:
        """Answers requests until somebody ends the connection."""
        try:
            if self.receiver.deaf:
                self.wait()
            if self.receiver.tls:
                self._encrypt(self.receiver.tls)
            while True:
                request = self._request()
                self.receiver.requests.append(request)
                name, _, argument = urlsplit(request.path).path.strip("/").partition("/")
                BEHAVIOURS.get(name, fine)(self, request, argument)
                self.answered += 1
        except (OSError, Gone):
            self.receiver.conversations.discard(self)
        finally:
            self.connection.close()

    def _encrypt(self, context: ssl.SSLContext) -> None:
        try:
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except OSError as error:
            raise Gone from error

    def _more(self) -> None:
        piece = self.connection.recv(PIECE)
        if not piece:
            raise Gone
        self.receiver.bytes_received += len(piece)
        self.rest += piece

    def _request(self) -> Received:
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        length = int(headers.get("content-length", 0))
        if headers.get("expect", "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self.rest) < length:
            self._more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return Received(method, path, headers, body, self.number, time.monotonic())

    def write(self, data: bytes) -> None:
        """Sends all of it, as slowly as the other side reads."""
        self.connection.sendall(data)
        self.receiver.bytes_sent += len(data)

    def wait(self, seconds: float | None = None) -> None:
        """Does nothing, for that long. Raises Gone as soon as the other side ends the connection."""
        end = None if seconds is None else time.monotonic() + seconds
        try:
            while end is None or end > time.monotonic():
                self.connection.settimeout(None if end is None else end - time.monotonic())
                with suppress(TimeoutError):
                    self._more()
        finally:
            with suppress(OSError):
                self.connection.settimeout(None)

    def break_off(self) -> None:
        """Ends every read and write at once."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A complete answer; `retry_after="5"` becomes Retry-After."""
        given = {"content_length": str(len(body)), **headers}
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
        self.write(f"HTTP/1.1 {status} Whatever\r\n".encode() + "\r\n".join([*lines, "", ""]).encode() + body)

    def end(self) -> None:
        """Closes it in good order."""
        self.break_off()
        raise Gone

    def reset(self) -> None:
        """Closes it by a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise Gone


Behaviour = Callable[[Conversation, Received, str], None]
BEHAVIOURS: dict[str, Behaviour] = {}


def behaviour(function: Behaviour) -> Behaviour:
    """Makes `/name` (and `/name/argument`) in the path of an address behave so."""
    BEHAVIOURS[function.__name__.replace("_", "-")] = function
    return function


@behaviour
def fine(talk: Conversation, request: Received, argument: str) -> None:
    """200 at once."""
    talk.answer(200, b"fine")


@behaviour
def slow(talk: Conversation, request: Received, argument: str) -> None:
    """200 after so many seconds."""
    talk.wait(float(argument))
    talk.answer(200, b"at last")


@behaviour
def status(talk: Conversation, request: Received, argument: str) -> None:
    """A status; further headers from the query: `/status/503?retry-after=5`."""
    headers = {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}
    talk.answer(int(argument), f"status {argument}".encode() if int(argument) not in (204, 304) else b"", **headers)


@behaviour
def scripted(talk: Conversation, request: Received, argument: str) -> None:
    """The receiver's next answer: a status, or a status with its headers; 200 once all are given."""
    steps = talk.receiver.script
    step = steps.pop(0) if steps else 200
    code, headers = step if isinstance(step, tuple) else (step, {})
    talk.answer(code, b"", **headers)


@behaviour
def hangs(talk: Conversation, request: Received, argument: str) -> None:
    """Takes the request and says nothing."""
    talk.wait()


@behaviour
def hangs_after(talk: Conversation, request: Received, argument: str) -> None:
    """200 for the receiver's first so many requests, then nothing any more."""
    if len(talk.receiver.requests) > int(argument):
        talk.wait()
    talk.answer(200, b"fine")


@behaviour
def hangs_in_body(talk: Conversation, request: Received, argument: str) -> None:
    """200, and then no body."""
    talk.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    talk.wait()


@behaviour
def drips_headers(talk: Conversation, request: Received, argument: str) -> None:
    """A byte of an endless header at a time, each in time."""
    talk.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        talk.write(b"x")
        talk.wait(0.1)


@behaviour
def drips_body(talk: Conversation, request: Received, argument: str) -> None:
    """A byte of the body at a time."""
    talk.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        talk.write(b"x")
        talk.wait(0.1)


@behaviour
def large(talk: Conversation, request: Received, argument: str) -> None:
    """100 MB."""
    talk.write(f"HTTP/1.1 200 OK\r\nContent-Length: {HUNDRED_MEGABYTES}\r\n\r\n".encode())
    for _ in range(HUNDRED_MEGABYTES // PIECE):
        talk.write(b"x" * PIECE)


@behaviour
def endless(talk: Conversation, request: Received, argument: str) -> None:
    """A body in chunks without an end."""
    talk.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        talk.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")


@behaviour
def compressed(talk: Conversation, request: Received, argument: str) -> None:
    """10 MB of zeros in 10 KB."""
    talk.answer(200, gzip.compress(bytes(10_000_000)), content_encoding="gzip")


@behaviour
def endless_headers(talk: Conversation, request: Received, argument: str) -> None:
    """Headers without an end."""
    talk.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        talk.write(b"X-More: " + b"x" * 900 + b"\r\n")


@behaviour
def endless_header(talk: Conversation, request: Received, argument: str) -> None:
    """One header without an end."""
    talk.write(b"HTTP/1.1 200 OK\r\nX-More: ")
    while True:
        talk.write(b"x" * PIECE)


@behaviour
def endless_continue(talk: Conversation, request: Received, argument: str) -> None:
    """Announces an answer for ever."""
    while True:
        talk.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


@behaviour
def resets(talk: Conversation, request: Received, argument: str) -> None:
    """A reset instead of an answer."""
    talk.reset()


@behaviour
def resets_in_body(talk: Conversation, request: Received, argument: str) -> None:
    """A reset in the middle of an answer."""
    talk.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
    time.sleep(0.05)
    talk.reset()


@behaviour
def closes(talk: Conversation, request: Received, argument: str) -> None:
    """No answer."""
    talk.end()


@behaviour
def closes_in_body(talk: Conversation, request: Received, argument: str) -> None:
    """Less than it promised."""
    talk.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
    talk.end()


@behaviour
def garbage(talk: Conversation, request: Received, argument: str) -> None:
    """Not HTTP."""
    talk.write(b"SSH-2.0-OpenSSH_9.9\r\n")
    talk.end()


@behaviour
def redirects(talk: Conversation, request: Received, argument: str) -> None:
    """A status 3xx to the address in the query: `/redirects/307?to=…`."""
    talk.answer(int(argument), location=parse_qs(urlsplit(request.path).query)["to"][0])


@behaviour
def closes_afterwards(talk: Conversation, request: Received, argument: str) -> None:
    """200 as if the connection stayed open, and closes it."""
    talk.answer(200, b"fine")
    talk.end()


@behaviour
def resets_next(talk: Conversation, request: Received, argument: str) -> None:
    """200, and a reset as soon as the connection is used again."""
    if talk.answered:
        talk.reset()
    talk.answer(200, b"fine")


@behaviour
def silent_next(talk: Conversation, request: Received, argument: str) -> None:
    """200, and nothing any more on that connection, as when a firewall has forgotten it."""
    if talk.answered:
        talk.wait()
    talk.answer(200, b"fine")


class Receiver:
    """Listens until it is closed. `deaf` ones take connections and read nothing; a `full` one takes none.

    `reached` is the address of this machine that each connection was made to.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None, deaf: bool = False,
        full: bool = False,
    ) -> None:  # fmt: skip
        self.host, self.tls, self.deaf = host, tls, deaf
        self.requests: list[Received] = []
        self.script: list[int | tuple[int, dict[str, str]]] = []
        self.connections = 0
        self.reached: list[str] = []
        self.bytes_received = self.bytes_sent = 0
        self.conversations: set[Conversation] = set()
        self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(0 if full else 512)
        self.port = int(self.listener.getsockname()[1])
        self.crowd: list[socket.socket] = []
        if full:
            self._fill()
        else:
            threading.Thread(target=self._accept, daemon=True).start()

    def _fill(self) -> None:
        """Others wait in its queue already, which nobody works off: the kernel drops who comes now."""
        while True:
            waiting = socket.socket(self.listener.family, socket.SOCK_STREAM)
            self.crowd.append(waiting)
            waiting.settimeout(0.2)
            try:
                waiting.connect((self.host, self.port))
            except OSError:
                return

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self.reached.append(str(connection.getsockname()[0]).removeprefix("::ffff:"))
            talk = Conversation(self, self.connections, connection)
            self.conversations.add(talk)
            threading.Thread(target=talk.run, daemon=True).start()

    def url(self, path: str = "fine", host: str | None = None, **query: str) -> str:
        """An address of it; `host` is another way to write its host."""
        host = host or (f"[{self.host}]" if ":" in self.host else self.host)
        question = "&".join(f"{name.replace('_', '-')}={quote(value)}" for name, value in query.items())
        return f"http{'s' if self.tls else ''}://{host}:{self.port}/{path}{'?' + question if question else ''}"

    def got(self, path: str = "") -> list[Received]:
        """The requests to addresses whose path begins so."""
        return [request for request in self.requests if request.path.startswith(f"/{path}")]

    def ids(self, path: str = "") -> list[str]:
        """Their `webhook-id`s, in the order of arrival."""
        return [request.id for request in self.got(path)]

    def close(self) -> None:
        """Ends every conversation."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # or accept goes on waiting
        for each in [self.listener, *self.crowd]:
            each.close()
        for talk in list(self.conversations):
            talk.break_off()


@contextmanager
def receiving(host: str = "127.0.0.1", port: int = 0, **options: Any) -> Iterator[Receiver]:
    """A receiver until the block ends."""
    receiver = Receiver(host, port, **options)
    try:
        yield receiver
    finally:
        receiver.close()
