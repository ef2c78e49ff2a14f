"""The words by which the ledger is searched, and the numbers under which its blocks (audit/indexing.py) keep them.

A text is cut at spaces, quotes, commas and brackets; what lies between is a word, and so are its parts: of an address
the name and the domain, of `member.role_changed` both halves, of an id what follows its prefix. Case does not count.
The value of each filter counts as a word too, marked so that no text can spell it.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from ipaddress import ip_address
from typing import Any
from uuid import UUID

# The columns that are searched, in the order in which `tokens_of` takes them.
SEARCHED = (
    "event",
    "actor_id",
    "actor_label",
    "target_id",
    "target_label",
    "result",
    "data",
    "ip",
    "request_id",
)
MARK = "\x1f"
WORD = re.compile(r"""[^\s\x00-\x1f\x7f"'`,;()\[\]{}<>|\\]+""")
EDGES = ".:!?-_/@#*&=+~%$^"
# From wide to narrow; each cuts the whole word.
CUTS = (re.compile(r"[@/:=?&#+]+"), re.compile(r"[@/:=?&#+.]+"), re.compile(r"[\W_]+"))
SHORTEST_PART = 2
# A record with more words than this is found by the first of them.
MOST_TOKENS = 500
REMEMBERED = 1 << 16

# The lower bits of a number are the token's, those above are the organization's: no other tenant's are among them.
TOKEN_BITS = 22
TOKENS = 1 << TOKEN_BITS
NUMBER_BYTES = 8


def words_in(text: str) -> list[str]:
    """The words of a search, each as `tokens_of` has it when a record contains it; addresses in their usual form."""
    return list(dict.fromkeys(_usual(word) for word in _cut(text)))


def mark(name: str, value: str) -> str:
    """The token of a filter's value: `mark("actor", "usr_…")`."""
    return f"{MARK}{name}={value}"


def tokens_of(record: Sequence[Any]) -> set[str]:
    """Every word and mark of a record, which is given as its SEARCHED columns."""
    event, actor_id, actor_label, target_id, target_label, result, data, ip, request_id = record
    found = {
        mark("event", event),
        mark("event", event.partition(".")[0] + ".*"),
        mark("actor", actor_id),
        mark("target", target_id),
        mark("result", result),
    }
    if ip:
        found.add(mark("ip", ip))
    for text in (event, actor_id, actor_label, target_id, target_label, ip or "", request_id):
        found |= _tokens_in(text)
    for text in _texts_in(data):
        if len(found) > MOST_TOKENS:
            break
        found |= _tokens_in(text) if len(text) < MOST_TOKENS else _tokens_in.__wrapped__(text)
    return found


def numbers_of(organization_id: UUID, tokens: Iterable[str]) -> list[int]:
    """The signed 64-bit numbers of an organization's tokens, in their order. Two tokens may share one, rarely."""
    base = _base(organization_id)
    return [base + _number(token) for token in tokens]


@lru_cache(REMEMBERED)
def _tokens_in(text: str) -> frozenset[str]:
    found = set()
    for word in _cut(text):
        found.add(word)
        for cut in CUTS:
            found.update(part for part in cut.split(word) if len(part) >= SHORTEST_PART)
        if len(found) > MOST_TOKENS:
            break
    return frozenset(found)


def _cut(text: str) -> Iterator[str]:
    usual = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    for word in WORD.findall(usual):
        bare = word.strip(EDGES)
        if bare:
            yield bare


def _usual(word: str) -> str:
    try:
        return str(ip_address(word))
    except ValueError:
        return word


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


@lru_cache(REMEMBERED)
def _number(token: str) -> int:
    return int.from_bytes(blake2b(token.encode("utf-8", "surrogatepass"), digest_size=4).digest()) % TOKENS


@lru_cache(REMEMBERED)
def _base(organization_id: UUID) -> int:
    number = int.from_bytes(blake2b(organization_id.bytes, digest_size=NUMBER_BYTES).digest(), signed=True)
    return number // TOKENS * TOKENS
