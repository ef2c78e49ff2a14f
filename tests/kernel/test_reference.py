"""The page that shows the REST interface to people has all of the document, and its links lead somewhere."""

import re

import pytest
from django.test import Client

from config.kernel.api.reference import prose, reference, words_of
from config.kernel.api.schema import document


@pytest.fixture
def page(db: None) -> str:
    return Client().get("/api/docs").content.decode()


def test_every_operation_and_schema_is_on_the_page(page: str):
    operations = [
        (path, operation["operationId"])
        for path, methods in document()["paths"].items()
        for operation in methods.values()
    ]
    assert len(operations) > 50
    for path, name in operations:
        assert page.count(f'id="operation-{name}"') == 1
        assert f">{path}</code>" in page
    for name in document()["components"]["schemas"]:
        assert page.count(f'id="schema-{name}"') == 1
    assert sum(len(group) for group in reference().groups.values()) == len(operations)


def test_every_link_within_the_page_has_its_target(page: str):
    targets = re.findall(r' id="([^"]+)"', page)
    links = set(re.findall(r'href="#([^"]+)"', page))
    assert len(links) > 30
    assert links <= set(targets)
    assert len(targets) == len(set(targets))


def test_a_file_and_a_page_of_records_are_named(page: str):
    assert "<code>application/zip</code>" in page
    assert ">page of KeyRecord</a>" in page


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/components/schemas/KeyRecord"}, "KeyRecord"),
        ({"type": ["string", "null"], "format": "date-time"}, "string (date-time) or null"),
        ({"type": "array", "items": {"enum": ["a", "b"], "type": "string"}}, "list of one of a, b"),
        ({"enum": ["about:blank"], "type": "string"}, "about:blank"),
        ({"oneOf": [{"$ref": "#/components/schemas/KeyRecord"}, {"type": "null"}]}, "KeyRecord or null"),
        ({}, "anything"),
    ],
)
def test_types_are_told_in_words(schema: dict, words: str):
    assert words_of(schema) == words


def test_prose_keeps_paragraphs_and_code():
    assert prose("One\nline with `code`.\n\nTwo") == [
        [(False, "One line with "), (True, "code"), (False, ".")],
        [(False, "Two")],
    ]
