"""Events are declared once, beside the code that causes them, and emitted once, inside the transaction of the change.

An app's `events.py` holds its declarations; they are loaded at start. `audit.services.record` takes the declaration
itself, so what is not declared cannot be emitted.
"""

import re
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

NAME = re.compile(r"^[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*$")


@dataclass(frozen=True)
class EventType:
    """`name` is `noun.past_verb`; `data` maps each field of the event's data to what it means."""

    name: str
    description: str
    data: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def subject(self) -> str:
        """The noun: `key` of `key.created`."""
        return self.name.split(".")[0]


_declared: dict[str, EventType] = {}


def declare(name: str, description: str, data: dict[str, str] | None = None) -> EventType:
    """Declares an event. Raises ValueError for a name that is malformed or declared already, so the program stops."""
    if not NAME.match(name):
        raise ValueError(f"Event names look like noun.past_verb, not {name!r}.")
    if name in _declared:
        raise ValueError(f"The event {name} is declared twice.")
    event_type = EventType(name, description, data or {})
    _declared[name] = event_type
    return event_type


def declared_events() -> list[EventType]:
    """All declarations by name."""
    return [_declared[name] for name in sorted(_declared)]


def declared_by_noun() -> list[tuple[str, list[EventType]]]:
    """The nouns by name, each with its declarations by name."""
    return [(noun, list(events)) for noun, events in groupby(declared_events(), key=attrgetter("subject"))]


def is_declared(event_type: EventType) -> bool:
    """Whether this very declaration is in the register."""
    return _declared.get(event_type.name) is event_type
