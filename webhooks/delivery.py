"""The whole way of what is due, in two threads: one keeps the connections busy, one does the database's work.

No batch waits for its slowest call: each answer makes room for the next delivery at once. A worker that is killed
leaves deliveries that it had taken and not written; they are due again when the lease on them is over.
"""

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from config.kernel.tenancy.models import new_text_id
from webhooks.answers import Call
from webhooks.claiming import Claim, Message
from webhooks.desk import LOOK_SECONDS, Desk, close_connection
from webhooks.pace import Lanes
from webhooks.recording import Result
from webhooks.sending import SECONDS, Sender
from webhooks.signing import signatures

logger = structlog.get_logger()

# At the end of a run the connections run empty, so a run is long.
LONGEST_RUN = 900.0
# What a worker that is asked to stop lets end by itself.
STOP_SECONDS = 3.0
# Results are written when they are so many, or a third of all that is taken; and after so long in any case.
WORTH_WRITING = 400
WRITE_SECONDS = 0.25
# After an error of the database.
PAUSE_SECONDS = 0.5
# So often the desk tries to write the last of a run.
TURNS_AT_THE_END = 5
# A call that is begun so long before the end of the lease ends within it, and is written.
SPARE = timedelta(seconds=2 * SECONDS)
# By default a thread that computes keeps the interpreter for 5 ms, a tenth of what many receivers need to answer.
SWITCH_SECONDS = 0.0005
# By default 700, which is what a few deliveries make and keep until they are written: nothing of it is garbage.
OBJECTS_BETWEEN_COLLECTIONS = 20_000


class Delivering:
    """One run of a worker."""

    def __init__(self, connections: int) -> None:
        self.desk = Desk(connections)
        self._connections = connections
        # As many again for those that hang.
        self.sender = Sender(2 * connections)
        self._lanes: Lanes[Claim] = Lanes(self.desk.pace, connections)
        self._look_at = 0.0
        self._bell = threading.Event()
        self._is_ending = self._has_ended = False
        self._failure: Exception | None = None
        self._patience = TURNS_AT_THE_END

    def run(self, *, seconds: float, stopped: Callable[[], bool]) -> int:
        """Delivers for that long, or until it is to stop. Returns how many attempts were made.

        Goes on when the database has been away. Raises whatever else ends the work at the desk.
        """
        thread = threading.Thread(target=self._work, name="webhook desk", daemon=True)
        with interpreter_for_many():
            thread.start()
            try:
                end = time.monotonic() + seconds
                while time.monotonic() < end and not stopped() and thread.is_alive():
                    self.send(LOOK_SECONDS)
                self._run_empty(thread, stopped)
            finally:
                self._has_ended = True
                self._bell.set()
                thread.join()
                self.sender.close()
        if self._failure is not None:
            raise self._failure
        return self.desk.written

    def run_here(self) -> int:
        """Delivers what is due now, in this thread alone. Returns how many attempts were made."""
        try:
            while self.desk.turn() or self.desk.taken:
                self.send(LOOK_SECONDS)
        finally:
            self.sender.close()
        return self.desk.written

    def send(self, longest: float) -> None:
        """Begins what is ready, and takes the answers that have come. Waits up to `longest` seconds for some."""
        self.begin()
        ended = self.desk.ended
        answers = self.sender.wait(longest)
        now = timezone.now()
        for answer in answers:
            claim, attempt_id, began = answer.call.token
            self._lanes.end(claim.target.id, claim.id)
            ended.append(Result(claim, answer, attempt_id, began, now))
        if answers and len(ended) >= min(WORTH_WRITING, self.desk.taken // 3):
            self._bell.set()

    def begin(self) -> None:
        """Begins what is ready, as far as there are connections and the pace of its endpoint allows it."""
        ready, lanes, sender = self.desk.ready, self._lanes, self.sender
        while ready:
            claim = ready.popleft()
            lanes.add(claim.target.id, claim)
        at = time.monotonic()
        if at >= self._look_at:
            self._look_at = at + LOOK_SECONDS
            self._look(at)
        now = timezone.now()
        latest, timestamp = now + SPARE, int(now.timestamp())
        room = self._room()
        while room > 0 and (following := lanes.next(room)) is not None:
            if following.until < latest or following.message is None:
                self.desk.unsent.append(following)
            else:
                sender.begin(call_of(following, following.message, now, timestamp))
                lanes.begin(following.target.id, following.id, at)
                room -= 1

    def _room(self) -> int:
        """How many calls may be begun now: those that hang do not count."""
        return min(self._connections + self._lanes.excused - self.sender.calls, self.sender.room)

    def _look(self, at: float) -> None:
        """Lets go of what an endpoint has become too slow for, so that there is room to take what others wait for."""
        self.desk.hanging, excess = self._lanes.look(at)
        if excess:
            self.desk.unsent.extend(excess)
            self._bell.set()

    def _run_empty(self, thread: threading.Thread, stopped: Callable[[], bool]) -> None:
        """Lets what is on its way end while there is time for it, and lets go of the rest."""
        self._is_ending = True
        end = time.monotonic() + SECONDS
        while self.sender.calls and thread.is_alive():
            if stopped():
                end = min(end, time.monotonic() + STOP_SECONDS)
            if time.monotonic() >= end:
                break
            self._let_go()
            self.send(LOOK_SECONDS)
        self.desk.unsent.extend(call.token[0] for call in self.sender.break_off())
        self._let_go()

    def _let_go(self) -> None:
        self.desk.unsent.extend(self._lanes.empty())
        while self.desk.ready:
            self.desk.unsent.append(self.desk.ready.popleft())

    def _work(self) -> None:
        """The other thread."""
        try:
            while not (self._has_ended and self._has_written_all()):
                is_busy = self._turn()
                if is_busy:
                    self.sender.wake()
                self._bell.wait(WRITE_SECONDS if is_busy or self.desk.taken else LOOK_SECONDS)
                self._bell.clear()
        except Exception as failure:  # noqa: BLE001 - it is raised again in the thread that waits for this one
            self._failure = failure
        finally:
            close_connection()

    def _turn(self) -> bool:
        """One turn at the desk. False when there was nothing to do, or the database was away."""
        try:
            return self.desk.write() if self._is_ending else self.desk.turn()
        except (OperationalError, InterfaceError) as error:
            logger.warning("deliveries wait for the database", error=type(error).__name__)
            close_connection()
            time.sleep(PAUSE_SECONDS)
            return False

    def _has_written_all(self) -> bool:
        """Whether the thread may end: after the run it tries for some seconds only."""
        # It may have been taking some when the run ended.
        self._let_go()
        self._patience -= 1
        return self.desk.is_clear or self._patience < 0


def deliver(*, seconds: float = LONGEST_RUN, stopped: Callable[[], bool]) -> int:
    """Delivers for that long, or until `stopped`, which is asked often. Returns how many attempts were made."""
    return Delivering(settings.TENANTRY_WEBHOOK_CONNECTIONS).run(seconds=seconds, stopped=stopped)


def deliver_due() -> int:
    """Delivers what is due now and returns how many attempts were made."""
    return Delivering(settings.TENANTRY_WEBHOOK_CONNECTIONS).run_here()


@contextmanager
def interpreter_for_many() -> Iterator[None]:
    """Makes the interpreter change threads soon, and look for garbage rarely, and not among what was there before."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        sys.setswitchinterval(interval)


def call_of(claim: Claim, message: Message, now: datetime, timestamp: int) -> Call:
    """The signed request of a delivery that begins `now`, which is `timestamp` in whole seconds since 1970.

    Its token is the claim, the id of the attempt, and when it began.
    """
    headers = [
        f"webhook-id: {message.id}",
        f"webhook-timestamp: {timestamp}",
        f"webhook-signature: {signatures(claim.target.keys, message.id, timestamp, message.body, now=now)}",
    ]
    return Call(claim.target.url, headers, message.body, (claim, new_text_id(), now), claim.target.headers)
