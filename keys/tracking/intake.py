"""Group commit: the requests that a process has at hand at the same time are written in one transaction.

A thread takes whatever has come while it was writing and writes it next, so nobody waits for a timer: alone, a request
is written at once; under load, a commit is shared by many. Each is answered only after the commit that holds it.
"""

import os
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from threading import Lock, Thread

import structlog
from django.db import InterfaceError, OperationalError, connection, reset_queries

from config.kernel.errors import Unavailable
from keys.tracking.events import Event
from keys.tracking.writing import Source, Submission, Tracked, write

MOST_ROWS = 5000
IDLE_SECONDS = 60.0
LONGEST_WAIT = 30.0
# Whom the last commit has woken come back one after the other. Under load it pays to wait for them, rather than to go
# off with the first: alone, or among a few, nobody waits.
CROWD = 8
GATHERING_SECONDS = 0.002

logger = structlog.get_logger()


def track(*, source: Source, events: Sequence[Event]) -> Tracked:
    """Counts events once and for all; returns after the commit.

    Inside a transaction of the caller's they stand or fall with that. Raises QuotaExceeded when they would pass the
    plan's events of this month, AuthFailure when the organization is gone, Unavailable when it is not known whether
    they were counted: whoever sends them again with the same ids counts them once.
    """
    submission = Submission(source, events)
    if connection.in_atomic_block:
        write([submission])
    else:
        _intake.put(submission)
        if not submission.wait(LONGEST_WAIT):
            raise Unavailable
    if submission.refusal:
        raise submission.refusal
    if submission.tracked is None:
        raise Unavailable
    return submission.tracked


class Intake:
    """The queue of one process and the thread that writes it."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Submission] = SimpleQueue()
        self._starting = Lock()
        self._process = 0

    def put(self, submission: Submission) -> None:
        """Hands a request to the thread, which is started when a process puts its first."""
        if self._process != os.getpid():
            with self._starting:
                if self._process != os.getpid():
                    Thread(target=self._work, name="usage", daemon=True).start()
                    self._process = os.getpid()
        self._queue.put(submission)

    def _work(self) -> None:
        batch: list[Submission] = []
        while True:
            crowded = len(batch) >= CROWD
            try:
                batch = [self._queue.get(timeout=IDLE_SECONDS)]
            except Empty:
                connection.close()
                batch = []
                continue
            if crowded:
                time.sleep(GATHERING_SECONDS)
            rows = len(batch[0].events)
            while rows < MOST_ROWS:
                try:
                    batch.append(self._queue.get_nowait())
                except Empty:
                    break
                rows += len(batch[-1].events)
            settle(batch)
            reset_queries()  # in development Django keeps what it ran, which elsewhere each request forgets


def settle(batch: Sequence[Submission]) -> None:
    """Writes a batch and wakes who waits for it. What fails together is tried again one by one."""
    try:
        write(batch)
    except Exception:
        # Whatever went wrong with one must not be the answer to the others, so no class of errors is left out.
        logger.warning("usage is written one by one", requests=len(batch), exc_info=True)
        _settle_each(batch)
    finally:
        for submission in batch:
            submission.settle()


def _settle_each(batch: Sequence[Submission]) -> None:
    connection.close()
    lost = 0
    for submission in batch:
        try:
            write([submission], again=True)
        except (OperationalError, InterfaceError):
            connection.close()
            lost += 1
            if lost > 1:  # the database is away, and each try would take as long as the one before
                break
        except Exception:
            logger.exception("usage could not be written", organization_id=str(submission.source.organization_id))
            submission.refusal = Unavailable()


_intake = Intake()
