"""The bars of the health charts: to one scale, above and below the line, nothing beyond the frame."""

from datetime import UTC, datetime, timedelta

import pytest

from webhooks.models import EndpointHour
from webhooks.views.health_chart import HEIGHT, charts_of, first_hour

NOW = datetime(2031, 3, 16, 10, 25, tzinfo=UTC)


def hour(age: int, delivered: int, failed: int) -> EndpointHour:
    start = NOW.replace(minute=0) - timedelta(hours=age)
    return EndpointHour(hour=start, delivered=delivered, failed=failed, milliseconds=100 * (delivered + failed))


@pytest.mark.parametrize(
    "counts", [[(10, 0)], [(0, 10)], [(1000, 1), (1, 0)], [(1, 1000), (0, 1)], [(7, 7), (3, 2), (0, 0)]]
)
def test_bars_stay_inside_and_keep_their_proportions(counts: list[tuple[int, int]]):
    by_hour, _ = charts_of([hour(age, *pair) for age, pair in enumerate(counts)], NOW)
    tallest = max(max(bar.up, bar.down) for bar in by_hour.bars)
    assert tallest > HEIGHT * 0.4
    for bar in by_hour.bars:
        assert (bar.up > 0, bar.down > 0) == (bar.delivered > 0, bar.failed > 0)
        assert 0 <= bar.top <= by_hour.line
        assert by_hour.line + bar.down <= HEIGHT
    assert (by_hour.delivered, by_hour.failed) == tuple(map(sum, zip(*counts, strict=True)))


def test_days_begin_at_midnight_utc_and_hours_where_a_day_ago_was():
    rows = [hour(age, 1, 0) for age in range(24 * 8)]
    by_hour, by_day = charts_of([row for row in rows if row.hour >= first_hour(NOW)], NOW)
    assert (len(by_hour.bars), by_hour.delivered, by_hour.bars[0].start.hour) == (24, 24, 11)
    assert [bar.delivered for bar in by_day.bars] == [24] * 6 + [11]
    assert {bar.mean for bar in by_day.bars} == {100}
    assert by_day.bars[0].start == first_hour(NOW)


def test_without_rows_there_is_nothing_to_draw():
    assert [(chart.attempts, chart.bars[0].mean) for chart in charts_of([], NOW)] == [(0, None), (0, None)]
