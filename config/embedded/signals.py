"""Requests to stop, noted instead of raised: an exception from a handler could lose a child just started."""

from __future__ import annotations

import signal
import time
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# `make` passes a SIGTERM on to us that its whole process group may have received as well.
SAME_REQUEST_SECONDS = 0.7


class StopSignals:
    """Counts Ctrl-C, SIGTERM and SIGHUP from now on."""

    def __init__(self) -> None:
        self.first: int | None = None
        self._first_time = 0.0
        self._again = False
        for number in STOP_SIGNALS:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first, self._first_time = number, now
        elif now - self._first_time > SAME_REQUEST_SECONDS:
            self._again = True

    def requested(self) -> bool:
        """Whether somebody asked us to stop."""
        return self.first is not None

    def hurried(self) -> bool:
        """Whether somebody asked a second time."""
        return self._again
