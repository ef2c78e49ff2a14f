"""Which addresses that customers typed may be called: public ones, and those of TENANTRY_OUTBOUND_NETWORKS."""

import socket
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 500

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


class AddressRefused(Exception):
    """We do not call this address. The message is a sentence for whoever typed it.

    No OSError, which libraries would take for the network's.
    """


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
    """The parts of an address that may be called, as far as its text tells. Raises AddressRefused.

    http:// passes here, since whether its host is in an allowed network shows when it is called.
    """
    if len(text) > LONGEST_URL:
        raise AddressRefused(f"Write an address of up to {LONGEST_URL} characters.")
    if not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise AddressRefused("Write the address in ASCII, without spaces and backslashes.")
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused("Write a complete address, such as https://login.example.com/metadata.") from None
    if parts.scheme not in ("https", "http") or not host:
        raise AddressRefused("Write a complete address that begins with https://.")
    if "@" in parts.netloc:
        raise AddressRefused("Leave user name and password out of the address.")
    if parts.port == 0:
        raise AddressRefused("Write a port from 1 to 65535, or none.")
    return parts


def system_addresses(host: str, port: int) -> list[str]:
    """What a host resolves to, by the operating system. Raises OSError."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


Resolver = Callable[[str, int], list[str]]


def require_encrypted(url: str) -> None:
    """Raises AddressRefused for http:// outside of the allowed networks, where browsers are sent, too."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return
    try:
        addresses = [ip_address(text) for text in system_addresses(parts.hostname or "", parts.port or 80)]
    except (OSError, ValueError):
        addresses = []
    if not addresses or not all(map(is_listed, addresses)):
        raise AddressRefused("Write an address that begins with https://.")


def require_callable(url: str, resolve: Resolver = system_addresses) -> None:
    """Judges an address that somebody types, by where its host is now. Waits for the DNS. Raises AddressRefused.

    It may be elsewhere later: each connection is judged again.
    """
    parts = checked_url(url)
    host, encrypted = parts.hostname or "", parts.scheme == "https"
    for address in addresses_of(host, parts.port or (443 if encrypted else 80), resolve):
        require_fit(host, address, encrypted=encrypted)


def addresses_of(host: str, port: int, resolve: Resolver) -> list[Address]:
    """Where a host is. Raises AddressRefused for one that has no address."""
    try:
        found = [ip_address(text) for text in resolve(host.strip("[]"), port)]
    except (OSError, UnicodeError, ValueError):
        found = []
    if not found:
        raise AddressRefused(f"The host {host} has no address; check it for a typing mistake.")
    return found


def require_fit(host: str, address: Address, *, encrypted: bool) -> None:
    """Raises AddressRefused.

    It does not tell the address: that would let customers read names of the operator's network.
    """
    if is_listed(address):
        return
    if not is_public(address):
        raise AddressRefused(f"The host {host} is not at a public address, and only those are called.")
    if not encrypted:
        raise AddressRefused("Write an address that begins with https://.")
