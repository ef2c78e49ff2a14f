"""Where deliveries may go, and what may go along: address and headers of an endpoint, as somebody typed them."""

import re
from collections.abc import Mapping
from typing import NewType

from config.kernel.addresses import AddressRefused, require_callable
from config.kernel.errors import Invalid
from webhooks.models.endpoint import MOST_HEADERS

LONGEST_NAME = 80
LONGEST_VALUE = 2000
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
# What we say ourselves, what only holds between two hops (RFC 9110, 7.6.1), and what would change how it is read.
OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "cookie",
        "date",
        "expect",
        "forwarded",
        "host",
        "http2-settings",
        "keep-alive",
        "max-forwards",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
    }
)
OUR_BEGINNINGS = ("content-", "if-", "proxy-", "sec-", "webhook-", "x-forwarded-")

# An address that was judged by `fit_url`.
FitUrl = NewType("FitUrl", str)


def fit_url(text: str) -> FitUrl:
    """The address, judged by its text and by where its host is now. Raises Invalid on the field `url`.

    Edges call it before the service, since it waits for the DNS, which no transaction must. Deliveries judge each
    connection again.
    """
    url = text.strip()
    if "#" in url:
        raise Invalid.field("url", "Leave out the fragment, from the # on.")
    try:
        require_callable(url)
    except AddressRefused as refusal:
        raise Invalid.field("url", str(refusal)) from None
    return FitUrl(url)


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers by name. Raises Invalid on the field `headers`, without what a value is."""
    if len(headers) > MOST_HEADERS:
        raise Invalid.field("headers", f"Send at most {MOST_HEADERS} headers of your own.")
    seen: set[str] = set()
    for name, value in headers.items():
        problem = _problem_of_name(name, seen) or _problem_of_value(name, value)
        if problem:
            raise Invalid.field("headers", problem)
        seen.add(name.lower())
    return dict(headers)


def _problem_of_name(name: str, seen: set[str]) -> str:
    """A sentence, or nothing."""
    if len(name) > LONGEST_NAME or not TOKEN.fullmatch(name):
        return f"Name each header by up to {LONGEST_NAME} letters, digits and hyphens, such as Authorization or X-Team."
    if name.lower() in OURS or name.lower().startswith(OUR_BEGINNINGS):
        return f"Leave out {name}: deliveries set it themselves, or must not have it."
    if name.lower() in seen:
        return f"Name {name} once only: capitals make no difference."
    return ""


def _problem_of_value(name: str, value: str) -> str:
    """A sentence, or nothing."""
    if len(value) <= LONGEST_VALUE and VALUE.fullmatch(value):
        return ""
    return f"Give {name} a value of 1 to {LONGEST_VALUE} printable ASCII characters, without a space around it."
