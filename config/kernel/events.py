"""Events are declared once, beside the code that causes them, and emitted once, inside the transaction of the change.

An app's `events.py` holds its declarations; they are loaded at start. `audit.services.record` takes the declaration
itself and data that it describes, so what is not declared cannot be emitted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import Any

from config.kernel.event_fields import Field, misfit, object_schema, required_of

NAME = re.compile(r"^[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*$")


@dataclass(frozen=True)
class EventType:
    """`name` is `noun.past_verb`; `data` has each field of the event's data (config/kernel/event_fields.py)."""

    name: str
    description: str
    data: Mapping[str, Field] = field(default_factory=dict, hash=False)

    @property
    def subject(self) -> str:
        """The noun: `key` of `key.created`."""
        return self.name.split(".")[0]

    @property
    def meanings(self) -> dict[str, str]:
        """What each field means."""
        return {name: each.meaning for name, each in self.data.items()}

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its data."""
        return object_schema(self.data)

    @cached_property
    def required(self) -> frozenset[str]:
        """The names of the fields that are never missing."""
        return required_of(self.data)

    def require_fit(self, data: Mapping[str, Any]) -> None:
        """Raises ValueError for data of another shape than is declared. The error names the field, not its value."""
        wrong = misfit(self.data, self.required, data)
        if wrong:
            raise ValueError(f"The data of {self.name}: {wrong}.")


_declared: dict[str, EventType] = {}


def declare(name: str, description: str, data: Mapping[str, Field] | None = None) -> EventType:
    """Declares an event, so that a mistake stops the program at start.

    Raises ValueError for a name that is malformed or declared already, and for a field without a type or a meaning.
    """
    if not NAME.match(name):
        raise ValueError(f"Event names look like noun.past_verb, not {name!r}.")
    if name in _declared:
        raise ValueError(f"The event {name} is declared twice.")
    for each, declared in (data or {}).items():
        if not isinstance(declared, Field) or not declared.meaning:
            raise ValueError(
                f"The field {each} of {name} needs a type and a meaning: see config/kernel/event_fields.py."
            )
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
