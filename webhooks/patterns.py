"""What an endpoint wants to hear of: names of events, `key.*` for every event of a noun, `*` for all."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol
from uuid import UUID

from config.kernel.errors import Invalid
from config.kernel.events import declared_events
from config.kernel.identifiers import parse_public_id
from webhooks.events import ENDPOINT_TESTED
from webhooks.models.endpoint import MOST_PATTERNS, Endpoint

EVERYTHING = "*"


class Recorded(Protocol):
    """A record of the ledger, as far as patterns and projects are concerned."""

    @property
    def event(self) -> str:
        """Its event's name."""

    @property
    def target_kind(self) -> str:
        """What kind of thing it is about."""

    @property
    def target_id(self) -> str:
        """The public id of that."""

    @property
    def data(self) -> dict[str, Any]:
        """The fields of its event."""


def matches(patterns: Collection[str], event: str) -> bool:
    """Whether one of the patterns is the event's name, its noun's `.*`, or `*`."""
    return event in patterns or EVERYTHING in patterns or f"{event.partition('.')[0]}.*" in patterns


def readable_patterns(patterns: Sequence[str]) -> list[str]:
    """The patterns, each once, in their order. Raises Invalid on the field `events` for one that nothing matches."""
    chosen = list(dict.fromkeys(pattern.strip() for pattern in patterns))
    if not chosen:
        raise Invalid.field("events", "Choose at least one event, or * for all of them.")
    if len(chosen) > MOST_PATTERNS:
        raise Invalid.field("events", f"Choose at most {MOST_PATTERNS} events and patterns; key.* stands for many.")
    known = {EVERYTHING}
    for event_type in declared_events():
        known |= {event_type.name, f"{event_type.subject}.*"}
    unknown = [pattern for pattern in chosen if pattern not in known]
    if unknown:
        raise Invalid.field(
            "events", f"There is no event {unknown[0][:80]}. Write names from the catalogue, a noun with .* or *."
        )
    return chosen


def project_of(record: Recorded) -> UUID | None:
    """The project that a record is about: its target, or the one that its data names."""
    reference = record.target_id if record.target_kind == "project" else record.data.get("project")
    return parse_public_id("prj", reference) if isinstance(reference, str) else None


def is_wanted(record: Recorded, *, patterns: Collection[str], project_id: UUID | None) -> bool:
    """Whether who asks for these patterns, in that project if it is one, wants to hear of a record."""
    return matches(patterns, record.event) and (project_id is None or project_id == project_of(record))


def is_for(endpoint: Endpoint, record: Recorded) -> bool:
    """Whether an endpoint wants to hear of a record as it is set now. A test of its own is for it in any case."""
    if record.event == ENDPOINT_TESTED.name and record.target_id == endpoint.public_id:
        return True
    return is_wanted(record, patterns=endpoint.events, project_id=endpoint.project_id)
