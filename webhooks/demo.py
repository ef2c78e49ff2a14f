"""Webhooks in the demo: an endpoint that fares well, and one that was disabled. No receiver is behind them."""

import random
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from audit.models import AuditEvent
from audit.services import record
from config.kernel.principals import SYSTEM
from orgs.models import Organization
from projects.models import Project
from webhooks.events import ENDPOINT_DISABLED
from webhooks.ladder import RETRY_SECONDS
from webhooks.models import Attempt, Delivery, Endpoint, EndpointHour
from webhooks.patterns import matches
from webhooks.services.addresses import FitUrl
from webhooks.services.endpoints import create_endpoint
from webhooks.services.targets import endpoint_target, project_data

HOURS = 7 * 24
DAY = timedelta(days=1)
SHOWN = 40
ONE_IN = 9  # deliveries of the good endpoint needed a second attempt
BUSY = '{"error": "The queue is full, come again in a minute."}'
GONE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


def ensure_webhooks(organization: Organization) -> None:
    """What the pages of webhooks show, in the organization in scope. Made once; only its health goes on by itself."""
    chance = random.Random(organization.slug)  # noqa: S311 - the same demo everywhere, nothing secret
    if not Endpoint.objects.exists():
        _make(organization, chance)
    good = Endpoint.objects.enabled().order_by("id").first()
    if good is not None and not EndpointHour.objects.filter(hour__gt=timezone.now() - DAY).exists():
        _add_hours(good, chance)


def _make(organization: Organization, chance: random.Random) -> None:
    host = f"{organization.slug}.example"
    good, _ = create_endpoint(
        actor=SYSTEM,
        url=FitUrl(f"https://hooks.{host}/tenantry"),
        events=["key.*", "member.*", "project.*"],
        description="Operations channel",
        headers={"Authorization": "Bearer of-the-demo"},
    )
    project = Project.objects.active().order_by("id").first()
    bad, _ = create_endpoint(
        actor=SYSTEM,
        url=FitUrl(f"https://warehouse.{host}/ingest/tenantry"),
        events=["*"],
        project_id=project.id if project else None,
        description="Old data warehouse",
    )
    found = [row for row in AuditEvent.objects.order_by("-id")[: SHOWN * 4] if matches(good.events, row.event)][:SHOWN]
    for row in reversed(found):
        _deliver(good, row, chance)
    for row in reversed(found[: SHOWN // 8]):
        _give_up(bad, row)
    _disable(bad)


def _deliver(endpoint: Endpoint, row: AuditEvent, chance: random.Random) -> None:
    """Delivered at once, or at the second attempt."""
    outcomes = ["refused", "delivered"] if chance.randrange(ONE_IN) == 0 else ["delivered"]
    delivery = Delivery.objects.create(
        endpoint=endpoint, event_id=row.id, event=row.event, state=Delivery.State.DELIVERED, tries=len(outcomes),
        attempts=len(outcomes), last_outcome="delivered", last_status=204, finished_at=timezone.now(),
    )  # fmt: skip
    for number, outcome in enumerate(outcomes, start=1):
        refused = outcome == "refused"
        Attempt.objects.create(
            delivery=delivery, number=number, outcome=outcome, status=503 if refused else 204,
            milliseconds=chance.randrange(40, 400), detail="The receiver answered with status 503." if refused else "",
            response=BUSY if refused else "", **_seen(endpoint, chance.randrange(5, 30)),
        )  # fmt: skip


def _give_up(endpoint: Endpoint, row: AuditEvent) -> None:
    """Tried up to the end of the ladder."""
    now, tries = timezone.now(), len(RETRY_SECONDS) + 1
    delivery = Delivery.objects.create(
        endpoint=endpoint, event_id=row.id, event=row.event, state=Delivery.State.FAILED, tries=tries, attempts=tries,
        last_outcome="refused", last_status=502, finished_at=now,
    )  # fmt: skip
    began = now - timedelta(seconds=sum(RETRY_SECONDS))
    for number in range(1, tries + 1):
        attempt = Attempt.objects.create(
            delivery=delivery, number=number, outcome="refused", status=502, milliseconds=40 + number,
            detail="The receiver answered with status 502.", response=GONE, **_seen(endpoint, 8),
        )  # fmt: skip
        Attempt.objects.filter(id=attempt.id).update(created_at=began)
        began += timedelta(seconds=RETRY_SECONDS[number - 1] if number < tries else 0)


def _seen(endpoint: Endpoint, milliseconds: int) -> dict[str, Any]:
    """What an attempt tells of its request, its connection and its answer."""
    return {
        "url": endpoint.url, "header_names": " ".join(endpoint.header_names),
        "response_headers": "content-type: text/html\nserver: gateway",
        "connected_after": milliseconds, "secured_after": 3 * milliseconds, "answered_after": 4 * milliseconds,
    }  # fmt: skip


def _disable(endpoint: Endpoint) -> None:
    """As after five days, without the mails."""
    endpoint.state, endpoint.disabled_cause = Endpoint.State.DISABLED, Endpoint.Cause.FAILING
    endpoint.disabled_at, endpoint.failing_since = timezone.now(), timezone.now() - 5 * DAY
    endpoint.save()
    record(
        ENDPOINT_DISABLED,
        actor=SYSTEM,
        target=endpoint_target(endpoint),
        data={"cause": endpoint.disabled_cause, "pending": 0, **project_data(endpoint)},
    )


def _add_hours(endpoint: Endpoint, chance: random.Random) -> None:
    """A week of attempts, most of them in the daytime, with a bad hour now and then."""
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    EndpointHour.objects.bulk_create(
        (_hour(endpoint, now - timedelta(hours=age), chance) for age in range(HOURS)), ignore_conflicts=True
    )


def _hour(endpoint: Endpoint, hour: datetime, chance: random.Random) -> EndpointHour:
    delivered = chance.randrange(12, 60) if 7 <= hour.hour <= 19 else chance.randrange(8)  # noqa: PLR2004 - working hours
    failed = chance.randrange(1, 6) if chance.randrange(12) == 0 else 0
    return EndpointHour(
        endpoint=endpoint, hour=hour, delivered=delivered, failed=failed,
        milliseconds=(delivered + failed) * chance.randrange(80, 220), slowest=chance.randrange(400, 2500),
    )  # fmt: skip
