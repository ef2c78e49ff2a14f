"""The `webhooks` section of the OpenAPI document: each declared event as receivers get it."""

from typing import Any

from config.kernel.events import EventType, declared_events
from config.kernel.identifiers import TYPE_ID
from webhooks.models import Endpoint

COMPONENT = "WebhookEvent"
TEXT = {"type": "string"}
MOMENT = {"type": "string", "format": "date-time"}


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """With every property required."""
    return {"type": "object", "properties": properties, "required": sorted(properties), **more}


NAMED = _object({"kind": TEXT, "id": TEXT, "label": TEXT})
# What webhooks.payloads makes of a record.
BODY = _object(
    {
        "type": {**TEXT, "description": "The event's name."},
        "timestamp": {**MOMENT, "description": "When it happened."},
        "data": _object(
            {
                "id": {**TEXT, "pattern": f"^evt_{TYPE_ID}$", "description": "The event's id, as in `webhook-id`."},
                "organization_id": {**TEXT, "pattern": f"^org_{TYPE_ID}$"},
                "actor": {**NAMED, "description": "Who did it."},
                "target": {
                    "description": "What it was done to; null for an event about nothing in particular.",
                    "oneOf": [NAMED, {"type": "null"}],
                },
                "result": {"enum": ["done", "refused"], "description": "`refused`: somebody tried, in vain."},
                # Without a type, which generators would take for an object of nothing. Each event has its own.
                "data": {"description": "The fields that the event declares."},
                "ip": {"type": ["string", "null"], "description": "From where it was asked for."},
                "user_agent": TEXT,
                "request_id": TEXT,
                "created_at": MOMENT,
            }
        ),
    },
    description="An event as receivers get it. More fields may come; ignore what you do not know.",
)
HEADERS = {
    "webhook-id": "The event's id. In every attempt the same: do what it means once.",
    "webhook-timestamp": "When this attempt was signed, in seconds since 1970. Refuse what is minutes off.",
    "webhook-signature": "Signatures with spaces between them: `v1,` and HMAC-SHA256 in base64 by the endpoint's "
    "secret (two while a rotation overlaps), `v1a,` and Ed25519 where the endpoint has a key. One that fits is enough.",
}
ANSWERS = {
    "2XX": {"description": "Taken. Answer within 15 seconds, and do the work afterwards."},
    "410": {"description": f"Nothing more, please: the endpoint is disabled. ({Endpoint.Cause.GONE.label})"},
    "default": {"description": "Not taken: tried again for three days, later if you send Retry-After."},
}


def described(result: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """drf-spectacular's hook: adds the section."""
    result["components"]["schemas"][COMPONENT] = BODY
    result["components"]["parameters"] = {
        name: {"in": "header", "name": name, "required": True, "description": words, "schema": TEXT}
        for name, words in HEADERS.items()
    }
    result["webhooks"] = {event.name: {"post": _delivery(event)} for event in declared_events()}
    return result


def _delivery(event: EventType) -> dict[str, Any]:
    own = _object({"type": {"const": event.name}, "data": _object({"data": event.schema})})
    schema = {"allOf": [{"$ref": f"#/components/schemas/{COMPONENT}"}, own]}
    return {
        "operationId": f"receive_{event.name.replace('.', '_')}",
        "summary": event.description,
        "tags": [event.subject],
        "security": [{}],
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in HEADERS],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": ANSWERS,
    }
