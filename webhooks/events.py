"""Events of webhooks. A delivery is none: each would be delivered in its turn."""

from config.kernel.events import declare

ENDPOINT_CREATED = declare(
    "webhook_endpoint.created",
    "A webhook endpoint was created.",
    {"url": "its address", "events": "the names and patterns of what is sent there", "project": "its project, or none"},
)
ENDPOINT_UPDATED = declare(
    "webhook_endpoint.updated",
    "A webhook endpoint changed.",
    {"changes": "each changed field: [old, new]; of headers the names", "project": "its project, or none"},
)
ENDPOINT_ENABLED = declare(
    "webhook_endpoint.enabled", "Events are sent to a webhook endpoint again.", {"project": "its project, or none"}
)
ENDPOINT_DISABLED = declare(
    "webhook_endpoint.disabled",
    "No event is sent to a webhook endpoint any more.",
    {
        "cause": "by_hand; gone: it answered 410; failing: every attempt of five days failed",
        "pending": "how many deliveries were given up",
        "project": "its project, or none",
    },
)
ENDPOINT_DELETED = declare(
    "webhook_endpoint.deleted",
    "A webhook endpoint was deleted, with its deliveries.",
    {"url": "its address", "project": "its project, or none"},
)
ENDPOINT_TESTED = declare(
    "webhook_endpoint.tested",
    "Somebody sent a test to a webhook endpoint.",
    {"message": "a greeting", "project": "its project, or none"},
)
SECRET_ROTATED = declare(
    "webhook_endpoint.secret_rotated",
    "A webhook endpoint got a new secret.",
    {"previous_ends_at": "until when the old one signs, too", "project": "its project, or none"},
)
SIGNING_KEY_CHANGED = declare(
    "webhook_endpoint.signing_key_changed",
    "A webhook endpoint's Ed25519 key was made, replaced or taken away.",
    {"verifying_key": "the public half, or none", "project": "its project, or none"},
)
DELIVERY_REPLAYED = declare(
    "webhook_delivery.replayed",
    "Somebody asked for a delivery once more.",
    {"endpoint": "its endpoint", "event": "its event", "project": "the endpoint's project, or none"},
)
ENDPOINT_REPLAYED = declare(
    "webhook_endpoint.replayed",
    "Somebody asked for everything that an endpoint missed since a time.",
    {"since": "since when", "project": "its project, or none"},
)
