"""What the delivery of webhooks is compared with: a Celery task for each, and an outbox with a bare socket loop."""

import hashlib
import hmac
import os
import selectors
import socket
import time
from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
from celery import Celery

TABLE = """
CREATE TABLE benchmark_event (
    id uuid PRIMARY KEY, url text NOT NULL, secret bytea NOT NULL, body bytea NOT NULL, claimed_until timestamptz,
    delivered_at timestamptz, status int
);
CREATE INDEX benchmark_event_due ON benchmark_event (id) WHERE delivered_at IS NULL
"""
FILL = """
INSERT INTO benchmark_event (id, url, secret, body)
SELECT gen_random_uuid(), %s, %s, %s FROM generate_series(1, %s) RETURNING id
"""
CLAIM = """
UPDATE benchmark_event AS e SET claimed_until = now() + interval '90 s'
FROM (
    SELECT id FROM benchmark_event
    WHERE delivered_at IS NULL AND (claimed_until IS NULL OR claimed_until < now())
    ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED
) AS due WHERE e.id = due.id RETURNING e.id, e.url, e.secret, e.body
"""
ACKNOWLEDGE = """
UPDATE benchmark_event AS e SET delivered_at = now(), status = given.status
FROM unnest(%s::uuid[], %s::int[]) AS given (id, status) WHERE e.id = given.id
"""
BODY = b'{"type":"project.updated","timestamp":"2026-01-01T00:00:00.000000Z","data":{%s}}' % (
    b",".join(b'"field_%d":"a value of some length"' % number for number in range(14))
)
QUEUE = "benchmark"

app = Celery("benchmark", broker=os.environ.get("REDIS_URL", ""))
app.conf.update(task_ignore_result=True, task_default_queue=QUEUE, worker_prefetch_multiplier=4)


def filled(connection: psycopg.Connection[Any], url: str, count: int) -> list[UUID]:
    """Makes rows to deliver; returns their ids."""
    with connection.transaction():
        connection.execute("TRUNCATE benchmark_event")
        return [row[0] for row in connection.execute(FILL, [url, os.urandom(32), BODY, count]).fetchall()]


def signed_headers(secret: bytes, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks."""
    message_id, timestamp = f"evt_{uuid4().hex}", str(int(time.time()))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": f"v1,{signature}"}


class Own:
    """The connection of a Celery worker."""

    connection: psycopg.Connection[Any] | None = None


@app.task(name="benchmark.deliver")
def deliver(row_id: str) -> None:
    """One delivery."""
    import requests

    if Own.connection is None:
        Own.connection = psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True)
    found = Own.connection.execute("SELECT url, secret, body FROM benchmark_event WHERE id = %s", [row_id]).fetchone()
    if found is None:
        return
    url, secret, body = found
    headers = {"Content-Type": "application/json", "User-Agent": "Tenantry", **signed_headers(secret, body)}
    answer = requests.post(url, data=body, headers=headers, timeout=15, allow_redirects=False)
    Own.connection.execute(
        "UPDATE benchmark_event SET delivered_at = now(), status = %s WHERE id = %s", [answer.status_code, row_id]
    )


class Outbox:
    """Claims a hundred, sends them over a hundred connections, acknowledges them, again and again."""

    def __init__(self, connection: psycopg.Connection[Any], url: str) -> None:
        self._connection = connection
        parts = urlsplit(url)
        self._place, self._path = (str(parts.hostname), int(parts.port or 80)), parts.path
        self._selector = selectors.DefaultSelector()
        self._free: list[socket.socket] = []

    def work_off(self) -> int:
        """Delivers all that is there."""
        done = 0
        while rows := self._connection.execute(CLAIM).fetchall():
            statuses = self._send(rows)
            self._connection.execute(ACKNOWLEDGE, [list(statuses), list(statuses.values())])
            done += len(rows)
        return done

    def _send(self, rows: list[tuple[Any, ...]]) -> dict[UUID, int]:
        waiting = {}
        for row_id, _url, secret, body in rows:
            connection = self._free.pop() if self._free else self._opened()
            headers = "\r\n".join(f"{name}: {value}" for name, value in signed_headers(secret, body).items())
            host, port = self._place
            head = (
                f"POST {self._path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: Tenantry\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n\r\n"
            )
            connection.send(head.encode() + body)
            waiting[connection] = row_id
        statuses = {}
        while waiting:
            for key, _ in self._selector.select():
                answer = key.fileobj.recv(65536)  # type: ignore[union-attr] # only sockets are registered
                row_id = waiting.pop(key.fileobj)  # type: ignore[call-overload] # likewise
                statuses[row_id] = int(answer[9:12])
                self._free.append(key.fileobj)  # type: ignore[arg-type] # likewise
        return statuses

    def _opened(self) -> socket.socket:
        connection = socket.create_connection(self._place)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(connection, selectors.EVENT_READ)
        return connection
