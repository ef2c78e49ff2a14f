"""A DNS server on loopback that says what a test tells it to."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dnslib import CNAME, QTYPE, RCODE, RR, TXT, DNSRecord
from dnslib.server import BaseResolver, DNSLogger, DNSServer


class Zone(BaseResolver):
    """Records by name. A name that is not here does not exist; `rcode` answers everything with an error."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Makes it empty."""
        self.texts: dict[str, list[str | list[str]]] = {}
        self.aliases: dict[str, str] = {}
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
        if name in self.aliases:
            reply.add_answer(RR(request.q.qname, QTYPE.CNAME, rdata=CNAME(self.aliases[name])))
            name = self.aliases[name]
        if name not in self.texts:
            reply.header.rcode = RCODE.NXDOMAIN
        for text in self.texts.get(name, []):
            strings = [text] if isinstance(text, str) else text
            reply.add_answer(RR(name, QTYPE.TXT, rdata=TXT(strings)))
        return reply


@contextmanager
def served(zone: Zone) -> Iterator[tuple[str, int]]:
    """The address of a server of a zone."""
    server = DNSServer(zone, address="127.0.0.1", port=0, logger=DNSLogger(log="-request,-reply,-truncated,-error"))
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
