"""Reads that span models: how endpoints fare, and what hangs on one."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db.models import Max, Sum
from django.utils import timezone

from webhooks.models import Delivery, Endpoint, EndpointHour

WINDOW = timedelta(hours=24)


class Word(StrEnum):
    """An endpoint's health in a word.

    `quiet`: nothing was sent to it in the last 24 hours, or since it was enabled or got its address in that time.
    """

    HEALTHY = "healthy"
    FAILING = "failing"
    DISABLED = "disabled"
    QUIET = "quiet"


@dataclass(frozen=True)
class Health:
    """How the attempts of the last 24 hours went. `mean` and `slowest` are milliseconds, None without attempts."""

    word: Word
    delivered: int
    failed: int
    mean: int | None
    slowest: int | None
    failing_since: datetime | None

    @property
    def attempts(self) -> int:
        """All of them."""
        return self.delivered + self.failed


@dataclass(frozen=True)
class Deletion:
    """What deleting an endpoint would take along. `pending` are deliveries that are still to be made."""

    deliveries: int
    pending: int


def preview_deletion(endpoint: Endpoint) -> Deletion:
    """What deleting it would take along. Two queries."""
    rows = Delivery.objects.filter(endpoint=endpoint)
    return Deletion(deliveries=rows.count(), pending=rows.pending().count())


def health_of(endpoint: Endpoint) -> Health:
    """Of one endpoint. One query."""
    return healths_of([endpoint])[endpoint.id]


def healths_of(endpoints: Iterable[Endpoint]) -> dict[UUID, Health]:
    """By the id of each endpoint. One query for all of them."""
    rows = {endpoint.id: endpoint for endpoint in endpoints}
    recent = EndpointHour.objects.filter(endpoint_id__in=list(rows), hour__gt=timezone.now() - WINDOW)
    sums = recent.values("endpoint_id").annotate(
        of_delivered=Sum("delivered"), of_failed=Sum("failed"), time=Sum("milliseconds"), longest=Max("slowest")
    )
    counted = {
        row["endpoint_id"]: (row["of_delivered"], row["of_failed"], row["time"], row["longest"])
        for row in sums.order_by("endpoint_id")
    }
    return {key: _health(endpoint, *counted.get(key, (0, 0, 0, 0))) for key, endpoint in rows.items()}


def _health(endpoint: Endpoint, delivered: int, failed: int, time: int, slowest: int) -> Health:
    attempts = delivered + failed
    return Health(
        word=_word(endpoint, delivered),
        delivered=delivered,
        failed=failed,
        mean=round(time / attempts) if attempts else None,
        slowest=slowest if attempts else None,
        failing_since=endpoint.failing_since,
    )


def _word(endpoint: Endpoint, delivered: int) -> Word:
    if not endpoint.is_enabled:
        return Word.DISABLED
    if endpoint.failing_since is not None:
        return Word.FAILING
    # Failures alone, and not failing: they are from before it was enabled again, or got its address.
    return Word.HEALTHY if delivered else Word.QUIET
