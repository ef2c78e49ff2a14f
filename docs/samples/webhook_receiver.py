"""Receives webhooks of Tenantry, with Python's standard library alone (3.11 or newer).

    export WEBHOOK_SECRET=whsec_…
    python webhook_receiver.py 8080

Writes the name and id of each event, once, whatever is delivered twice. Put it behind your TLS.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE_SECONDS = 300
MOST_BYTES = 1024 * 1024
LENGTH = re.compile("[0-9]{1,20}")
# In life: a table with a unique id, written in the transaction of the work.
seen: set[str] = set()


class Refused(Exception):
    """The request is not from our Tenantry, or is not fresh."""


def verified(secret: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The event. Raises Refused unless a `v1` signature fits and its timestamp is within five minutes of now."""
    message_id = headers.get("webhook-id", "")
    given = [part.partition(",") for part in headers.get("webhook-signature", "").split()]
    try:
        timestamp = int(headers.get("webhook-timestamp", ""))
    except ValueError:
        raise Refused from None
    if abs(time.time() - timestamp) > TOLERANCE_SECONDS:
        raise Refused
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    # While a secret is rotated there are two signatures, and one fits.
    if not any(version == "v1" and hmac.compare_digest(expected, decoded(text)) for version, _, text in given):
        raise Refused
    return json.loads(body)


def decoded(text: str) -> bytes:
    """The bytes of a signature; none for what is no base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return b""


class Receiver(BaseHTTPRequestHandler):
    """Answers at once; what takes long belongs into a queue of yours."""

    protocol_version = "HTTP/1.1"
    timeout = 20  # seconds, for whoever sends nothing more

    def do_POST(self) -> None:
        """One delivery."""
        # Tenantry always says how long a body is. After a body that stays unread, nothing more can be read.
        length = self.headers.get("Content-Length")
        if length is not None and not LENGTH.fullmatch(length):
            return self.answer(400, close=True)
        if length is None or int(length) > MOST_BYTES:
            return self.answer(413, close=True)
        body = self.rfile.read(int(length))
        try:
            event = verified(os.environ["WEBHOOK_SECRET"], self.headers, body)
        except Refused:
            return self.answer(400)
        message_id = self.headers["webhook-id"]
        if message_id not in seen:
            seen.add(message_id)
            print(event["type"], message_id, flush=True)
        return self.answer(204)

    def answer(self, status: int, *, close: bool = False) -> None:
        """Without a body."""
        self.send_response(status)
        if close:
            self.send_header("Connection", "close")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Says nothing beside the events."""


def main() -> None:
    """The command described above."""
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print(f"Listening at http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
