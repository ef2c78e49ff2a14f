"""A DNS server on loopback that says what a test tells it to."""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, TXT, A, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer

# Longer than anybody waits.
SILENCE = 60.0


class Zone(BaseResolver):
    """Records by name. A name that is not here does not exist; `rcode` answers everything with an error.

    `addresses` gives a name's sets of IPv4 and IPv6 addresses: the first question for each kind is answered by the
    first set, the next one by the next, all further ones by the last. Questions for `silent` names get no answer.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Makes it empty."""
        self.texts: dict[str, list[str | list[str]]] = {}
        self.aliases: dict[str, str] = {}
        self.addresses: dict[str, list[list[str]]] = {}
        self.asked_for: list[tuple[str, str]] = []
        self.silent: set[str] = set()
        self.rcode = RCODE.NOERROR
        self.asked: list[str] = []
        self.while_asked: Callable[[], None] = lambda: None

    def resolve(self, request: DNSRecord, handler: object) -> DNSRecord:
        name = str(request.q.qname).rstrip(".")
        self.asked.append(name)
        self.while_asked()
        reply = request.reply()
        reply.header.rcode = self.rcode
        if self.rcode != RCODE.NOERROR:
            return reply
        name = name.lower()
        if name in self.silent:
            time.sleep(SILENCE)
        if name in self.aliases:
            reply.add_answer(RR(request.q.qname, QTYPE.CNAME, rdata=CNAME(self.aliases[name])))
            name = self.aliases[name]
        if name not in self.texts and name not in self.addresses:
            reply.header.rcode = RCODE.NXDOMAIN
        kind = str(QTYPE.get(request.q.qtype))
        for address in self._addresses(name, kind):
            raw = tuple(ipaddress.ip_address(address).packed)
            data = AAAA(raw) if kind == "AAAA" else A(raw)
            reply.add_answer(RR(name, request.q.qtype, rdata=data, ttl=0))
        for text in self.texts.get(name, []):
            strings = [text] if isinstance(text, str) else text
            reply.add_answer(RR(name, QTYPE.TXT, rdata=TXT(strings)))
        return reply

    def _addresses(self, name: str, kind: str) -> list[str]:
        """Those of the set whose turn it is."""
        if kind not in ("A", "AAAA") or name not in self.addresses:
            return []
        turn = self.asked_for.count((name, kind))
        self.asked_for.append((name, kind))
        sets = self.addresses[name]
        version = 6 if kind == "AAAA" else 4
        now = sets[min(turn, len(sets) - 1)]
        return [address for address in now if ipaddress.ip_address(address).version == version]


@contextmanager
def served(zone: Zone, port: int = 0) -> Iterator[tuple[str, int]]:
    """The address of a server of a zone."""
    server = DNSServer(zone, address="127.0.0.1", port=port, logger=DNSLogger(log="-request,-reply,-truncated,-error"))
    server.start_thread()
    try:
        yield server.server.server_address[:2]
    finally:
        server.server.shutdown()
        server.server.server_close()


@contextmanager
def silent() -> Iterator[tuple[str, int]]:
    """The address of a server that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield deaf.getsockname()
