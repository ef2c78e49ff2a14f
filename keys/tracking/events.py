"""What a tracked event may be. The one check of both doors, the REST view and the fast path."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.utils import timezone

from config.kernel.errors import Invalid
from projects.models.usage import EVENT_ID_LENGTH, NAME_LENGTH

MOST_EVENTS = 500
PROPERTIES_BYTES = 8192
PROPERTIES_DEPTH = 5
# Shorter than ids are remembered, so that an event with a timestamp is either a known duplicate or too old.
OLDEST = timedelta(days=30)
NEWEST = timedelta(hours=1)  # clocks of devices go wrong
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)  # RFC 3339
FIELDS = frozenset({"id", "name", "timestamp", "properties"})
NO_PROPERTIES = b"{}"

UNKNOWN = "This field is not known here; leave it out."
BAD_NAME = (
    f"Write a name of 1 to {NAME_LENGTH} characters on one line that begins with a letter or digit, "
    "such as page.viewed."
)
BAD_ID = f"Send a string of 1 to {EVENT_ID_LENGTH} printable characters, such as a UUID."
BAD_TIMESTAMP = "Write a time with its offset from UTC, such as 2031-05-04T10:00:00Z."
OLD_TIMESTAMP = f"Send events within {OLDEST.days} days: this one is too old to be counted."
EARLY_TIMESTAMP = "Set the clock right: this event is more than an hour in the future."
BAD_PROPERTIES = "Send an object."
LARGE_PROPERTIES = f"Send at most {PROPERTIES_BYTES} bytes of properties."
DEEP_PROPERTIES = f"Nest properties at most {PROPERTIES_DEPTH} levels deep."
WRONG_PROPERTIES = "Send strings without NUL, and whole numbers of at most 64 bits."


@dataclass(slots=True)
class Event:
    """One event that passed. `properties` is JSON; without an `id` it counts each time that it is sent."""

    name: str
    id: str | None = None
    timestamp: datetime | None = None
    properties: bytes = NO_PROPERTIES


def read_events(data: Any) -> list[Event]:
    """The events of a request's `events`: 1 to MOST_EVENTS objects `{id?, name, timestamp?, properties?}`.

    Raises Invalid, which names each wrong field under the event's position; then none of them is taken.
    """
    if not isinstance(data, list) or not 1 <= len(data) <= MOST_EVENTS:
        raise Invalid.field("events", f"Send a list of 1 to {MOST_EVENTS} events.")
    events, wrong = [], {}
    for position, given in enumerate(data):
        found = _read_event(given)
        if type(found) is Event:
            events.append(found)
        else:
            wrong[str(position)] = found
    if wrong:
        raise Invalid(errors={"events": wrong})
    return events


def _read_event(given: Any) -> Event | dict[str, list[str]]:
    """The event, or the sentences about its wrong fields."""
    if not isinstance(given, dict):
        return {"event": ["Send an object with a name."]}
    name, event_id = given.get("name"), given.get("id")
    timestamp = _timestamp(given["timestamp"]) if "timestamp" in given else None
    properties = _properties(given["properties"]) if "properties" in given else NO_PROPERTIES
    right = (
        _is_name(name),
        event_id is None or _is_id(event_id),
        type(timestamp) is not str,
        type(properties) is bytes,
        given.keys() <= FIELDS,
    )
    if False not in right:
        return Event(name, event_id, timestamp, properties)  # type: ignore[arg-type] # what is wrong goes on
    sentences = {"name": BAD_NAME, "id": BAD_ID, "timestamp": timestamp, "properties": properties}
    errors = {
        field: [str(sentence)] for (field, sentence), fits in zip(sentences.items(), right, strict=False) if not fits
    }
    return errors | {str(field): [UNKNOWN] for field in given.keys() - FIELDS}


def _is_name(given: Any) -> bool:
    """Whether it fits: no spreadsheet takes it for a formula, and it is written in one way only."""
    return (
        isinstance(given, str)
        and 1 <= len(given) <= NAME_LENGTH
        and given[0].isalnum()
        and given.isprintable()
        and given[-1] != " "
    )


def _is_id(given: Any) -> bool:
    return isinstance(given, str) and 1 <= len(given) <= EVENT_ID_LENGTH and given.isprintable()


def _timestamp(given: Any) -> datetime | str | None:
    """The time in UTC, None for none, or the sentence about what is wrong."""
    if given is None:
        return None
    if not isinstance(given, str) or not MOMENT.fullmatch(given):
        return BAD_TIMESTAMP
    try:
        moment = datetime.fromisoformat(given.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return BAD_TIMESTAMP
    now = timezone.now()
    if moment < now - OLDEST:
        return OLD_TIMESTAMP
    return EARLY_TIMESTAMP if moment > now + NEWEST else moment


def _properties(given: Any) -> bytes | str:
    """The properties as JSON, or the sentence about what is wrong."""
    if given is None or given == {}:
        return NO_PROPERTIES
    if not isinstance(given, dict):
        return BAD_PROPERTIES
    if not _is_shallow(given):
        return DEEP_PROPERTIES
    try:
        text = orjson.dumps(given)
    except TypeError:
        return WRONG_PROPERTIES
    # PostgreSQL keeps no NUL in a text. The escape is looked for first, which a backslash in a text can look like.
    if b"\\u0000" in text and _has_nul(given):
        return WRONG_PROPERTIES
    return text if len(text) <= PROPERTIES_BYTES else LARGE_PROPERTIES


def _is_shallow(properties: dict[str, Any]) -> bool:
    level: list[Any] = [properties]
    for _ in range(PROPERTIES_DEPTH):
        inner = (item.values() if isinstance(item, dict) else item for item in level)
        level = [child for values in inner for child in values if isinstance(child, dict | list)]
        if not level:
            return True
    return False


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any("\0" in name or _has_nul(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(_has_nul(inner) for inner in value)
    return isinstance(value, str) and "\0" in value
