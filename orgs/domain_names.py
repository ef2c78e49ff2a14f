"""Domains of e-mail addresses as the DNS writes them, and which of them no organization can have for itself."""

import re
from functools import cache

import idna
from publicsuffixlist import PublicSuffixList

LONGEST_DOMAIN = 253
ENCODED = "xn--"
# Letters, digits and hyphens, at most 63 of them (RFC 1123, 2.1).
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

JUNK = "Write the domain alone, as it stands behind the @ of your addresses: example.com."

# Well-known providers at which anybody gets an address. Those that have a name below many suffixes come by that name.
FREE_MAIL = frozenset([
    "126.com", "163.com", "aim.com", "aol.com", "att.net", "bellsouth.net", "bigpond.com", "bluewin.ch", "bol.com.br",
    "btinternet.com", "comcast.net", "cox.net", "daum.net", "duck.com", "email.com", "fastmail.com", "fastmail.fm",
    "foxmail.com", "free.fr", "freemail.hu", "freenet.de", "gmail.com", "googlemail.com", "hanmail.net", "hey.com",
    "hushmail.com", "icloud.com", "inbox.com", "inbox.ru", "juno.com", "laposte.net", "libero.it", "list.ru",
    "live.ca", "live.co.uk", "live.com", "live.com.au", "live.de", "live.dk", "live.fr", "live.it", "live.nl",
    "live.se", "mac.com", "mail.com", "mail.ru", "mailinator.com", "me.com", "msn.com", "naver.com", "netscape.net",
    "ntlworld.com", "o2.pl", "onet.pl", "op.pl", "orange.fr", "outlook.at", "outlook.com", "outlook.com.br",
    "outlook.de", "outlook.dk", "outlook.es", "outlook.fr", "outlook.it", "outlook.jp", "outlook.pt", "passport.com",
    "pm.me", "proton.me", "protonmail.ch", "protonmail.com", "qq.com", "rambler.ru", "rediffmail.com",
    "rocketmail.com", "sbcglobal.net", "seznam.cz", "sfr.fr", "shaw.ca", "sina.com", "skynet.be", "sky.com",
    "sohu.com", "sympatico.ca", "t-online.de", "talktalk.net", "telenet.be", "terra.com.br", "tiscali.it", "tuta.com",
    "tuta.io", "tutamail.com", "tutanota.com", "tutanota.de", "uol.com.br", "verizon.net", "virgilio.it",
    "wanadoo.fr", "web.de", "wp.pl", "ya.ru", "yeah.net", "ymail.com", "zoho.com", "zohomail.com",
])  # fmt: skip
FREE_MAIL_NAMES = frozenset({"gmx", "hotmail", "yahoo", "yandex"})


class UnfitDomain(ValueError):
    """Not a domain, or none that an organization can have. Says in one sentence what to write instead."""


def ascii_domain(text: str) -> str:
    """A domain in lower case and in its ASCII form (RFC 5890, mapped by UTS 46). Raises UnfitDomain."""
    try:
        domain = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise UnfitDomain(JUNK) from None
    labels = domain.split(".")
    if len(domain) > LONGEST_DOMAIN or not all(map(_is_label, labels)):
        raise UnfitDomain(JUNK)
    return domain


def own_domain(text: str) -> str:
    """What somebody wrote to register a domain, as the DNS writes it. An @ in front is left out.

    Raises UnfitDomain, for public suffixes too (publicsuffix.org, with the part that companies registered) and for
    domains at which anybody gets an address.
    """
    domain = ascii_domain(text.strip().removeprefix("@").removesuffix("."))
    if "." not in domain or domain.rpartition(".")[2].isdigit():
        raise UnfitDomain(JUNK)
    registered = _suffixes().privatesuffix(domain)
    if registered is None:
        raise UnfitDomain(f"{domain} belongs to everybody who has a domain below it: write your own domain in full.")
    if registered in FREE_MAIL or registered.partition(".")[0] in FREE_MAIL_NAMES:
        raise UnfitDomain(f"Anybody can have an address at {registered}: write a domain of your organization's own.")
    return domain


def spellings_of(domain: str) -> set[str]:
    """A domain as the DNS writes it and as people do."""
    try:
        return {domain, idna.decode(domain)}
    except idna.IDNAError:
        return {domain}


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _is_label(label: str) -> bool:
    if not _LABEL.fullmatch(label):
        return False
    if not label.startswith(ENCODED):
        return True
    try:
        return idna.alabel(idna.ulabel(label)) == label.encode()
    except idna.IDNAError:
        return False
