"""A chart of days as plain figures, which the template draws as SVG: no script, no style, no library."""

from dataclasses import dataclass
from datetime import date

from projects.models.usage import UsageDayQuerySet
from projects.selectors import Period

HEIGHT = 100
STEP = 10
BAR = 8
LOWEST = 1.5  # a day with anything at all is seen


@dataclass(frozen=True)
class Bar:
    """One day: where it stands and how high, in the units of the chart."""

    day: date
    count: int
    x: int
    y: float
    height: float


@dataclass(frozen=True)
class Chart:
    """The days of a period. `highest` is None when nothing happened."""

    bars: list[Bar]
    total: int
    highest: Bar | None
    width: int
    height: int = HEIGHT
    bar_width: int = BAR


def chart_of(rows: UsageDayQuerySet, period: Period) -> Chart:
    """The sum of `rows` for each day of the period. One query."""
    counts = {row["day"]: row["total"] for row in rows.grouped(["day"])}
    most = max(counts.values(), default=0)
    bars = []
    for position, day in enumerate(period.days):
        count = counts.get(day, 0)
        height = round(max(count / most * HEIGHT, LOWEST), 2) if count else 0
        bars.append(Bar(day, count, position * STEP + (STEP - BAR) // 2, round(HEIGHT - height, 2), height))
    highest = max(bars, key=lambda bar: bar.count) if most else None
    return Chart(bars, sum(counts.values()), highest, width=len(bars) * STEP)
