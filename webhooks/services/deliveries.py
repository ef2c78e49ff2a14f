"""Deliveries that somebody asks for: a test, one once more, or everything that was missed since a time."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit.models import AuditEvent
from audit.services import record
from config.kernel.errors import Conflict, Invalid
from config.kernel.principals import Principal
from config.kernel.tasks import enqueue
from config.kernel.throttling import require_try
from webhooks import events
from webhooks.models import Delivery, Endpoint
from webhooks.services.authority import locked_delivery, locked_endpoint, require_webhook_manager
from webhooks.services.targets import delivery_target, endpoint_target, project_data

GREETING = "Hello from Tenantry: this endpoint works."
FARTHEST_REPLAY = timedelta(days=30)
# Whoever may ask for deliveries must not be able to hammer somebody's server with them.
TEST_LIMIT = "20/minute"
REPLAY_LIMIT = "60/minute"
REPLAYS_LIMIT = "10/minute"


def replay_reach() -> timedelta:
    """How far back a replay reaches: no farther than deliveries are kept, which tell what was delivered."""
    return min(FARTHEST_REPLAY, timedelta(days=settings.TENANTRY_WEBHOOK_DELIVERIES_DAYS))


def send_test(*, actor: Principal, endpoint_id: UUID) -> Delivery:
    """Sends `webhook_endpoint.tested` to an endpoint, whatever it asks for. Raises Absent, Conflict, RateLimited."""
    require_try("webhook test", str(endpoint_id), limit=TEST_LIMIT)
    with transaction.atomic():
        endpoint = _enabled(endpoint_id)
        require_webhook_manager(actor)
        row = record(
            events.ENDPOINT_TESTED,
            actor=actor,
            target=endpoint_target(endpoint),
            data={"message": GREETING, **project_data(endpoint)},
        )
        # In the same transaction, so that this one is there before the outbox is looked at.
        return Delivery.objects.create(endpoint=endpoint, event_id=row.id, event=row.event, due_at=timezone.now())


def replay_delivery(*, actor: Principal, delivery_id: UUID) -> Delivery:
    """Delivers once more, at once and with the whole ladder of retries, whatever became of it before.

    Raises Absent, Conflict while the endpoint is disabled and for an event that the ledger no longer has, RateLimited.
    """
    require_try("webhook replay", str(delivery_id), limit=REPLAY_LIMIT)
    with transaction.atomic():
        delivery = locked_delivery(delivery_id)
        require_webhook_manager(actor)
        endpoint = delivery.endpoint
        _require_enabled(endpoint)
        if not AuditEvent.objects.filter(id=delivery.event_id).exists():
            raise Conflict("The audit log no longer has this event, so nothing can be sent.", code="event_forgotten")
        delivery.state, delivery.due_at = Delivery.State.PENDING, timezone.now()
        delivery.tries, delivery.finished_at = 0, None
        # A worker that has it at this moment keeps it: its lease stays.
        delivery.save(update_fields=["state", "due_at", "tries", "finished_at", "updated_at"])
        record(
            events.DELIVERY_REPLAYED,
            actor=actor,
            target=delivery_target(delivery),
            data={"endpoint": endpoint.public_id, "event": delivery.event_public_id, **project_data(endpoint)},
        )
        return delivery


def replay_since(*, actor: Principal, endpoint_id: UUID, since: datetime) -> Endpoint:
    """Delivers once more what failed, and for the first time what no delivery was made for, of events since then.

    The work is the task's (webhooks/replaying.py). Raises Absent, Invalid for a time to come or beyond replay_reach,
    Conflict while the endpoint is disabled, RateLimited.
    """
    require_try("webhook replays", str(endpoint_id), limit=REPLAYS_LIMIT)
    now = timezone.now()
    if since > now:
        raise Invalid.field("since", "Choose a time that is over.")
    if since < now - replay_reach():
        raise Invalid.field("since", f"Choose a time within the last {replay_reach().days} days.")
    with transaction.atomic():
        endpoint = _enabled(endpoint_id)
        require_webhook_manager(actor)
        row = record(
            events.ENDPOINT_REPLAYED,
            actor=actor,
            target=endpoint_target(endpoint),
            data={"since": since.isoformat(), **project_data(endpoint)},
        )
        # Up to this very record: what comes after it is on its way by itself.
        enqueue("webhooks.replay", str(endpoint.id), since.isoformat(), str(row.id), "")
    return endpoint


def _enabled(endpoint_id: UUID) -> Endpoint:
    endpoint = locked_endpoint(endpoint_id)
    _require_enabled(endpoint)
    return endpoint


def _require_enabled(endpoint: Endpoint) -> None:
    if not endpoint.is_enabled:
        raise Conflict("The endpoint is disabled: enable it first.", code="endpoint_disabled")
