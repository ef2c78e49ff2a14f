"""What processes keep in memory, and how they learn in time that it is no longer so.

Triggers note each change of such a row in `orgs_change`, in the transaction of the change, so no writer can forget it
and no killed process can swallow it. Every process reads the notes some times a second and forgets what they name.
What it holds may be used for MAXIMUM_AGE after the start of a reading that succeeded: all that was committed before
that moment has been forgotten by then. Without a reading nothing kept is used, so a database that does not answer
makes the answers slow or absent, never stale. Valkey has no part in it.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import structlog
from django.db import Error, connection

logger = structlog.get_logger()

INTERVAL = 0.2
MAXIMUM_AGE = 1.0
# Notes are kept for an hour (orgs/tidying.py). Whoever has not read for half of that starts from nothing.
LONGEST_SILENCE = 1800.0

# One statement is one snapshot: the notes in it, and the oldest transaction that may still add some.
READ = """
SELECT pg_snapshot_xmin(snapshot)::text::bigint,
       ARRAY(SELECT ARRAY[id::text, kind, entity::text] FROM orgs_change WHERE transaction_id >= %s ORDER BY id)
FROM pg_current_snapshot() AS snapshot
"""

Listener = Callable[[str, UUID | None], None]


class ChangeFeed:
    """Reads the notes in a thread of its own. Listeners are called with `(kind, entity)`, or with `("", None)` when
    everything must be forgotten; they must be quick, and safe beside the threads that serve.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        # Read in every request of the fast path: `time.monotonic() < usable_until` is what `is_fresh` begins with.
        self.usable_until = 0.0
        self._lower = 0
        self._seen: set[str] = set()
        self._read_at = 0.0
        self._process = 0
        self._starting = threading.Lock()
        self.generation = 0

    def subscribe(self, listener: Listener) -> None:
        """Tells `listener` of every change from now on."""
        self._listeners.append(listener)

    @property
    def is_fresh(self) -> bool:
        """Whether what is kept in memory may be used now. Starts the reading on first use in each process."""
        if time.monotonic() < self.usable_until:
            return True
        self.start()
        return False

    def start(self) -> None:
        """Begins to read, once in each process."""
        if self._process == os.getpid():
            return
        with self._starting:
            if self._process == os.getpid():
                return
            self._process = os.getpid()
            threading.Thread(target=self._run, name="changes", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self.read()
            except Exception as error:  # noqa: BLE001 - without this thread nothing would ever be fresh again
                logger.warning("changes could not be read", error=type(error).__name__)
                with suppress(Error):
                    connection.close()
            time.sleep(INTERVAL)

    def read(self) -> None:
        """Reads once and tells the listeners. Raises django.db.Error."""
        started = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute(READ, [self._lower])
            oldest, notes = cursor.fetchone()
        # Backwards: the database was restored to an earlier state, and nothing kept can be trusted.
        if oldest < self._lower or (self._read_at and started - self._read_at > LONGEST_SILENCE):
            self._tell("", None)
        for note, kind, entity in notes:
            if note not in self._seen:
                self._tell(kind, UUID(entity))
        # Notes of transactions older than the oldest running one cannot come again.
        self._seen = {note for note, _, _ in notes}
        self._lower = oldest
        self._read_at = started
        self.usable_until = started + MAXIMUM_AGE

    def _tell(self, kind: str, entity: UUID | None) -> None:
        # Before the listeners: whoever loads a row meanwhile sees by it that the row may be of before the change.
        self.generation += 1
        for listener in self._listeners:
            listener(kind, entity)


feed = ChangeFeed()
