"""The database's side of a delivery worker: takes what is due, and writes what became of it."""

import time
from collections import deque

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils import timezone

from webhooks.claiming import Claim, Claims
from webhooks.fan_out import BATCH, fan_out
from webhooks.models import Attempt
from webhooks.pace import FIRST, Pace
from webhooks.recording import Result, give_up, record_results

logger = structlog.get_logger()

# For each connection: one delivery that is on its way, and others to follow it without waiting for the database.
TAKEN_FOR_EACH = 12
MOST_WRITTEN = 500
# After so long what could not be written is tried again, since somebody else had the row of its endpoint.
ASIDE_SECONDS = 0.1
# How often the outbox is looked at, and the deliveries while nothing ends; more rarely when there is much to do anyway.
LOOK_SECONDS = 0.1
BUSY_LOOK_SECONDS = 0.25
UNANSWERED = frozenset({Attempt.Outcome.TIMED_OUT, Attempt.Outcome.UNREACHABLE})


class Desk:
    """Fills `ready` with deliveries to send, and writes what is put into `ended`.

    Deliveries that are not sent after all are put into `unsent`. Another thread may use the three, and set `hanging`:
    the endpoints of which much is on its way for longer than quick answers take.
    """

    def __init__(self, connections: int) -> None:
        self.ready: deque[Claim] = deque()
        self.ended: deque[Result] = deque()
        self.unsent: deque[Claim] = deque()
        self.hanging: set[str] = set()
        self.written = 0
        self.pace = Pace(connections, connections * TAKEN_FOR_EACH)
        self._claims = Claims()
        self._look_at = 0.0
        self._aside: list[Result] = []
        self._aside_until = 0.0

    @property
    def taken(self) -> int:
        """How many deliveries are taken and not written yet."""
        return self.pace.taken

    @property
    def is_clear(self) -> bool:
        """Whether all that has ended is written, and what is not sent let go."""
        return not (self.ended or self._aside or self.unsent)

    def turn(self) -> bool:
        """Writes, then takes. False when there was nothing to do. Raises django.db.Error, and nothing is lost."""
        has_written = self.write()
        has_taken = self.take(has_written=has_written)
        return has_written or has_taken

    def write(self) -> bool:
        """Writes what has ended, and lets go of what is not sent. False when there was nothing.

        What belongs to an endpoint that somebody else changes for long is put aside, so that no other waits for that.
        """
        if self._aside and time.monotonic() >= self._aside_until:
            self.ended.extendleft(reversed(self._aside))
            self._aside.clear()
        results = [self.ended[place] for place in range(min(len(self.ended), MOST_WRITTEN))]
        unsent = [self.unsent[place] for place in range(len(self.unsent))]
        left = {result.attempt_id for result in _record(results)} if results else set()
        if unsent:
            self._claims.release(unsent)
        # Not before they are written: when the database fails, they are tried again.
        for result in results:
            self.ended.popleft()
            if result.attempt_id in left:
                self._aside.append(result)
                self._aside_until = time.monotonic() + ASIDE_SECONDS
                continue
            outcome = result.answer.outcome
            seconds = result.answer.milliseconds / 1000
            self.pace.end(result.claim.target.id, seconds=seconds, answered=outcome not in UNANSWERED)
        for claim in unsent:
            self.unsent.popleft()
            self.pace.put_back(claim.target.id)
        for endpoint_id in self.hanging:
            self.pace.slow_down(endpoint_id)
        self.written += len(results) - len(left)
        return len(results) > len(left) or bool(unsent)

    def take(self, *, has_written: bool) -> bool:
        """Takes what is due. False when there was nothing, or it is too early to look again."""
        now = time.monotonic()
        is_more = False
        if now >= self._look_at:
            is_more = fan_out() >= BATCH
            pause = BUSY_LOOK_SECONDS if self.pace.taken >= MOST_WRITTEN // 2 else LOOK_SECONDS
            self._look_at = now if is_more else now + pause
        elif not has_written:
            return False
        if self.pace.room <= 0:
            return is_more
        self.pace.forget()
        claims = self._claims.take(self.pace.room, room=FIRST, rooms=self.pace.rooms())
        lost = [claim for claim in claims if claim.message is None]
        for claim in claims:
            if claim.message is not None:
                self.pace.take(claim.target.id)
                self.ready.append(claim)
        give_up(lost, timezone.now())
        return is_more or bool(claims)


def _record(results: list[Result]) -> list[Result]:
    """Returns those that are to be written later.

    Raises OperationalError or InterfaceError when the database does not answer, or two were in each other's way.
    """
    try:
        return record_results(results, waits=False)
    except (OperationalError, InterfaceError):
        raise
    except DatabaseError:
        if len(results) == 1:
            # It is delivered once more when its lease is over, rather than stopping all others.
            logger.exception("an attempt could not be recorded", delivery=str(results[0].claim.id))
            return []
        return [left for result in results for left in _record([result])]


def close_connection() -> None:
    """Gives the thread's connection back, or drops a broken one."""
    connection.close()
