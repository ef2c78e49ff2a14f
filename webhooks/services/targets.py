"""How rows of this app are named in the ledger. Addresses are cut: what follows the host is often a secret."""

from typing import Any
from urllib.parse import urlsplit

from audit.services import Target
from config.kernel.identifiers import public_id
from webhooks.models import Delivery, Endpoint


def endpoint_target(endpoint: Endpoint) -> Target:
    """An endpoint."""
    return Target("webhook_endpoint", endpoint.public_id, endpoint.name)


def delivery_target(delivery: Delivery) -> Target:
    """A delivery, by the name of its event."""
    return Target("webhook_delivery", delivery.public_id, delivery.event)


def told_url(url: str) -> str:
    """What everybody who reads the ledger, and every other endpoint, may know of an address: scheme, host and port."""
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc}"
    return shown if parts.path in ("", "/") and not parts.query else f"{shown}/…"


def project_data(endpoint: Endpoint) -> dict[str, Any]:
    """The field that sends an event to the endpoints of one project, too."""
    return {"project": public_id("prj", endpoint.project_id) if endpoint.project_id else None}
