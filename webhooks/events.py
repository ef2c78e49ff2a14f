"""Events of webhooks. A delivery is none: each would be delivered in its turn."""

from config.kernel.event_fields import changes, choice, identifier, integer, moment, text, texts
from config.kernel.events import declare

PROJECT = identifier("prj", "its project, if it has one", nullable=True)

ENDPOINT_CREATED = declare(
    "webhook_endpoint.created",
    "A webhook endpoint was created.",
    {
        "url": text("its address"),
        "events": texts("the names and patterns of what is sent there"),
        "project": PROJECT,
    },
)
ENDPOINT_UPDATED = declare(
    "webhook_endpoint.updated",
    "A webhook endpoint changed.",
    {
        "changes": changes(
            "what changed; of headers the names",
            {
                "url": text(),
                "events": texts(),
                "description": text(),
                "project": identifier("prj", nullable=True),
                "headers": texts(),
            },
        ),
        "project": PROJECT,
    },
)
ENDPOINT_ENABLED = declare(
    "webhook_endpoint.enabled", "Events are sent to a webhook endpoint again.", {"project": PROJECT}
)
ENDPOINT_DISABLED = declare(
    "webhook_endpoint.disabled",
    "No event is sent to a webhook endpoint any more.",
    {
        "cause": choice(
            "gone: it answered 410; failing: every attempt of five days failed", "by_hand", "gone", "failing"
        ),
        "pending": integer("how many deliveries were given up"),
        "project": PROJECT,
    },
)
ENDPOINT_DELETED = declare(
    "webhook_endpoint.deleted",
    "A webhook endpoint was deleted, with its deliveries.",
    {"url": text("its address"), "project": PROJECT},
)
ENDPOINT_TESTED = declare(
    "webhook_endpoint.tested",
    "Somebody sent a test to a webhook endpoint.",
    {"message": text("a greeting"), "project": PROJECT},
)
SECRET_ROTATED = declare(
    "webhook_endpoint.secret_rotated",
    "A webhook endpoint got a new secret.",
    {
        "previous_ends_at": moment("until when the old one signs, too; null: it does not", nullable=True),
        "project": PROJECT,
    },
)
SIGNING_KEY_CHANGED = declare(
    "webhook_endpoint.signing_key_changed",
    "A webhook endpoint's Ed25519 key was made, replaced or taken away.",
    {
        "verifying_key": text("the public half; null: there is none any more", nullable=True),
        "project": PROJECT,
    },
)
DELIVERY_REPLAYED = declare(
    "webhook_delivery.replayed",
    "Somebody asked for a delivery once more.",
    {
        "endpoint": identifier("whe", "its endpoint"),
        "event": identifier("evt", "its event"),
        "project": identifier("prj", "the endpoint's project, if it has one", nullable=True),
    },
)
ENDPOINT_REPLAYED = declare(
    "webhook_endpoint.replayed",
    "Somebody asked for everything that an endpoint missed since a time.",
    {"since": moment("since when"), "project": PROJECT},
)
