"""Hosts as browsers name them: normalised, matched with registered patterns, kept off public suffixes.

A pattern is an exact host, or `*.` and a host: that stands for every name below it, however deep, and not for the host
itself, as in a Content-Security-Policy (CSP 3, 6.7.2.8). Ports and the choice of http or https make no difference.
"""

import ipaddress
import re
from collections.abc import Iterable
from enum import StrEnum
from functools import cache

import idna
from publicsuffixlist import PublicSuffixList

LONGEST_HOST = 253
LONGEST_LABEL = 63
LONGEST_ORIGIN = 300
LARGEST_PORT = 65535
WILDCARD = "*."
ENCODED = "xn--"

_ORIGIN = re.compile(r"https?://(?P<place>[!-~]+)", re.IGNORECASE)
_PLACE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/?#@\\\s]+)(?::(?P<port>\d{0,5}))?")
# Letters, digits and hyphens (RFC 1123, 2.1), and the underscore, which browsers let pass below a registered domain.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")  # a last label like this makes browsers read an IPv4 address

JUNK = "Write a host such as shop.example.com, or *.example.com for every host below it."
JUNK_IPV6 = "Write an IPv6 address such as [2001:db8::10], without a zone."


class UnfitHost(ValueError):
    """Not a host, or none that may be registered. Says in one sentence what to write instead."""


def origin_host(origin: str) -> str | None:
    """The normalised host of an Origin header (RFC 6454, 7); None for `null`, other schemes and junk."""
    whole = _ORIGIN.fullmatch(origin) if len(origin) <= LONGEST_ORIGIN else None
    if whole is None:
        return None
    try:
        return host_of(whole["place"])
    except UnfitHost:
        return None


def host_of(text: str) -> str:
    """The host in `text`, which may name a port: in lower case, without trailing dot, in its ASCII form (RFC 5890).

    IPv6 addresses stand in brackets. Raises UnfitHost.
    """
    place = _PLACE.fullmatch(text)
    if place is None or int(place["port"] or 0) > LARGEST_PORT:
        raise UnfitHost(JUNK)
    if place["host"].startswith("["):
        return _ipv6(place["host"][1:-1])
    host = _ascii(place["host"]).removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(host)
    if len(host) > LONGEST_HOST or not all(map(_is_label, labels)):
        raise UnfitHost(JUNK)
    return host


def pattern_of(text: str) -> str:
    """What somebody wrote to register a host, as a pattern. `http://` or `https://` in front is left out.

    Raises UnfitHost, for public suffixes too (publicsuffix.org, with the part that companies registered): whoever has
    an address below one has nothing to do with its other addresses.
    """
    text = re.sub(r"\Ahttps?://", "", text.strip(), flags=re.IGNORECASE).removesuffix("/")
    if not text.startswith(WILDCARD):
        if "*" in text:
            raise UnfitHost("Put the * at the very beginning and alone: *.example.com.")
        host = _ipv6(text) if text.count(":") > 1 and not text.startswith("[") else host_of(text)
        if not is_address(host) and _listed_suffixes().publicsuffix(host) == host:
            raise UnfitHost(f"{host} belongs to everybody who has an address below it: write your own host in full.")
        return host
    if "*" in text.removeprefix(WILDCARD):
        raise UnfitHost("Use one * only, at the very beginning: *.example.com.")
    base = host_of(text.removeprefix(WILDCARD))
    if is_address(base):
        raise UnfitHost("Nothing is below an IP address: write the address alone.")
    if _suffixes().privatesuffix(base) is None:
        raise UnfitHost(f"*.{base} would let in everybody who has an address below {base}: write *.your-name.{base}.")
    return WILDCARD + base


def patterns_for(host: str) -> list[str]:
    """Every pattern that stands for a normalised host: itself, and a wildcard for each name above it."""
    if is_address(host):
        return [host]
    labels = host.split(".")
    return [host, *(WILDCARD + ".".join(labels[index:]) for index in range(1, len(labels)))]


def matches(pattern: str, host: str) -> bool:
    """Whether a normalised pattern stands for a normalised host."""
    return pattern in patterns_for(host)


def passes(host: str, patterns: Iterable[str], *, test: bool) -> bool:
    """Whether a publishable key of a project with these patterns works in full on `host`; `test` says of which mode."""
    is_registered = not set(patterns_for(host)).isdisjoint(patterns)
    return verdict_on(host, is_registered=is_registered, rejects_others=True, is_test=test) == Verdict.FULL


class Verdict(StrEnum):
    """What a page of some host gets with a publishable key: all, the least, or nothing for one of two reasons."""

    FULL = "full"
    DOWNGRADED = "downgraded"
    REJECTED = "rejected"
    OWN_MACHINE = "own_machine"


def verdict_on(host: str, *, is_registered: bool, rejects_others: bool, is_test: bool) -> Verdict:
    """What a page of a normalised host gets, when a pattern of the project stands for it or none does.

    This machine's own names are for test keys only, whatever is registered.
    """
    if is_loopback(host) and not is_test:
        return Verdict.OWN_MACHINE
    if is_registered:
        return Verdict.FULL
    return Verdict.REJECTED if rejects_others else Verdict.DOWNGRADED


def is_address(host: str) -> bool:
    """Whether a normalised host is an IP address."""
    return host.startswith("[") or bool(_NUMBER.fullmatch(host.rpartition(".")[2]))


def is_loopback(pattern: str) -> bool:
    """Whether a normalised host or pattern is the very machine that the browser runs on (RFC 6761, 6.3)."""
    if is_address(pattern):
        return ipaddress.ip_address(pattern.strip("[]")).is_loopback
    return pattern == "localhost" or pattern.endswith(".localhost")


def _ascii(text: str) -> str:
    """In lower case; what is not ASCII becomes its A-label, as browsers map it (UTS 46, nontransitional)."""
    if text.isascii():
        return text.lower()
    try:
        labels = idna.uts46_remap(text, std3_rules=False, transitional=False).split(".")
        return ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in labels)
    except (idna.IDNAError, UnicodeError):
        raise UnfitHost("This is no international name; write it as the browser does, beginning with xn--.") from None


def _is_label(label: str) -> bool:
    if len(label) > LONGEST_LABEL or not _LABEL.fullmatch(label):
        return False
    if not label.startswith(ENCODED):
        return True
    encoded = label.removeprefix(ENCODED)
    try:
        decoded = encoded.encode("ascii").decode("punycode")
        return not decoded.isascii() and decoded.encode("punycode").decode("ascii") == encoded
    except UnicodeError:
        return False


def _ipv4(text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise UnfitHost("Write an IPv4 address in its four decimal parts, such as 192.0.2.10.") from None
    if address.is_unspecified:
        raise UnfitHost("Write the address that browsers open: 0.0.0.0 stands for none.")
    return str(address)


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise UnfitHost(JUNK_IPV6) from None
    if address.scope_id:
        raise UnfitHost(JUNK_IPV6)
    if address.is_unspecified or address.ipv4_mapped:
        raise UnfitHost("Write the address that browsers open, an IPv4 address by itself.")
    return f"[{address.compressed}]"


@cache
def _suffixes() -> PublicSuffixList:
    """The packaged list; a name that ends in none of it is taken to end in a public suffix of one label."""
    return PublicSuffixList()


@cache
def _listed_suffixes() -> PublicSuffixList:
    """The packaged list alone, so that the single names of a company's own network can be registered."""
    return PublicSuffixList(accept_unknown=False)
