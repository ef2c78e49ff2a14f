"""Charts of attempts as plain figures, which the template draws as SVG: no script, no style, no library.

What was delivered stands above the line, what failed hangs below it, so that nobody needs colours to tell them apart.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from webhooks.models import EndpointHour

HALF = 50
STEP = 10
BAR = 8
LOWEST = 2  # anything at all is seen
HOURS = 24
DAYS = 7


@dataclass(frozen=True)
class Bar:
    """The attempts of one hour or day that began at `start` (UTC), with the heights of both bars."""

    start: datetime
    delivered: int
    failed: int
    mean: int | None
    x: int
    up: float
    down: float

    @property
    def top(self) -> float:
        """Where the upper bar begins."""
        return HALF - self.up


@dataclass(frozen=True)
class Chart:
    """Bars side by side. `unit` is `hour` or `day`; `mean` milliseconds of all attempts, None without any."""

    unit: str
    bars: list[Bar]
    delivered: int
    failed: int
    mean: int | None
    slowest: int
    half: int = HALF
    height: int = 2 * HALF
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
    slowest = 0
    for start, row in rows:
        for place, count in enumerate((row.delivered, row.failed, row.milliseconds)):
            sums[start][place] += count
        slowest = max(slowest, row.slowest)
    most = max((max(delivered, failed) for delivered, failed, _ in sums.values()), default=0)
    bars = []
    for place, start in enumerate(starts):
        delivered, failed, milliseconds = sums[start]
        x = place * STEP + (STEP - BAR) // 2
        mean = _mean(milliseconds, delivered + failed)
        bars.append(Bar(start, delivered, failed, mean, x, _height(delivered, most), _height(failed, most)))
    delivered, failed, milliseconds = (sum(each[place] for each in sums.values()) for place in range(3))
    return Chart(unit, bars, delivered, failed, _mean(milliseconds, delivered + failed), slowest)


def _height(count: int, most: int) -> float:
    return round(max(count / most * HALF, LOWEST), 2) if count else 0


def _mean(milliseconds: int, attempts: int) -> int | None:
    return round(milliseconds / attempts) if attempts else None
