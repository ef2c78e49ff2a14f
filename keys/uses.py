"""Uses of keys: the exact count of those that are limited in number, and when and how often each was used. Of personal
tokens only when and from where they were used last.

A limited number is kept in the key's own row and spent there, one statement a use. Everything else is gathered in
memory and written at most twice a minute, so many keys at a time, so that a verification writes nothing. A process
that is stopped writes what it gathered before it ends; one that is killed loses it.
"""

import threading
import time
from itertools import islice
from multiprocessing.util import Finalize
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error, connection, transaction

from config.kernel.middleware import address_in, forwarded_for
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.models import Key

logger = structlog.get_logger()

# Seconds, and keys written each time: the rest has to wait for the next times, since each costs about as much as it was
# asked once. So of a million keys in use each is written every 50 minutes.
INTERVAL = 30.0
MOST_AT_ONCE = 10_000
# Keys that may wait although memory has let go of them otherwise. Of more than that the rest is written at once.
MOST_LET_GO = 300_000
# The base 32 of TypeIDs in that of Python's int(), by position.
DIGITS = str.maketrans("0123456789abcdefghjkmnpqrstvwxyz", "0123456789abcdefghijklmnopqrstuv")
SUFFIX_LENGTH = 26
# A statement holds the core of a small machine for some hundredths of a second.
BATCH = 1_000

# In a request's environment: the use of its key is noted. So it is once, also when the full path answers in the end.
NOTED = "tenantry.use_noted"

SPEND = """
UPDATE keys_key SET remaining = remaining - %s WHERE org_id = %s AND id = %s AND remaining >= %s RETURNING remaining
"""
# Keys that are gone by now are left out. Sorted, so that processes that write the same keys do not wait in a circle.
WRITE = """
INSERT INTO keys_key_use (id, org_id, key_id, last_used_at, last_ip, count, created_at, updated_at)
SELECT used.id, key.org_id, key.id, to_timestamp(used.last_used_at), used.last_ip, used.count, now(), now()
FROM unnest(%s::uuid[], %s::uuid[], %s::float8[], %s::inet[], %s::bigint[])
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
# The same of personal tokens, whose rows tell it themselves.
WRITE_TOKENS = """
UPDATE keys_personal_token AS token SET
    last_used_ip = CASE WHEN used.last_used_at >= token.last_used_at OR token.last_used_at IS NULL
                        THEN COALESCE(used.last_ip, token.last_used_ip) ELSE token.last_used_ip END,
    last_used_at = GREATEST(token.last_used_at, used.last_used_at)
FROM (
    SELECT locked.id, to_timestamp(used.last_used_at) AS last_used_at, used.last_ip
    FROM unnest(%s::uuid[], %s::uuid[], %s::float8[], %s::inet[], %s::bigint[])
        AS used (id, token_id, last_used_at, last_ip, count)
    JOIN keys_personal_token AS locked ON locked.id = used.token_id
    ORDER BY locked.id FOR UPDATE OF locked
) AS used
WHERE token.id = used.id
"""
# By the beginning of public ids.
WRITES = {"key_": WRITE, "tok_": WRITE_TOKENS}

Uses = tuple[float, str | None, int]


def spend(*, organization_id: UUID, key_id: UUID, cost: int) -> tuple[bool, int]:
    """Takes `cost` of a key's remaining uses: whether there were as many, and how many are left."""
    with tenant_scope(organization_id):
        with connection.cursor() as cursor:
            cursor.execute(SPEND, [cost, organization_id, key_id, cost])
            row = cursor.fetchone()
        if row is not None:
            return True, row[0]
        return False, Key.objects.filter(id=key_id).values_list("remaining", flat=True).first() or 0


class Used:
    """Something with a public id whose uses are gathered: how many, the last at which second since 1970, from where."""

    __slots__ = ("public_id", "used_at", "used_from", "uses")

    def __init__(self, public_id: str) -> None:
        self.public_id = public_id
        self.uses = 0
        self.used_at = 0.0
        self.used_from: str | None = None


class UseRecorder:
    """Gathers uses; in a web server, which starts it, they are written in a thread of its own."""

    def __init__(self) -> None:
        self._used: list[Used] = []
        self._writing = threading.Lock()

    def note(self, used: Used, ip: str | None, now: float) -> None:
        """Remembers a use of a key at `now` (seconds since 1970), from an address as it came."""
        used.used_at = now
        if ip is not None:
            used.used_from = ip
        # No call in these two lines: the interpreter turns to another thread only there, so that each use is counted.
        uses = used.uses
        used.uses = uses + 1
        # Last: what the writing thread finds in the list has been counted.
        if not uses:
            self._used.append(used)

    def forget(self) -> None:
        """Drops what was gathered."""
        self._used = []

    def start(self) -> None:
        """Begins to write what is gathered in this process, the rest of it when the process ends in order."""
        threading.Thread(target=self._run, name="key-uses", daemon=True).start()
        Finalize(None, self.write_all, exitpriority=1)  # atexit says nothing in processes of multiprocessing

    def _run(self) -> None:
        while True:
            time.sleep(INTERVAL)
            try:
                self.write()
            except Exception:  # a fault in one writing must not end all others
                logger.exception("uses of keys could not be written")

    def write_all(self) -> None:
        """Writes everything that was gathered so far, unless something cannot be written."""
        for _ in range(0, len(self._used), MOST_AT_ONCE):
            if not self.write():
                return

    def write(self) -> bool:
        """Writes those that were used first. What could not be written is lost, and said in the log: then False."""
        with self._writing:
            return self._write_first()

    def _write_first(self) -> bool:
        rows: dict[str, Uses] = {}
        waiting = len(self._used)
        too_many = waiting - settings.TENANTRY_KEY_CACHE_SIZE - MOST_LET_GO
        taken = 0
        # Meanwhile others append, so the list stays the same one.
        for each in islice(self._used, waiting):
            if len(rows) >= MOST_AT_ONCE and taken >= too_many:
                break
            taken += 1
            # First of all: whoever notes a use from here on finds none, and puts the key into the list again.
            uses, each.uses = each.uses, 0
            at, ip, count = rows.get(each.public_id, (0.0, None, 0))
            newer = (each.used_at, each.used_from or ip) if each.used_at >= at else (at, ip or each.used_from)
            rows[each.public_id] = (*newer, count + uses)
        del self._used[:taken]
        ordered = sorted(rows.items())
        try:
            for beginning, statement in WRITES.items():
                of_kind = [row for row in ordered if row[0].startswith(beginning)]
                for start in range(0, len(of_kind), BATCH):
                    self._write(statement, of_kind[start : start + BATCH])
        except Error as error:
            logger.warning("uses of keys could not be written", error=type(error).__name__, keys=len(ordered))
            connection.close()
            return False
        return True

    def _write(self, statement: str, rows: list[tuple[str, Uses]]) -> None:
        addresses = {ip: _address(ip) for ip in {ip for _, (_, ip, _) in rows}}
        columns: list[Any] = [
            [new_id() for _ in rows],
            [id_behind(public_id) for public_id, _ in rows],
            [at for _, (at, _, _) in rows],
            [addresses[ip] for _, (_, ip, _) in rows],
            [count for _, (_, _, count) in rows],
        ]
        with system_scope("uses of keys"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, columns)


def id_behind(public_id: str) -> UUID:
    """The UUID of a TypeID that we made ourselves, which needs no checks."""
    return UUID(int=int(public_id[-SUFFIX_LENGTH:].translate(DIGITS), 32))


def _address(text: str | None) -> str | None:
    """The address noted: as it was told, or the whole X-Forwarded-For header that it stands in."""
    return address_in(forwarded_for(text) or text) if text else None


recorder = UseRecorder()
