"""Comparing pages."""

import re

VARIES = re.compile(r'csrfmiddlewaretoken" value="[^"]+"|"X-CSRFToken": "[^"]+"|nonce="[^"]*"|req_[0-9a-f]{32}')


def without_what_varies(text: str) -> str:
    """A page's text without anti-forgery tokens, nonces and request ids, which differ from request to request."""
    return VARIES.sub("", text)
