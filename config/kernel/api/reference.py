"""The OpenAPI document as people read it: operations by noun, and what bodies and answers consist of, in words."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from config.kernel.api.schema import document

REFERENCE = "#/components/schemas/"

Prose = list[list[tuple[bool, str]]]
"""Paragraphs, each of pieces; a piece says whether it is code."""


@dataclass(frozen=True)
class Field:
    """A parameter or a property. `schema` names the schema to read on in, or is empty."""

    name: str
    place: str
    words: str
    schema: str
    required: bool
    description: Prose


@dataclass(frozen=True)
class Answer:
    """What one status means. `schema` names the body's schema, or is empty."""

    status: str
    description: str
    words: str
    schema: str


@dataclass(frozen=True)
class OperationReference:
    """One method of one address."""

    name: str
    method: str
    path: str
    summary: Prose
    description: Prose
    parameters: list[Field]
    body: str
    answers: list[Answer]


@dataclass(frozen=True)
class SchemaReference:
    """The fields of one kind of body or record."""

    name: str
    description: Prose
    fields: list[Field]


@dataclass(frozen=True)
class Reference:
    """The whole document."""

    description: Prose
    groups: dict[str, list[OperationReference]]
    schemas: list[SchemaReference]


@cache
def reference() -> Reference:
    """The same for every reader of one version of the program."""
    drawn = document()
    groups: dict[str, list[OperationReference]] = {}
    for path, methods in drawn["paths"].items():
        for method, operation in methods.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(path, method, operation))
    schemas = [_schema(name, schema) for name, schema in drawn["components"]["schemas"].items()]
    return Reference(prose(drawn["info"]["description"]), dict(sorted(groups.items())), schemas)


def prose(text: str) -> Prose:
    """Paragraphs between empty lines, code between backticks."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    return [
        [(bool(number % 2), piece) for number, piece in enumerate(paragraph.split("`")) if piece]
        for paragraph in paragraphs
        if paragraph
    ]


def words_of(schema: dict[str, Any]) -> str:
    """A type in words: `list of KeyRecord`, `string (date-time) or null`, `one of live, test`."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(REFERENCE)
    if "oneOf" in schema or "anyOf" in schema:
        return " or ".join(words_of(choice) for choice in schema.get("oneOf") or schema["anyOf"])
    if "enum" in schema:
        choices = [str(choice) for choice in schema["enum"] if choice is not None]
        words = ", ".join(choices) if len(choices) == 1 else f"one of {', '.join(choices)}"
        return f"{words} or null" if None in schema["enum"] else words
    types = schema.get("type", "anything")
    types = [types] if isinstance(types, str) else list(types)
    first = types[0]
    if first == "array":
        types[0] = f"list of {words_of(schema.get('items', {}))}"
    elif "format" in schema:
        types[0] = f"{first} ({schema['format']})"
    return " or ".join(types)


def schema_of(schema: Any) -> str:
    """The name of the first schema that this one refers to; empty when it stands alone."""
    found = re.search(rf"'\$ref': '{REFERENCE}(\w+)'", str(schema))
    return found[1] if found else ""


def _operation(path: str, method: str, operation: dict[str, Any]) -> OperationReference:
    body = operation.get("requestBody", {}).get("content", {})
    return OperationReference(
        name=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=prose(operation.get("summary", "")),
        description=prose(operation.get("description", "")),
        parameters=[
            _field(p["name"], p["schema"], place=p["in"], required=p.get("required", False), text=p.get("description"))
            for p in operation.get("parameters", [])
        ],
        body=schema_of(body),
        answers=[_answer(status, answer) for status, answer in operation["responses"].items()],
    )


def _answer(status: str, answer: dict[str, Any]) -> Answer:
    contents: dict[str, Any] = answer.get("content", {})
    media_type = next(iter(contents), "")
    schema = contents.get(media_type, {}).get("schema", {})
    listed = schema.get("properties", {}).get("data", {}).get("items")
    words = f"page of {words_of(listed)}" if listed else words_of(schema) if schema else media_type
    return Answer(status, answer["description"], words, schema_of(schema))


def _schema(name: str, schema: dict[str, Any]) -> SchemaReference:
    required = schema.get("required", [])
    fields = [
        _field(field, inner, place="", required=field in required, text=inner.get("description"))
        for field, inner in schema.get("properties", {}).items()
    ]
    return SchemaReference(name, prose(schema.get("description", "")), fields)


def _field(name: str, schema: dict[str, Any], *, place: str, required: bool, text: str | None) -> Field:
    description = prose(text or "")
    if "default" in schema:
        description.append([(False, "Left out, it is "), (True, str(schema["default"])), (False, ".")])
    return Field(name, place, words_of(schema), schema_of(schema), required, description)
