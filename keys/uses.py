"""Uses of keys: the exact count of those that are limited in number, and when and how often each was used.

A limited number is kept in the key's own row and spent there, one statement a use. Everything else is gathered in
memory and written twice a minute, so that a verification writes nothing; a process that ends loses that half minute.
"""

import ipaddress
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

import structlog
from django.db import Error, connection, transaction

from config.kernel.identifiers import required_id
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.facts import KeyFacts
from keys.models import Key

logger = structlog.get_logger()

INTERVAL = 30.0
# Beyond this many keys in one interval further keys are noted when they are used the next time.
MOST_GATHERED = 200_000
BATCH = 5_000

SPEND = """
UPDATE keys_key SET remaining = remaining - %s WHERE org_id = %s AND id = %s AND remaining >= %s RETURNING remaining
"""
# Keys that are gone by now are left out. Sorted, so that processes that write the same keys do not wait in a circle.
WRITE = """
INSERT INTO keys_key_use (id, org_id, key_id, last_used_at, last_ip, count, created_at, updated_at)
SELECT used.id, key.org_id, key.id, used.last_used_at, used.last_ip, used.count, now(), now()
FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::inet[], %s::bigint[])
    AS used (id, key_id, last_used_at, last_ip, count)
JOIN keys_key AS key ON key.id = used.key_id
ORDER BY key.id
ON CONFLICT (org_id, key_id) DO UPDATE SET
    last_ip = CASE WHEN excluded.last_used_at >= keys_key_use.last_used_at
                   THEN COALESCE(excluded.last_ip, keys_key_use.last_ip) ELSE keys_key_use.last_ip END,
    last_used_at = GREATEST(keys_key_use.last_used_at, excluded.last_used_at),
    count = keys_key_use.count + excluded.count,
    updated_at = now()
"""


def spend(key: KeyFacts, cost: int) -> tuple[bool, int]:
    """Takes `cost` of a key's remaining uses: whether there were as many, and how many are left."""
    organization_id, key_id = key.project.organization.id, required_id("key", key.public_id)
    with tenant_scope(organization_id):
        with connection.cursor() as cursor:
            cursor.execute(SPEND, [cost, organization_id, key_id, cost])
            row = cursor.fetchone()
        if row is not None:
            return True, row[0]
        return False, Key.objects.filter(id=key_id).values_list("remaining", flat=True).first() or 0


@dataclass(slots=True)
class Use:
    """What was gathered of one key: seconds since 1970, the last address as it came, and how often."""

    at: float
    ip: str | None
    count: int


class UseRecorder:
    """Gathers uses and writes them in a thread of its own, which starts with the first use in each process."""

    def __init__(self) -> None:
        self._gathered: dict[str, Use] = {}
        self._lock = threading.Lock()
        self._process = 0

    def note(self, key_id: str, ip: str | None, now: float) -> None:
        """Remembers a use of a key, named by its public id, at `now` (seconds since 1970)."""
        gathered = self._gathered
        use = gathered.get(key_id)
        if use is not None:
            # Two threads at once may count two uses as one; the exact numbers are those of `spend`.
            use.at, use.count = now, use.count + 1
            if ip is not None:
                use.ip = ip
        elif len(gathered) < MOST_GATHERED:
            gathered[key_id] = Use(now, ip, 1)
            if self._process != os.getpid():
                self._start()

    def _start(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                return
            self._process = os.getpid()
            threading.Thread(target=self._run, name="key-uses", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(INTERVAL)
            self.write()

    def write(self) -> None:
        """Writes what was gathered. What could not be written is lost, and said in the log."""
        with self._lock:
            gathered, self._gathered = self._gathered, {}
        rows = sorted(((required_id("key", key_id), use) for key_id, use in list(gathered.items())), key=itemgetter(0))
        try:
            for start in range(0, len(rows), BATCH):
                self._write(rows[start : start + BATCH])
        except Error as error:
            logger.warning("uses of keys could not be written", error=type(error).__name__, keys=len(rows))
            connection.close()

    def _write(self, rows: list[tuple[UUID, Use]]) -> None:
        columns: list[Any] = [
            [new_id() for _ in rows],
            [key_id for key_id, _ in rows],
            [datetime.fromtimestamp(use.at, UTC) for _, use in rows],
            [_address(use.ip) for _, use in rows],
            [use.count for _, use in rows],
        ]
        with system_scope("uses of keys"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(WRITE, columns)


def _address(text: str | None) -> str | None:
    try:
        return str(ipaddress.ip_address(text)) if text else None
    except ValueError:
        return None


recorder = UseRecorder()
