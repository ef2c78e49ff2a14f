"""What the fields of events' data are: for whoever records, reads or receives them.

An app's `events.py` writes `{"project": identifier("prj", "its project"), "reason": text("why", optional=True)}`.
A field that is `optional` may be missing, one that is `nullable` may be null. The parts of `changes` and of `group`
need no meaning of their own where their names say it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypedDict, Unpack

from config.kernel.identifiers import TYPE_ID

PAIR = 2


class Presence(TypedDict, total=False):
    """What else than a value there may be."""

    optional: bool
    nullable: bool


@dataclass(frozen=True)
class Field:
    """One field. `schema` is the JSON Schema of its values and `fits` decides it; neither knows of null.

    `words` say in docs what `schema` says.
    """

    meaning: str
    words: str
    schema: dict[str, Any]
    fits: Callable[[Any], bool]
    optional: bool = False
    nullable: bool = False

    def accepts(self, value: Any) -> bool:
        """Whether this may be its value."""
        return self.nullable if value is None else self.fits(value)

    @property
    def all_words(self) -> str:
        """What it is and whether it may be null or missing: `date-time or null, optional`."""
        return self.words + (" or null" if self.nullable else "") + (", optional" if self.optional else "")

    @property
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12, as OpenAPI 3.1 has it."""
        schema = {**self.schema, **({"description": self.meaning} if self.meaning else {})}
        if self.nullable:
            schema["type"] = [schema["type"], "null"]
            if "enum" in schema:
                schema["enum"] = [*schema["enum"], None]
        return schema


def object_schema(fields: Mapping[str, Field]) -> dict[str, Any]:
    """The JSON Schema of an object of these fields; later versions may add others."""
    properties = {name: field.json_schema for name, field in fields.items()}
    required = [name for name, field in fields.items() if not field.optional]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


# -- single values ---------------------------------------------------------------------------------------------------
def text(meaning: str = "", **presence: Unpack[Presence]) -> Field:
    """Any text."""
    return Field(meaning, "string", {"type": "string"}, _is_text, **presence)


def choice(meaning: str, *values: str, **presence: Unpack[Presence]) -> Field:
    """One of these texts."""
    known = frozenset(map(str, values))
    return Field(
        meaning,
        _either(list(map(str, values))),
        {"type": "string", "enum": list(map(str, values))},
        lambda value: isinstance(value, str) and value in known,
        **presence,
    )


def identifier(prefix: str, meaning: str = "", **presence: Unpack[Presence]) -> Field:
    """The public id of something: `identifier("prj")` of a project."""
    pattern = f"{prefix}_{TYPE_ID}"
    fitting = re.compile(pattern).fullmatch
    schema = {"type": "string", "pattern": f"^{pattern}$"}
    return Field(
        meaning,
        f"id {prefix}_…",
        schema,
        lambda value: isinstance(value, str) and fitting(value) is not None,
        **presence,
    )


def moment(meaning: str = "", **presence: Unpack[Presence]) -> Field:
    """A moment with its offset from UTC (RFC 3339), as `datetime.isoformat` writes it."""
    return Field(meaning, "date-time", {"type": "string", "format": "date-time"}, _is_moment, **presence)


def day(meaning: str = "", **presence: Unpack[Presence]) -> Field:
    """A day, as `date.isoformat` writes it."""
    return Field(meaning, "date", {"type": "string", "format": "date"}, _is_day, **presence)


def integer(meaning: str = "", **presence: Unpack[Presence]) -> Field:
    """A whole number."""
    return Field(meaning, "integer", {"type": "integer"}, _is_integer, **presence)


def boolean(meaning: str = "", **presence: Unpack[Presence]) -> Field:
    """True or false."""
    return Field(meaning, "boolean", {"type": "boolean"}, lambda value: isinstance(value, bool), **presence)


# -- several values --------------------------------------------------------------------------------------------------
def texts(meaning: str = "", **presence: Unpack[Presence]) -> Field:
    """A list of texts."""
    schema = {"type": "array", "items": {"type": "string"}}
    return Field(
        meaning,
        "list of strings",
        schema,
        lambda value: isinstance(value, list) and all(map(_is_text, value)),
        **presence,
    )


def counts(meaning: str = "", **presence: Unpack[Presence]) -> Field:
    """Numbers by names that are not known beforehand."""
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    return Field(
        meaning,
        "object of integers",
        schema,
        lambda value: isinstance(value, dict) and all(map(_is_text, value)) and all(map(_is_integer, value.values())),
        **presence,
    )


def group(meaning: str, parts: Mapping[str, Field], **presence: Unpack[Presence]) -> Field:
    """An object of these parts."""
    needed = required_of(parts)
    return Field(
        meaning,
        f"object of {_listed(parts)}",
        object_schema(parts),
        lambda value: isinstance(value, dict) and misfit(parts, needed, value) is None,
        **presence,
    )


def changes(meaning: str, parts: Mapping[str, Field], **presence: Unpack[Presence]) -> Field:
    """What changed of these parts: of each a list of its old and its new value."""
    return Field(
        meaning,
        f"object with [old, new] of {_listed(parts)}",
        {"type": "object", "properties": {name: _pair_schema(part) for name, part in parts.items()}},
        lambda value: isinstance(value, dict) and all(_is_pair(parts.get(name), pair) for name, pair in value.items()),
        **presence,
    )


def _pair_schema(part: Field) -> dict[str, Any]:
    return {"type": "array", "prefixItems": [part.json_schema] * PAIR, "minItems": PAIR, "maxItems": PAIR}


# -- deciding --------------------------------------------------------------------------------------------------------
def required_of(fields: Mapping[str, Field]) -> frozenset[str]:
    """The names of those that may not be missing."""
    return frozenset(name for name, field in fields.items() if not field.optional)


def misfit(fields: Mapping[str, Field], needed: frozenset[str], data: Mapping[str, Any]) -> str | None:
    """What is wrong with an object of these fields, in words without any value of it; None when it fits.

    `needed` is `required_of(fields)`.
    """
    for name, value in data.items():
        field = fields.get(name)
        if field is None:
            return f"{name} is not declared"
        if not field.accepts(value):
            return f"{name} is not what is declared: {field.all_words}"
    missing = needed - data.keys()
    return f"missing {', '.join(sorted(missing))}" if missing else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_integer(value: Any) -> bool:
    return type(value) is int  # True is an int


def _is_moment(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_day(value: Any) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except (TypeError, ValueError):
        return False


def _is_pair(part: Field | None, pair: Any) -> bool:
    return part is not None and isinstance(pair, list) and len(pair) == PAIR and all(map(part.accepts, pair))


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _listed(parts: Mapping[str, Field]) -> str:
    return ", ".join(parts)
