"""Tracked events, as the REST interface reads them, and what it answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.kernel.api.serializers import Body, Record
from keys.tracking.events import MOST_EVENTS, Event, read_events
from projects.models.usage import EVENT_ID_LENGTH, NAME_LENGTH


@extend_schema_field(
    {
        "type": "array",
        "minItems": 1,
        "maxItems": MOST_EVENTS,
        "items": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": False,
            "properties": {
                "id": {
                    "type": ["string", "null"],
                    "minLength": 1,
                    "maxLength": EVENT_ID_LENGTH,
                    "description": "Counts once in the project for 35 days at least, however often it is sent.",
                },
                "name": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": NAME_LENGTH,
                    "description": "What happened, such as `page.viewed`. Begins with a letter or digit.",
                },
                "timestamp": {
                    "type": ["string", "null"],
                    "format": "date-time",
                    "description": "When it happened: within the last 30 days. Without it, now.",
                },
                "properties": {
                    "type": ["object", "null"],
                    "description": "What you like, in at most 8 KiB and 5 levels.",
                },
            },
        },
    }
)
class Events(serializers.Field):
    """The events; what is wrong is named by position and field."""

    def to_internal_value(self, data: Any) -> list[Event]:
        return read_events(data)

    def to_representation(self, value: Any) -> Any:
        return value


class TrackedEvents(Body):
    """What happened."""

    events = Events()


class TrackedRecord(Record):
    """What was counted."""

    accepted = serializers.IntegerField(help_text="How many events were counted now.")
    duplicates = serializers.IntegerField(help_text="How many had been counted before, by their ids.")
