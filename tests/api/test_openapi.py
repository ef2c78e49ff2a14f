"""The OpenAPI document is complete, honest and valid; tests/test_docs_generated.py compares it with docs/."""

import json
import re

import pytest
from django.core.management import call_command

from config.kernel.access import AccessKind
from config.kernel.api.schema import document
from config.kernel.routes import all_routes

METHODS = ("get", "post", "put", "patch", "delete")


def as_written(path):
    """A route's path as the document writes it."""
    return re.sub(r"<(?:str|path):(\w+)>", r"{\1}", path)


@pytest.fixture(scope="module")
def operations():
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_the_generator_has_nothing_to_warn_of_and_the_document_is_valid(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "openapi.yaml"))


def test_every_rest_route_and_method_is_in_the_document(operations):
    routes = {
        f"{method} {as_written(route.path)}"
        for route in all_routes()
        if route.path.startswith(("/api/v1/", "/access/", "/.well-known/authzen-"))
        for method in route.methods()
    }
    assert {name for name, _ in operations} == routes


def test_operation_ids_are_unique_words(operations):
    names = [operation["operationId"] for _, operation in operations]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


def test_every_operation_says_what_it_does_and_who_may(operations):
    declared = {
        f"{method} {as_written(route.path)}": access
        for route in all_routes()
        for method, access in route.methods().items()
    }
    for name, operation in operations:
        access = declared[name]
        assert operation["summary"], name
        assert operation["x-tenantry-access"] == str(access)
        assert operation["security"] == ([{}] if access.kind == AccessKind.PUBLIC else [{"bearer": []}, {"key": []}])
        if access.permission:
            assert f"`{access.permission}`" in operation["description"]


def test_every_operation_names_the_errors_that_follow_from_its_declarations(operations):
    for name, operation in operations:
        statuses = set(operation["responses"])
        method, access = name.split()[0], operation["x-tenantry-access"]
        expected = {"400", "401"}
        expected |= {"403", "404"} if access.startswith(("organization", "project")) else set()
        expected |= {"403"} if access.startswith("service") else set()
        expected |= {"413", "415"} if method != "GET" else set()
        headers = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "header"}
        expected |= {"412"} if "If-Match" in headers else set()
        expected |= {"422"} if "Idempotency-Key" in headers else set()
        assert expected <= statuses, name
        assert statuses - expected <= {"200", "201", "202", "204", "403", "404", "409", "429", "503"}, name
        assert len(statuses & {"200", "201", "202", "204"}) == 1
        assert ("requestBody" in operation) <= (method != "GET")


def test_every_error_is_a_problem_and_401_is_the_one_body(operations):
    for name, operation in operations:
        for status, response in operation["responses"].items():
            if status.startswith("4"):
                ((media_type, content),) = response["content"].items()
                component = "AuthFailure" if status == "401" else "Problem"
                assert (media_type, content["schema"]["$ref"].rpartition("/")[2]) == (
                    "application/problem+json",
                    component,
                ), name
    assert document()["components"]["schemas"]["AuthFailure"]["additionalProperties"] is False


def test_every_change_obeys_if_match(operations):
    for name, operation in operations:
        if name.startswith("PATCH "):
            assert "If-Match" in {parameter["name"] for parameter in operation["parameters"]}


def test_lists_are_all_alike(operations):
    lists = [operation for _, operation in operations if operation["operationId"].startswith("list_")]
    assert len(lists) >= 10
    for operation in lists:
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        assert (schema["required"], set(schema["properties"])) == (["data", "next"], {"data", "next"})
        if operation["operationId"] != "list_event_types":
            assert {"cursor", "limit"} <= {parameter["name"] for parameter in operation["parameters"]}


def test_request_bodies_refuse_what_they_do_not_name():
    schemas = document()["components"]["schemas"]
    requests = {name: schema for name, schema in schemas.items() if name.endswith("Request")}
    assert len(requests) > 15
    for name, schema in requests.items():
        # AuthZEN asks of a server to ignore what it does not know.
        assert schema["additionalProperties"] is name.startswith("Access"), name


def test_every_text_and_number_that_is_read_has_its_bounds():
    """An unbounded field is where oversize input gets in."""

    def walk(name, schema):
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if "string" in kinds and not {"enum", "maxLength", "format", "pattern"} & set(schema):
            yield name
        if "integer" in kinds and not {"minimum", "maximum"} <= set(schema):
            yield name
        if "array" in kinds and "enum" not in schema.get("items", {}) and "maxItems" not in schema:
            yield name
        for inner, value in schema.get("properties", {}).items():
            yield from walk(f"{name}.{inner}", value)
        for inner in ("items", "additionalProperties"):
            if isinstance(schema.get(inner), dict):
                yield from walk(f"{name}.{inner}", schema[inner])

    schemas = document()["components"]["schemas"]
    unbounded = [found for name in schemas if name.endswith("Request") for found in walk(name, schemas[name])]
    assert unbounded == []


def test_every_reference_leads_somewhere():
    text = json.dumps(document())
    for reference in set(re.findall(r'"#/components/schemas/(\w+)"', text)):
        assert reference in document()["components"]["schemas"]
