"""Endpoints, and what was and is to be delivered to them."""

from webhooks.models.delivery import Attempt, Delivery
from webhooks.models.endpoint import Endpoint, EndpointHour
from webhooks.models.outbox import OutboxEntry

__all__ = ["Attempt", "Delivery", "Endpoint", "EndpointHour", "OutboxEntry"]
