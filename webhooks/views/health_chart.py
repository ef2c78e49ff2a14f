"""Charts of attempts as plain figures, which the template draws as SVG: no script, no style, no library.

What was delivered stands above a line, what failed hangs below it, so that nobody needs colours to tell them apart.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from webhooks.models import EndpointHour

HEIGHT = 100
STEP = 10
BAR = 8
LOWEST = 2  # anything at all is seen
# Below the line there is so much room at least: without failures, and with any.
CLEAR, ROOM = 2, 12
HOURS = 24
DAYS = 7


@dataclass(frozen=True)
class Bar:
    """The attempts of one hour or day that began at `start` (UTC), with the places and heights of both bars."""

    start: datetime
    delivered: int
    failed: int
    mean: int | None
    x: int
    top: float
    up: float
    down: float


@dataclass(frozen=True)
class Chart:
    """Bars side by side. `unit` is `hour` or `day`; `line` is where the bars of both kinds meet."""

    unit: str
    bars: list[Bar]
    line: float
    delivered: int
    failed: int
    height: int = HEIGHT
    bar_width: int = BAR

    @property
    def width(self) -> int:
        """In the units of the chart."""
        return len(self.bars) * STEP

    @property
    def attempts(self) -> int:
        """All of them."""
        return self.delivered + self.failed


def charts_of(rows: Iterable[EndpointHour], now: datetime) -> tuple[Chart, Chart]:
    """The last 24 hours by hour and the last 7 days by day, today included, from the rows of that time."""
    rows = list(rows)
    hour = now.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    hours = [hour - timedelta(hours=age) for age in reversed(range(HOURS))]
    days = [day - timedelta(days=age) for age in reversed(range(DAYS))]
    by_hour = _chart("hour", hours, ((row.hour, row) for row in rows if row.hour >= hours[0]))
    return by_hour, _chart("day", days, ((row.hour.replace(hour=0), row) for row in rows if row.hour >= days[0]))


def first_hour(now: datetime) -> datetime:
    """From when on both charts need rows."""
    return (now - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)


def _chart(unit: str, starts: list[datetime], rows: Iterable[tuple[datetime, EndpointHour]]) -> Chart:
    sums: dict[datetime, list[int]] = defaultdict(lambda: [0, 0, 0])
    for start, row in rows:
        for place, count in enumerate((row.delivered, row.failed, row.milliseconds)):
            sums[start][place] += count
    most_delivered, most_failed = (max((each[place] for each in sums.values()), default=0) for place in (0, 1))
    share = HEIGHT * most_failed / (most_delivered + most_failed) if most_failed else 0
    below = min(max(share, ROOM if most_failed else CLEAR), HEIGHT - CLEAR)
    line = round(HEIGHT - below, 2)
    scale = min((space / most for space, most in ((line, most_delivered), (below, most_failed)) if most), default=0)
    bars = []
    for place, start in enumerate(starts):
        delivered, failed, milliseconds = sums[start]
        up, down = _height(delivered, scale), _height(failed, scale)
        attempts = delivered + failed
        mean = round(milliseconds / attempts) if attempts else None
        x = place * STEP + (STEP - BAR) // 2
        bars.append(Bar(start, delivered, failed, mean, x, round(line - up, 2), up, down))
    return Chart(unit, bars, line, *(sum(each[place] for each in sums.values()) for place in (0, 1)))


def _height(count: int, scale: float) -> float:
    return round(max(count * scale, LOWEST), 2) if count else 0
