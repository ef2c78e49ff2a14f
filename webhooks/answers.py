"""What is sent to a receiver, and what its answer, or libcurl's word that there is none, means."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pycurl

from webhooks.ladder import LONGEST_PATIENCE
from webhooks.models import Attempt

NUL, REPLACEMENT = "\x00", "\ufffd"
# Members of enumerations are looked up by a function, each time.
DELIVERED = Attempt.Outcome.DELIVERED
OK, REDIRECT, ERROR, GONE = 200, 300, 400, 410
# Of the headers of an answer: those that help to find out what happened there, each cut after so many bytes, and all
# of them after so many.
TOLD = frozenset({
    b"allow", b"cf-ray", b"content-type", b"location", b"retry-after", b"server", b"www-authenticate",
    b"x-amzn-requestid", b"x-correlation-id", b"x-request-id",
})  # fmt: skip
LONGEST_LINE, LONGEST_HEAD = 300, 4096
# Shorter words of the endpoint's own headers stay: they stand in any answer, and what opens something is longer.
SHORTEST_MASKED = 8
# The longest value of such a header, each character as JSON may write it. It must be there whole to be found.
LONGEST_MASKED = 2000 * len(r"\u002f")
# Of headers that are told: a wish for patience that has more digits than libcurl counts.
ENDLESS = re.compile(r"^retry-after: 0*[1-9]\d{17,}$", re.MULTILINE)
# libcurl's codes of certificates that do not hold, among them its own authorities' file being unreadable.
_UNTRUSTED = frozenset({pycurl.E_SSL_CACERT, pycurl.E_SSL_PEER_CERTIFICATE, pycurl.E_SSL_ISSUER_ERROR,
                        pycurl.E_SSL_INVALIDCERTSTATUS, pycurl.E_SSL_CACERT_BADFILE})  # fmt: skip


class Call(NamedTuple):
    """A POST to make. `headers` as lines, and `own`, the endpoint's; `token` is the caller's."""

    url: str
    headers: Sequence[str]
    body: bytes
    token: Any
    own: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Without the address and the headers, which may be secrets."""
        return f"{type(self).__name__}({len(self.body)} bytes)"


class Answer(NamedTuple):
    """What became of a call. `status` is None without an answer, `retry_after` the seconds that it asked for.

    The last four as Attempt keeps them.
    """

    call: Call
    outcome: Attempt.Outcome
    status: int | None
    milliseconds: int
    detail: str
    response: str
    retry_after: float
    headers: str = ""
    connected_after: int | None = None
    secured_after: int | None = None
    answered_after: int | None = None


def judged(call: Call, status: int | None, code: int, *, is_forbidden: bool) -> tuple[Attempt.Outcome, str]:
    """The status decides as soon as there is one, whatever becomes of the body."""
    if status is None:
        return without_answer(call, code, is_forbidden=is_forbidden)
    if status < REDIRECT:
        return DELIVERED, ""
    if status < ERROR:
        return Attempt.Outcome.REDIRECTED, f"The receiver answered {status}, and redirects are not followed."
    if status == GONE:
        return Attempt.Outcome.GONE, "The receiver answered 410: it wants no more."
    return Attempt.Outcome.REFUSED, f"The receiver answered {status}."


def without_answer(call: Call, code: int, *, is_forbidden: bool) -> tuple[Attempt.Outcome, str]:
    """Tells no address: that would let customers read names of the operator's network."""
    host = urlsplit(call.url).hostname
    if is_forbidden:
        detail = f"The host {host} is not at a public address, or the address does not begin with https://."
        return Attempt.Outcome.FORBIDDEN, detail
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return Attempt.Outcome.TIMED_OUT, f"The host {host} did not answer in time."
    if code in _UNTRUSTED:
        detail = f"The certificate of {host} is not for that name, has expired, or no known authority has signed it."
        return Attempt.Outcome.UNTRUSTED, detail
    if code == pycurl.E_COULDNT_RESOLVE_HOST:
        return Attempt.Outcome.UNREACHABLE, f"The host {host} has no address."
    if code == pycurl.E_COULDNT_CONNECT:
        return Attempt.Outcome.UNREACHABLE, f"The host {host} takes no connections."
    return Attempt.Outcome.UNREACHABLE, f"The host {host} broke the connection off, or does not speak HTTP."


def masked(answer: bytes, own: tuple[str, ...]) -> bytes:
    """An answer, as long as it was, with asterisks for what it repeats of the values of the endpoint's own headers."""
    for word in _words_of(own) if own else ():
        answer = word.sub(_asterisks, answer)
    return answer


@lru_cache(maxsize=1000)
def _words_of(own: tuple[str, ...]) -> tuple[re.Pattern[bytes], ...]:
    """The whole values and their words, the longest first: of `Bearer …` a receiver may repeat the second one alone.

    `Accept`, `Accept-Language` and the like hold no secret, and often what answers say, too.
    """
    values = {line.partition(": ")[2] for line in own if not line.lower().startswith("accept")}
    words = {word for value in values for word in (value, *value.split()) if len(word) >= SHORTEST_MASKED}
    return tuple(re.compile("".join(map(_spelled, word)).encode()) for word in sorted(words, key=len, reverse=True))


def _spelled(character: str) -> str:
    """A pattern for a character as it is, and as JSON may write it."""
    if character.isalnum():
        return character
    return rf"(?:\\?{re.escape(character)}|\\u00(?i:{ord(character):02x}))"


def _asterisks(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])


def told(lines: list[bytes], own: tuple[str, ...] = ()) -> str:
    """What is kept of the headers of an answer, which begin where the announcements of it end."""
    return _told(masked(b"".join(lines)[: LONGEST_HEAD + LONGEST_MASKED], own)[:LONGEST_HEAD])


def patience_asked(seconds: int, headers: str) -> float:
    """The seconds of Retry-After by libcurl's count, which takes what is too long for it for none."""
    return LONGEST_PATIENCE if not seconds and ENDLESS.search(headers) else seconds


@lru_cache(maxsize=500)
def _told(head: bytes) -> str:
    """The same ones come with most answers of a receiver."""
    found: list[str] = []
    for line in head.splitlines():
        if line.startswith(b"HTTP/"):
            found.clear()
            continue
        name, colon, value = line[:LONGEST_LINE].partition(b":")
        name = name.lower()
        if colon and name in TOLD:
            found.append(f"{name.decode()}: {value.strip().decode(errors='replace').replace(NUL, REPLACEMENT)}")
    return "\n".join(found)
