"""Many HTTP calls at once by libcurl's multi interface, each judged by the very address that it connects to."""

import resource
import select
import socket
import time
from contextlib import suppress
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import certifi
import pycurl
from django.conf import settings

from config.kernel.addresses import is_listed, is_public
from webhooks.answers import (
    LONGEST_MASKED,
    NUL,
    OK,
    REDIRECT,
    REPLACEMENT,
    Answer,
    Call,
    judged,
    masked,
    patience_asked,
    told,
    without_answer,
)
from webhooks.models.delivery import RESPONSE_LENGTH, USER_AGENT
from webhooks.resolver import MOST_THREADS, Resolver

CONNECT_SECONDS, SECONDS = 5, 15
IDLE_SECONDS, LONGEST_CONNECTION = 30, 300
# Open files for each call: its connection, our own descriptor of that, and a connection that is kept for another call.
FILES_FOR_EACH = 3
# And for all else: the database, the broker, questions to name servers.
FILES_BESIDES = 200 + MOST_THREADS
# Of an answer that is longer the rest stays unread, and the connection is closed.
MOST_READ = 64 * 1024
OURS = (
    "Content-Type: application/json",
    "Accept-Encoding: identity",
    # Nothing is asked before the body is sent.
    "Expect:",
)
_EVENTS = {
    pycurl.POLL_IN: select.POLLIN,
    pycurl.POLL_OUT: select.POLLOUT,
    pycurl.POLL_INOUT: select.POLLIN | select.POLLOUT,
}


class Place(NamedTuple):
    """Whom an address leads to. `is_name`: the host is no IP address, and must be looked up."""

    host: str
    port: int
    is_name: bool


@lru_cache(maxsize=5000)
def place_of(url: str) -> Place:
    """Reads an address that was checked when it was typed."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        ip_address(host)
        is_name = False
    except ValueError:
        is_name = True
    return Place(host.rstrip("."), parts.port or (443 if parts.scheme == "https" else 80), is_name)


class _Handle:
    """One libcurl handle with what it is at."""

    def __init__(self) -> None:
        self.call: Call | None = None
        self.response = bytearray()
        self.lines: list[bytes] = []
        self.read = 0
        self.most_kept = RESPONSE_LENGTH
        self.is_forbidden = False
        self.opened: list[socket.socket] = []
        self.began = 0.0
        self.host, self.port, self.is_name = "", 0, False
        self.curl = curl = pycurl.Curl()
        curl.handle = self
        curl.setopt(pycurl.POST, 1)
        curl.setopt(pycurl.NOSIGNAL, 1)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
        curl.setopt(pycurl.FOLLOWLOCATION, 0)
        curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        curl.setopt(pycurl.CONNECTTIMEOUT, CONNECT_SECONDS)
        curl.setopt(pycurl.TIMEOUT, SECONDS)
        curl.setopt(pycurl.USERAGENT, USER_AGENT)
        # A connection that was judged and opened long ago may lead to where the host no longer is.
        curl.setopt(pycurl.MAXAGE_CONN, IDLE_SECONDS)
        curl.setopt(pycurl.MAXLIFETIME_CONN, LONGEST_CONNECTION)
        curl.setopt(pycurl.SSL_VERIFYPEER, 1)
        curl.setopt(pycurl.SSL_VERIFYHOST, 2)
        curl.setopt(pycurl.CAINFO, settings.TENANTRY_WEBHOOK_CA_FILE or certifi.where())
        curl.setopt(pycurl.WRITEFUNCTION, self._take)
        curl.setopt(pycurl.HEADERFUNCTION, self.lines.append)
        curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)

    def set(self, call: Call) -> None:
        """Makes it ready for a call."""
        self.call, self.read, self.is_forbidden, self.began = call, 0, False, time.monotonic()
        self.most_kept = RESPONSE_LENGTH + (LONGEST_MASKED if call.own else 0)
        self.response.clear()
        self.lines.clear()
        self._set_host(place_of(call.url))
        self.curl.setopt(pycurl.URL, call.url)
        self.curl.setopt(pycurl.HTTPHEADER, [*OURS, *call.headers, *call.own])
        self.curl.setopt(pycurl.POSTFIELDS, call.body)

    def _set_host(self, place: Place) -> None:
        was_name = self.is_name
        self.host, self.port, self.is_name = place
        if was_name and not self.is_name:
            self.curl.unsetopt(pycurl.CONNECT_TO)
            self.curl.unsetopt(pycurl.RESOLVE)

    def set_addresses(self, addresses: list[str]) -> None:
        """Where its host is, so that libcurl never asks, however it reads the host."""
        self.curl.setopt(pycurl.CONNECT_TO, [f"::{self.host}:{self.port}"])
        self.curl.setopt(pycurl.RESOLVE, [f"+{self.host}:{self.port}:{','.join(addresses)}"])

    def let_go(self) -> None:
        """Closes our own descriptors of its connections: pycurl has made duplicates."""
        for each in self.opened:
            each.close()
        self.opened.clear()

    def _take(self, piece: bytes) -> int | None:
        """Keeps the beginning of the answer; stops it when there is too much."""
        self.read += len(piece)
        if len(self.response) < self.most_kept:
            self.response += piece[: self.most_kept - len(self.response)]
        return 0 if self.read > MOST_READ else None

    def _open(self, _purpose: int, address: Any) -> socket.socket | int:
        """A socket for the address that is about to be connected to, if that may be called."""
        family, kind, protocol, place = address
        if family not in (socket.AF_INET, socket.AF_INET6) or not self._may_call(place[0]):
            self.is_forbidden = True
            return pycurl.SOCKET_BAD
        opened = socket.socket(family, kind, protocol)
        self.opened.append(opened)
        return opened

    def _may_call(self, text: Any) -> bool:
        given = ip_address(text.decode() if isinstance(text, bytes) else text)
        return is_listed(given) or (
            is_public(given) and self.call is not None and self.call.url[:6].lower() == "https:"
        )


class Sender:
    """Up to `connections` calls at once, in one thread: `begin` them, and `wait` for answers."""

    def __init__(self, connections: int) -> None:
        _allow_open_files(connections * FILES_FOR_EACH + FILES_BESIDES)
        self._most = connections
        # They are made as they are needed.
        self._free: list[_Handle] = []
        self._busy: set[_Handle] = set()
        # libcurl begins and ends to wait for each answer by itself, which costs nothing here and two calls with epoll.
        self._poll = select.poll()
        self._waking, self._waker = socket.socketpair()
        for each in (self._waking, self._waker):
            each.settimeout(0)
        self._poll.register(self._waking, select.POLLIN)
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_MAXCONNECTS, connections)
        self._resolver = Resolver(self.wake)
        self._waiting: set[_Handle] = set()

    @property
    def room(self) -> int:
        """How many more calls may be begun now."""
        return self._most - len(self._busy)

    @property
    def calls(self) -> int:
        """How many are on their way."""
        return len(self._busy)

    def begin(self, call: Call) -> None:
        """Begins a call. Needs `room`."""
        handle = self._free.pop() if self._free else _Handle()
        handle.set(call)
        self._busy.add(handle)
        if handle.is_name and not self._is_found(handle):
            self._waiting.add(handle)
        else:
            self._multi.add_handle(handle.curl)

    def _is_found(self, handle: _Handle) -> bool:
        """Whether it is known where a call's host is, which it is told then."""
        addresses = self._resolver.find(handle.host, handle.port)
        if addresses:
            handle.set_addresses(addresses)
        return bool(addresses)

    def _look_for_hosts(self) -> list[Answer]:
        """Begins the calls whose hosts were found, and ends those whose hosts were not, or not in time."""
        answers = []
        for handle in list(self._waiting):
            addresses = self._resolver.find(handle.host, handle.port)
            if addresses is None and time.monotonic() < handle.began + CONNECT_SECONDS:
                continue
            self._waiting.discard(handle)
            if addresses:
                handle.set_addresses(addresses)
                self._multi.add_handle(handle.curl)
            else:
                code = pycurl.E_OPERATION_TIMEDOUT if addresses is None else pycurl.E_COULDNT_RESOLVE_HOST
                answers.append(self._give_up(handle, code))
        return answers

    def _give_up(self, handle: _Handle, code: int) -> Answer:
        """Ends a call that libcurl was never told of."""
        call = handle.call
        if call is None:
            raise RuntimeError("A handle without a call has waited.")
        outcome, detail = without_answer(call, code, is_forbidden=False)
        self._busy.discard(handle)
        self._free.append(handle)
        milliseconds = round((time.monotonic() - handle.began) * 1000)
        return Answer(call, outcome, None, milliseconds, detail, "", 0)

    def wait(self, seconds: float) -> list[Answer]:
        """What was answered, or failed, by the time something is or `seconds` are over."""
        # Asked each turn, which is cheaper than being told by libcurl each time that it changes.
        patience = self._multi.timeout()
        if patience >= 0:
            seconds = min(seconds, patience / 1000)
        if self._waiting:
            latest = min(handle.began for handle in self._waiting) + CONNECT_SECONDS
            seconds = min(seconds, max(latest - time.monotonic(), 0.0))
        for descriptor, found in self._poll.poll(seconds * 1000):
            if descriptor == self._waking.fileno():
                self._waking.recv(1024)
                continue
            # A connection that has ended is ready for both.
            ready = (pycurl.CSELECT_IN if found & ~select.POLLOUT else 0) | (
                pycurl.CSELECT_OUT if found & ~select.POLLIN else 0
            )
            self._multi.socket_action(descriptor, ready)
        if self._multi.timeout() == 0:
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        return self._look_for_hosts() + self._ended() if self._waiting else self._ended()

    def wake(self) -> None:
        """Ends `wait` at once. The only method for other threads."""
        with suppress(OSError):  # it has been woken many times already, or is closed
            self._waker.send(b"!")

    def break_off(self) -> list[Call]:
        """Ends every connection with a call on its way. Returns those calls."""
        calls = []
        for handle in self._busy:
            if handle not in self._waiting:
                self._multi.remove_handle(handle.curl)
            handle.let_go()
            if handle.call is not None:
                calls.append(handle.call)
        self._free += self._busy
        self._busy.clear()
        self._waiting.clear()
        return calls

    def close(self) -> None:
        """Breaks off what is on its way, and ends everything."""
        self.break_off()
        for handle in self._free:
            handle.curl.close()
        self._multi.close()
        self._waking.close()
        self._waker.close()

    def _watch(self, event: int, descriptor: int, _multi: Any, _data: Any) -> None:
        """libcurl says what it waits for at a socket."""
        if event != pycurl.POLL_REMOVE:
            self._poll.register(descriptor, _EVENTS[event])
            return
        try:  # contextlib.suppress would cost half as much as the whole rest of this
            self._poll.unregister(descriptor)
        except KeyError:
            return

    def _ended(self) -> list[Answer]:
        answers = []
        more = 1
        while more:
            more, fine, failed = self._multi.info_read()
            answers += [self._finish(curl.handle, 0) for curl in fine]
            answers += [self._finish(curl.handle, code) for curl, code, _message in failed]
        return answers

    def _finish(self, handle: _Handle, code: int) -> Answer:
        self._multi.remove_handle(handle.curl)
        answer = _answer(handle, code)
        handle.let_go()
        self._busy.discard(handle)
        self._free.append(handle)
        return answer


def _allow_open_files(count: int) -> None:
    """Has the operating system allow so many, or as many as it does. Receivers would be blamed for what it refuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _answer(handle: _Handle, code: int) -> Answer:
    call, curl = handle.call, handle.curl
    if call is None:
        raise RuntimeError("A handle without a call has ended.")
    status = curl.getinfo(pycurl.RESPONSE_CODE)
    if status < OK:  # nothing, or an announcement of more
        status = None
    outcome, detail = judged(call, status, code, is_forbidden=handle.is_forbidden)
    connected = secured = None
    if handle.opened:
        connected, secured = _milliseconds(curl, pycurl.CONNECT_TIME), _milliseconds(curl, pycurl.APPCONNECT_TIME)
    response = ""
    if handle.response:
        kept = masked(bytes(handle.response), call.own)[:RESPONSE_LENGTH]
        response = kept.decode(errors="replace").replace(NUL, REPLACEMENT)
    headers = told(handle.lines, call.own)
    retry_after = patience_asked(curl.getinfo(pycurl.RETRY_AFTER), headers) if status and status >= REDIRECT else 0
    answered = _milliseconds(curl, pycurl.STARTTRANSFER_TIME) if status else None
    milliseconds = round(curl.getinfo(pycurl.TOTAL_TIME) * 1000)
    # By place: naming each costs as much again as all that libcurl is asked here.
    return Answer(
        call, outcome, status, milliseconds, detail, response, retry_after, headers, connected, secured,
        answered,
    )  # fmt: skip


def _milliseconds(curl: pycurl.Curl, moment: int) -> int | None:
    """How long after the beginning that was; None if it never was."""
    seconds = curl.getinfo(moment)
    return round(seconds * 1000) if seconds else None
