"""The OpenAPI document tells receivers what comes: each declared event, as it is really sent."""

import json

from django.db import transaction
from jsonschema import Draft202012Validator

from audit.models import AuditEvent
from audit.services import record
from config.kernel.api.schema import document
from config.kernel.events import declared_events
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from keys.events import KEY_POLICY_CHANGED
from tests.cast import Cast
from webhooks.payloads import kept_payload


def schema_of(event: str) -> dict:
    described = document()["webhooks"][event]["post"]
    return {**described["requestBody"]["content"]["application/json"]["schema"], "components": document()["components"]}


def test_every_declared_event_is_there_with_its_fields():
    section = document()["webhooks"]
    assert set(section) == {event.name for event in declared_events()}
    for event in declared_events():
        own = schema_of(event.name)["allOf"][1]["properties"]["data"]["properties"]["data"]
        assert {name: field["description"] for name, field in own["properties"].items()} == event.data
        assert section[event.name]["post"]["summary"] == event.description
    ids = [item["post"]["operationId"] for item in section.values()]
    assert len(set(ids)) == len(ids)


def test_what_is_sent_is_what_the_document_says(cast: Cast):
    with tenant_scope(cast.acme.id), transaction.atomic():
        record(KEY_POLICY_CHANGED, actor=SYSTEM, data={"changes": {}})
        rows = list(AuditEvent.objects.all())
        payloads = [kept_payload(row.id) for row in rows]
    assert len(rows) > 5
    for row, payload in zip(rows, payloads, strict=True):
        assert payload is not None
        sent = json.loads(payload)
        validator = Draft202012Validator(schema_of(row.event))
        assert [error.message for error in validator.iter_errors(sent)] == []
        assert list(validator.iter_errors({**sent, "type": "key.exploded"}))
        assert list(validator.iter_errors({**sent, "data": {}}))
