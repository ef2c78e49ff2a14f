"""Receives webhooks of Tenantry with the library of Standard Webhooks (`pip install standardwebhooks`).

    export WEBHOOK_SECRET=whsec_…
    python webhook_receiver_library.py 8080

Writes the name and id of each event, once, whatever is delivered twice. Put it behind your TLS.
"""

import os
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

MOST_BYTES = 1024 * 1024
LENGTH = re.compile("[0-9]{1,20}")
# In life: a table with a unique id, written in the transaction of the work.
seen: set[str] = set()


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
            event = Webhook(os.environ["WEBHOOK_SECRET"]).verify(body, dict(self.headers))
        except (WebhookVerificationError, ValueError):  # ValueError: a signature or body that is none
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
