"""Reads of usage: what was counted in a period, grouped as asked, and how much of the month's quota is used."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.utils import timezone

from config.kernel.errors import Invalid
from config.kernel.paging import Page
from orgs.models import Organization
from orgs.plans import plan_of
from projects.models import UsageMonth
from projects.models.usage import DIMENSIONS, UsageDayQuerySet, next_month

USUAL_DAYS = 30
LONGEST_DAYS = 400
NEARLY = 80


@dataclass(frozen=True)
class Period:
    """Days in UTC, both included."""

    start: date
    end: date

    @property
    def days(self) -> list[date]:
        """Each of them."""
        return [self.start + timedelta(days=number) for number in range((self.end - self.start).days + 1)]


def period_of(start: date | None, end: date | None) -> Period:
    """The period asked for; by default the 30 days that end today. Raises Invalid if backwards or too long."""
    end = end or timezone.now().date()
    start = start or end - timedelta(days=USUAL_DAYS - 1)
    if start > end:
        raise Invalid.field("to", "Choose a day that is not before the first one.")
    if (end - start).days >= LONGEST_DAYS:
        raise Invalid.field("from", f"Choose at most {LONGEST_DAYS} days.")
    return Period(start, end)


@dataclass(frozen=True)
class Quota:
    """The month in hand by our clock: what is `used` of the `limit`, None for no limit."""

    month: date
    used: int
    limit: int | None

    @property
    def resets_on(self) -> date:
        """The day on which counting begins anew."""
        return next_month(self.month)

    @property
    def percent(self) -> int:
        """How much is used, 0 to 100; 0 without a limit."""
        return min(100, self.used * 100 // self.limit) if self.limit else 0

    @property
    def is_short(self) -> bool:
        """Whether people should look at it."""
        return self.limit is not None and self.used * 100 >= self.limit * NEARLY

    @property
    def is_used_up(self) -> bool:
        """Whether nothing more is taken."""
        return self.limit is not None and self.used >= self.limit


def quota_of(organization: Organization) -> Quota:
    """The quota of the organization in scope. One query."""
    month = timezone.now().date().replace(day=1)
    return Quota(month, UsageMonth.objects.count_in(month), plan_of(organization.plan).events)


def usage_page(rows: UsageDayQuerySet, dimensions: Sequence[str], *, cursor: str | None = None, limit: int) -> Page:
    """A page of the groups of `rows`, as `UsageDayQuerySet.grouped` makes and sorts them. One query."""
    after = None if cursor is None else _decode(dimensions, cursor)
    found = list(rows.grouped(dimensions, after=after)[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    return Page(found, _encode([found[-1][name] for name in dimensions]) if more else None)


def in_order(dimensions: Sequence[str]) -> list[str]:
    """The dimensions in the order in which rows are sorted, whatever the order in which they were asked for."""
    return [name for name in DIMENSIONS if name in dimensions]


def _encode(values: list[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(values)).decode().rstrip("=")


def _decode(dimensions: Sequence[str], cursor: str) -> list[Any]:
    """The values of the last group seen. Raises Invalid for a cursor that is not of these dimensions."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        return [_value(name, text) for name, text in zip(dimensions, values, strict=True)]
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise Invalid.field("cursor", "Use the cursor of a previous answer's next, or none.") from error


def _value(dimension: str, text: str) -> Any:
    if dimension == "day":
        return date.fromisoformat(text)
    if dimension == "project":
        return UUID(text)
    if not isinstance(text, str) or "\0" in text:
        raise ValueError("A cursor holds texts without NUL.")
    return text
