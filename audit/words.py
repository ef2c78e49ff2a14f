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
from itertools import islice
from typing import Any
from uuid import UUID
from zlib import crc32

# The columns that are searched, in the order in which a record is given here.
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
WIDE_CUTS = (re.compile(r"[@/:=?&#+]+"), re.compile(r"[@/:=?&#+.]+"))
NARROWEST = re.compile(r"[^\W_]{2,}")
# What is longer is found by its beginning only.
MOST_TEXTS = 200
LONGEST_TEXT = 4000
# A search has no more.
MOST_WORDS = 10
QUERY_LENGTH = 200
REMEMBERED = 1 << 14

# The lower bits of a number are the token's, those above are the organization's: no other tenant's are among them.
TOKENS = 1 << 22
NUMBER_BYTES = 8


def words_in(text: str) -> list[str]:
    """The words of a search, each as `tokens_of` has it when a record contains it; addresses in their usual form."""
    return list(dict.fromkeys(_usual(word) for word in _cut(text)))


def mark(name: str, value: str) -> str:
    """The token of a filter's value: `mark("actor", "usr_…")`."""
    return f"{MARK}{name}={value}"


def tokens_of(record: Sequence[Any]) -> set[str]:
    """Every word and mark of a record, which is given as its SEARCHED columns."""
    return set(_marks_of(record)).union(*map(_tokens_in, _texts_of(record)))


def record_numbers(organization_id: UUID, record: Sequence[Any]) -> list[int]:
    """The numbers of all that `tokens_of` finds in a record, each once."""
    numbers = set(map(_number, _marks_of(record))).union(*map(_numbers_in, _texts_of(record)))
    base = _base(organization_id)
    return [base + number for number in numbers]


def numbers_of(organization_id: UUID, tokens: Iterable[str]) -> list[int]:
    """The signed 64-bit numbers of an organization's tokens, in their order. Two tokens may share one, rarely."""
    base = _base(organization_id)
    return [base + _number(token) for token in tokens]


def _marks_of(record: Sequence[Any]) -> list[str]:
    event, actor_id, _, target_id, _, result, _, ip, _ = record
    return [
        mark("event", event),
        mark("event", event.partition(".")[0] + ".*"),
        mark("actor", actor_id),
        mark("target", target_id),
        mark("result", result),
        mark("ip", ip or ""),
    ]


def _texts_of(record: Sequence[Any]) -> Iterator[str]:
    event, actor_id, actor_label, target_id, target_label, _, data, ip, request_id = record
    yield from (event, actor_id, actor_label, target_id, target_label, ip or "", request_id)
    yield from islice(_texts_in(data), MOST_TEXTS)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)


def _tokens_in(text: str) -> set[str]:
    found = set()
    for word in _cut(text):
        found.add(word)
        if word.isalnum():
            continue
        if ":" in word:
            found.add(_usual(word))
        found.update(NARROWEST.findall(word))
        if WIDE_CUTS[1].search(word):
            for cut in WIDE_CUTS:
                found.update(cut.split(word))
    found.discard("")
    return found


@lru_cache(REMEMBERED)
def _numbers_in(text: str) -> frozenset[int]:
    return frozenset(map(_number, _tokens_in(text)))


def _cut(text: str) -> Iterator[str]:
    beginning = text[:LONGEST_TEXT]
    for word in WORD.findall(beginning.lower() if beginning.isascii() else _folded(beginning)):
        bare = word.strip(EDGES)
        if bare:
            yield bare


def _folded(text: str) -> str:
    # Without case some letters fall apart into a base and its marks, which are composed again.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _usual(word: str) -> str:
    try:
        return str(ip_address(word))
    except ValueError:
        return word


def _number(token: str) -> int:
    return crc32(token.encode("utf-8", "surrogatepass")) % TOKENS


@lru_cache(REMEMBERED)
def _base(organization_id: UUID) -> int:
    number = int.from_bytes(blake2b(organization_id.bytes, digest_size=NUMBER_BYTES).digest(), signed=True)
    return number // TOKENS * TOKENS
