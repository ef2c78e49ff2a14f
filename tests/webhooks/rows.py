"""Rows of endpoints for tests that only need them to be there: made at once, without a receiver behind them."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.models import new_id
from webhooks.models import Attempt, Delivery, Endpoint, EndpointHour
from webhooks.services.addresses import FitUrl
from webhooks.services.endpoints import create_endpoint

ADDRESS = "https://hooks.acme.example/a/path/of/quite/some/length/that/is/a/secret/0123456789abcdef"


@dataclass(frozen=True)
class Rows:
    """An endpoint, what it was created with, and one delivery of each state."""

    endpoint: Endpoint
    secret: str
    delivered: Delivery
    failed: Delivery
    pending: Delivery


def endpoint_rows(*, url: str = ADDRESS, description: str = "Platform team of the northern hemisphere") -> Rows:
    """An enabled endpoint of the organization in scope that is failing, with headers, deliveries, attempts, hours."""
    now = timezone.now()
    endpoint, secret = create_endpoint(
        actor=SYSTEM,
        url=FitUrl(url),
        events=["key.*", "member.*", "project.created", "webhook_endpoint.disabled"],
        description=description,
        headers={"Authorization": "Bearer the-bearer-of-acme", "X-Team": "platform"},
    )
    Endpoint.objects.filter(id=endpoint.id).update(
        failing_since=now - timedelta(hours=3), held_until=now + timedelta(minutes=20)
    )
    endpoint.refresh_from_db()
    for age, delivered, failed in ((0, 12, 3), (1, 40, 0), (30, 900, 1), (100, 0, 7)):
        EndpointHour.objects.create(
            endpoint=endpoint,
            hour=(now - timedelta(hours=age)).replace(minute=0, second=0, microsecond=0),
            delivered=delivered,
            failed=failed,
            milliseconds=120 * (delivered + failed),
            slowest=840,
        )
    event = AuditEvent.objects.order_by("id").first()
    delivered = Delivery.objects.create(
        endpoint=endpoint, event_id=event.id, event=event.event, state="delivered", tries=2, attempts=2,
        last_outcome="delivered", last_status=204, finished_at=now,
    )  # fmt: skip
    sent = {"url": url, "header_names": "Authorization X-Team", "answered_after": 4300}
    told = "content-type: text/html; charset=utf-8\nretry-after: 5\nx-request-id: " + "0123456789abcdef" * 8
    # One from before these were kept.
    _attempt(delivered, 1, "refused", status=503, response="<h1>Busy</h1>" + "x" * 900)
    _attempt(delivered, 2, "delivered", status=204, connected_after=12, secured_after=31, response_headers=told, **sent)
    failed = Delivery.objects.create(
        endpoint=endpoint, event_id=new_id(), event="member.role_changed", state="failed", tries=10, attempts=10,
        last_outcome="timed_out", finished_at=now,
    )  # fmt: skip
    _attempt(failed, 10, "timed_out", detail="The host hooks.acme.example does not answer in time.")
    pending = Delivery.objects.create(
        endpoint=endpoint, event_id=new_id(), event="key.created",
        due_at=now + timedelta(hours=2), tries=1, attempts=1, last_outcome="unreachable",
    )  # fmt: skip
    _attempt(pending, 1, "unreachable", detail="The host hooks.acme.example takes no connections at port 443.")
    return Rows(endpoint, secret, delivered, failed, pending)


def _attempt(delivery: Delivery, number: int, outcome: str, **fields: object) -> Attempt:
    return Attempt.objects.create(delivery=delivery, number=number, outcome=outcome, milliseconds=4321, **fields)
