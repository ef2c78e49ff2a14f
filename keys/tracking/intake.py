"""Group commit: the requests that a process has at hand at the same time are written in one transaction.

A thread takes whatever has come while it was writing and writes it next, so nobody waits for a timer: alone, a request
is written at once; under load, a commit is shared by many. Each is answered only after the commit that holds it.
"""

import os
from collections import deque
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
# Whom the last commit has woken come back one after the other. Under load it pays to wait until as many are there
# again, for a moment at most, rather than to go off with the first: alone, or among a few, nobody waits.
CROWD = 8
GATHERING_SECONDS = 0.004

logger = structlog.get_logger()


def track(*, source: Source, events: Sequence[Event]) -> Tracked:
    """Counts events once and for all; returns after the commit.

    Inside a transaction of the caller's they stand or fall with that. Raises QuotaExceeded when they would pass the
    plan's events of this month, AuthFailure when the organization is gone, Unavailable when it is not known whether
    they were counted: whoever sends them again with the same ids counts them once.
    """
    tracked = submit(Submission(source, events))
    if tracked is None:
        raise Unavailable
    return tracked


def submit(submission: Submission) -> Tracked | None:
    """What became of a request, after the commit. None when it was left, as its `prepare` said. Raises as `track`."""
    if connection.in_atomic_block:
        if _is_ready(submission):
            write([submission])
    else:
        _intake.put(submission)
        if not submission.wait(LONGEST_WAIT):
            raise Unavailable
    if submission.is_left:
        return None
    if submission.refusal:
        raise submission.refusal
    if submission.tracked is None:
        raise Unavailable
    return submission.tracked


def _is_ready(submission: Submission) -> bool:
    try:
        submission.is_left = not submission.prepare()
    except Exception:
        # Whatever is wrong with one, the others must not suffer.
        logger.exception("tracked events could not be read")
        submission.is_left = True
    return not submission.is_left


class Intake:
    """The queue of one process and the thread that writes it."""

    def __init__(self) -> None:
        self._waiting: deque[Submission] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._enough = 1
        self._starting = Lock()
        self._process = 0

    def put(self, submission: Submission) -> None:
        """Hands a request to the thread, which is started when a process puts its first."""
        if self._process != os.getpid():
            with self._starting:
                if self._process != os.getpid():
                    Thread(target=self._work, name="usage", daemon=True).start()
                    self._process = os.getpid()
        self._waiting.append(submission)
        if len(self._waiting) >= self._enough:
            self._bell.put(None)

    def _work(self) -> None:
        while True:
            if len(self._waiting) < self._enough and self._enough > 1:
                self._listen(GATHERING_SECONDS)
            # Who came before this line may not have rung; who comes after it does.
            self._enough = 1
            if not self._waiting and not self._listen(IDLE_SECONDS):
                connection.close()
            batch = self._gathered()
            if batch:
                self._expect(len(batch) if len(batch) >= CROWD else 1)
                settle(batch)
                reset_queries()  # in development Django keeps what it ran, which elsewhere each request forgets

    def _expect(self, number: int) -> None:
        """From now on the bell rings when so many are waiting. Earlier rings are forgotten."""
        self._enough = number
        while not self._bell.empty():
            self._listen(0)

    def _listen(self, seconds: float) -> bool:
        """Waits for the bell; False when it did not ring. It may have rung for somebody who was served already."""
        try:
            self._bell.get(timeout=seconds)
        except Empty:
            return False
        return True

    def _gathered(self) -> list[Submission]:
        """Who is waiting and ready, as far as one commit should hold them. Who is not is settled at once."""
        batch: list[Submission] = []
        rows = 0
        while rows < MOST_ROWS and self._waiting:
            submission = self._waiting.popleft()
            if _is_ready(submission):
                batch.append(submission)
                rows += len(submission.events)
            else:
                submission.settle()
        return batch


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
