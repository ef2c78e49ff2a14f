"""What fields of events' data take is what their JSON Schema says, and nothing else."""

import json

import pytest
from jsonschema import Draft202012Validator

from config.kernel.event_fields import (
    boolean,
    changes,
    choice,
    counts,
    day,
    group,
    identifier,
    integer,
    moment,
    text,
    texts,
)
from config.kernel.events import EventType, declare, declared_events
from config.kernel.sign_in import Method

PROJECT = "prj_01h455vb4pex5vsknk084sn02q"
LIMIT = group("its limit", {"limit": integer(), "note": text(optional=True)})
CHANGES = changes("what changed", {"name": text(), "end": integer(nullable=True)})

# Each field with what it takes, and with what it refuses.
FIELDS = {
    "text": (text("x"), ["", "a", Method.SSO], [None, 1, True, b"a", ["a"], {}]),
    "choice": (choice("x", "live", "test"), ["live"], ["", "Live", None, 1, ["live"]]),
    "choice of members": (choice("x", *Method), [Method.SSO, "sso"], ["SSO", None]),
    "nullable choice": (choice("x", "live", nullable=True), ["live", None], ["", "null"]),
    "identifier": (
        identifier("prj", "x"),
        [PROJECT],
        ["", "prj_", "prj_1", f"{PROJECT}0", f" {PROJECT}", PROJECT.replace("prj", "key"), None, 1],
    ),
    "nullable identifier": (identifier("prj", "x", nullable=True), [PROJECT, None], ["", "all"]),
    "integer": (integer("x"), [0, -1, 10**12], [True, 1.5, "1", None]),
    "boolean": (boolean("x"), [True, False], [0, 1, "true", None]),
    "texts": (texts("x"), [[], ["a", "b"]], ["a", [1], [None], None, {"a": "b"}]),
    "counts": (counts("x"), [{}, {"a": 1}], [{"a": "1"}, {"a": True}, [1], None]),
    "group": (
        LIMIT,
        [{"limit": 1}, {"limit": 1, "note": "a"}],
        [{}, {"limit": None}, {"limit": 1, "note": 2}, [], None],
    ),
    "changes": (
        CHANGES,
        [{}, {"name": ["a", "b"]}, {"end": [None, 1], "name": ["", "a"]}],
        [{"name": ["a"]}, {"name": ["a", "b", "c"]}, {"name": ["a", None]}, {"name": "ab"}, {"end": {}}, [], None],
    ),
}
# What JSON Schema leaves to its reader: formats are remarks, and whoever reads must bear names that are new.
BEYOND_SCHEMA = {
    "identifier": (identifier("prj", "x"), [PROJECT], [f"{PROJECT}\n"]),  # Python's `$` lets it pass, JavaScript's not
    "moment": (
        moment("x"),
        ["2031-05-01T00:00:00+00:00", "2031-05-01T00:00:00.123456+02:00"],
        ["2031-05-01T00:00:00", "2031-05-01", "soon", "", 1, None],
    ),
    "day": (day("x"), ["2031-05-01"], ["20310501", "2031-05-01T00:00:00+00:00", "", 1, None]),
    "group": (LIMIT, [], [{"limit": 1, "secret": "a"}]),
    "changes": (CHANGES, [], [{"name": ["a", "b"], "secret": ["a", "b"]}]),
}


@pytest.mark.parametrize(("field", "taken", "refused"), FIELDS.values(), ids=FIELDS)
def test_a_field_takes_what_its_schema_says(field, taken, refused):
    schema = Draft202012Validator(json.loads(json.dumps(field.json_schema)))
    for value in taken:
        assert field.accepts(value), value
        assert schema.is_valid(json.loads(json.dumps(value))), value
    for value in refused:
        assert not field.accepts(value), value
        assert isinstance(value, bytes) or not schema.is_valid(value), value


@pytest.mark.parametrize(("field", "taken", "refused"), BEYOND_SCHEMA.values(), ids=BEYOND_SCHEMA)
def test_a_field_refuses_what_a_schema_cannot(field, taken, refused):
    assert [value for value in taken if not field.accepts(value)] == []
    assert [value for value in refused if field.accepts(value)] == []


def test_fields_tell_readers_whether_they_may_be_missing_or_null():
    event = EventType(
        "key.shown",
        "A key was shown.",
        {
            "project": identifier("prj", "its project"),
            "mode": choice("its mode", "live", "test", nullable=True),
            "reason": text("why", optional=True),
        },
    )
    assert event.schema["required"] == ["project", "mode"]
    assert event.schema["properties"]["mode"] == {
        "type": ["string", "null"],
        "enum": ["live", "test", None],
        "description": "its mode",
    }
    assert [field.all_words for field in event.data.values()] == [
        "id prj_…",
        "live or test or null",
        "string, optional",
    ]
    event.require_fit({"project": PROJECT, "mode": None})
    for data in ({"project": PROJECT}, {"project": PROJECT, "mode": None, "reason": None}):
        with pytest.raises(ValueError, match=r"key\.shown: (missing mode|reason is not what is declared)"):
            event.require_fit(data)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("key.exploded", {"project": "its project"}, "project of key.exploded needs a type and a meaning"),
        ("key.exploded", {"project": text()}, "project of key.exploded needs a type and a meaning"),
        ("Key exploded", {}, "noun.past_verb"),
        ("key.created", {}, "declared twice"),
    ],
)
def test_a_declaration_that_says_too_little_stops_the_program(name, data, says):
    before = declared_events()
    with pytest.raises(ValueError, match=says):
        declare(name, "A key exploded.", data)
    assert declared_events() == before
