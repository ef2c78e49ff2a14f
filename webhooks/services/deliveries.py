"""Deliveries that somebody asks for: a test, one once more, or everything that was missed since a time."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit.models import AuditEvent, first_id_at, moment_of
from audit.services import record
from config.kernel.errors import Absent, Conflict, Invalid
from config.kernel.principals import Principal
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import require_organization_id
from config.kernel.throttling import require_try
from webhooks import events
from webhooks.ladder import LADDER_LENGTH
from webhooks.models import Delivery, Endpoint
from webhooks.services.authority import locked_delivery, locked_endpoint, require_webhook_manager
from webhooks.services.targets import delivery_target, endpoint_target, project_data

GREETING = "Hello from Tenantry: this endpoint works."
FARTHEST_REPLAY = timedelta(days=30)
# How long somebody may look at a page that proposes the earliest time there is.
TIME_TO_READ = timedelta(minutes=10)


class Limit(NamedTuple):
    """How often something may be asked for: for one endpoint, and for all endpoints of an organization together."""

    what: str
    endpoint: str
    organization: str


# Whoever may ask for deliveries must not be able to hammer somebody's server with them, by many endpoints either.
TESTS = Limit("webhook test", "20/minute", "100/minute")
REPLAYS = Limit("webhook replay", "60/minute", "300/minute")
REPLAYS_SINCE = Limit("webhook replay since", "10/minute", "50/minute")


def replay_reach() -> timedelta:
    """How far back a replay reaches: no farther than deliveries are kept, which tell what was delivered."""
    return min(FARTHEST_REPLAY, timedelta(days=settings.TENANTRY_WEBHOOK_DELIVERIES_DAYS))


def missed_since(endpoint: Endpoint) -> datetime | None:
    """From when on a replay gets what a disabled endpoint missed, as far as replays reach; None if it is enabled.

    What was given up with it may have happened before, by as much as the ladder is long; older events, which somebody
    had replayed, are not looked for among all that the endpoint ever got. One query.
    """
    if endpoint.disabled_at is None:
        return None
    began = min(endpoint.failing_since or endpoint.disabled_at, endpoint.disabled_at)
    given_up = Delivery.objects.filter(
        endpoint=endpoint,
        event_id__gte=first_id_at(began - LADDER_LENGTH),
        state=Delivery.State.FAILED,
        finished_at__gte=began,
    )
    oldest = given_up.order_by("event_id").values_list("event_id", flat=True).first()
    if oldest is not None:
        began = min(began, moment_of(oldest))
    return max(began, timezone.now() - replay_reach() + TIME_TO_READ)


def send_test(*, actor: Principal, endpoint_id: UUID) -> Delivery:
    """Sends `webhook_endpoint.tested` to an endpoint, whatever it asks for. Raises Absent, Conflict, RateLimited."""
    _count(TESTS, endpoint_id)
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
    endpoint_id = Delivery.objects.filter(id=delivery_id).values_list("endpoint_id", flat=True).first()
    if endpoint_id is None:
        raise Absent
    _count(REPLAYS, endpoint_id)
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

    The work is the task's (webhooks/replaying.py). A replay in progress and this one become one. Raises Absent, Invalid
    for a time to come or beyond replay_reach, Conflict while the endpoint is disabled, RateLimited.
    """
    _count(REPLAYS_SINCE, endpoint_id)
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
        first = first_id_at(since)
        endpoint.replay_from = min(first, endpoint.replay_from or first)
        # Up to this very record: what comes after it is on its way by itself.
        endpoint.replay_until = max(row.id, endpoint.replay_until or row.id)
        endpoint.replay_moved_at = now
        endpoint.save(update_fields=["replay_from", "replay_until", "replay_moved_at"])
        enqueue("webhooks.replay", str(endpoint.id))
    return endpoint


def _count(limit: Limit, endpoint_id: UUID) -> None:
    """Raises RateLimited. Under the organization in scope, so that nobody uses up what is another one's."""
    organization_id = require_organization_id()
    require_try(limit.what, f"{organization_id}:{endpoint_id}", limit=limit.endpoint)
    require_try(limit.what, str(organization_id), limit=limit.organization)


def _enabled(endpoint_id: UUID) -> Endpoint:
    endpoint = locked_endpoint(endpoint_id)
    _require_enabled(endpoint)
    return endpoint


def _require_enabled(endpoint: Endpoint) -> None:
    if not endpoint.is_enabled:
        raise Conflict("The endpoint is disabled: enable it first.", code="endpoint_disabled")
