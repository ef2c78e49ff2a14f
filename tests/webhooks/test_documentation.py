"""The OpenAPI document tells receivers what comes: each declared event, as it is really sent."""

import json
from datetime import timedelta

from django.utils import timezone
from jsonschema import Draft202012Validator

from audit.models import AuditEvent
from config.kernel.api.schema import document
from config.kernel.events import declared_events
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
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
        assert own == event.schema
        assert {name: field["description"] for name, field in own["properties"].items()} == event.meanings
        assert section[event.name]["post"]["summary"] == event.description
    ids = [item["post"]["operationId"] for item in section.values()]
    assert len(set(ids)) == len(ids)


def test_readers_learn_what_a_field_is():
    """As generators of types read it."""
    data = schema_of("key.updated")["allOf"][1]["properties"]["data"]["properties"]["data"]
    assert data["required"] == ["project", "changes"]
    assert data["properties"]["project"]["pattern"].startswith("^prj_")
    told = data["properties"]["changes"]["properties"]
    assert told["name"] == {"type": "array", "prefixItems": [{"type": "string"}] * 2, "minItems": 2, "maxItems": 2}
    assert told["expires_at"]["prefixItems"] == [{"type": ["string", "null"], "format": "date-time"}] * 2
    assert [old_or_new["type"] for old_or_new in told["rate_limit"]["prefixItems"]] == [["object", "null"]] * 2


def test_what_is_sent_is_what_the_document_says(api, cast: Cast):
    """Through the doors, so that the data are what services record."""
    change_much(api(cast.owner), cast)
    found = set()
    for organization_id in (cast.acme.id, INSTALLATION_ID):
        with tenant_scope(organization_id):
            for row in AuditEvent.objects.all():
                payload = kept_payload(row.id)
                assert payload is not None
                sent = json.loads(payload)
                validator = Draft202012Validator(schema_of(row.event))
                assert [(row.event, error.message) for error in validator.iter_errors(sent)] == []
                assert list(validator.iter_errors({**sent, "type": "key.exploded"}))
                assert list(validator.iter_errors({**sent, "data": {**sent["data"], "data": None}}))
                found.add(row.event)
    assert found >= CAUSED


# What `change_much` causes.
CAUSED = {
    "agent.created", "agent.updated", "domain.registered", "invitation.created", "key.created", "key.revoked",
    "key.rotated", "key.updated", "key_policy.changed", "member.role_changed", "personal_token.created",
    "project.created", "project.updated", "project_member.role_set", "resource.registered", "resource.updated",
    "role.created", "role.updated", "webhook_endpoint.created", "webhook_endpoint.secret_rotated",
    "webhook_endpoint.updated",
}  # fmt: skip


def change_much(client, cast: Cast) -> None:
    """Changes by REST of which the data of events differ."""
    acme = "/api/v1/orgs/acme"
    rocket, key = f"{acme}/projects/rocket", f"{acme}/projects/rocket/keys/{cast.key.public_id}"

    def done(answer):
        assert answer.status_code < 300, answer.content
        return answer.json() if answer.content else {}

    done(client.post(f"{acme}/projects", {"name": "Falcon", "slug": "falcon"}))
    done(client.patch(rocket, {"name": "Rocket II", "unregistered_domains": "reject"}))
    limit = {"limit": 10, "window_seconds": 60}
    end = (timezone.now() + timedelta(days=9)).isoformat()
    done(client.patch(key, {"rate_limit": limit, "expires_at": end, "remaining": 9, "metadata": {"a": "b"}}))
    done(
        client.patch(key, {"rate_limit": None, "expires_at": None, "remaining": None, "allowed_ips": ["192.0.2.0/24"]})
    )
    other = done(client.post(f"{key}/rotate", {"overlap_seconds": 60}))["id"]
    done(client.post(f"{rocket}/keys/{other}/revoke"))
    done(client.patch(f"{acme}/key-policy", {"longest_lifetime_days": 90, "on_leak": "quarantine"}))
    agent = done(client.post(f"{rocket}/agents", {"name": "Builder", "permissions": "runner"}))["id"]
    done(client.patch(f"{rocket}/agents/{agent}", {"name": "Constructor"}))
    done(client.post(f"{rocket}/domains", {"domain": "shop.example.com"}))
    resource = {"service": "warehouse", "kind": "dataset", "name": "a", "scopes": ["read"]}
    done(client.post(f"{acme}/resources", resource))
    done(client.post(f"{acme}/resources", {**resource, "project": "rocket"}))
    done(client.post(f"{acme}/invitations", {"email": "new@acme.example", "role": "viewer"}))
    done(client.patch(f"{acme}/members/{cast.viewer.public_id}", {"role": "developer"}))
    done(client.put(f"{rocket}/members/{cast.viewer.public_id}", {"role": "viewer"}))
    role = done(client.post(f"{acme}/roles", {"name": "Auditor", "permissions": ["view_audit"]}))["id"]
    done(client.patch(f"{acme}/roles/{role}", {"description": "Reads", "permissions": ["view_audit", "view_usage"]}))
    done(client.post("/api/v1/me/tokens", {"name": "Laptop"}))
    endpoint = {"url": "https://93.184.215.14/hooks", "events": ["key.*"], "project": "rocket"}
    hook = f"{acme}/webhook-endpoints/{done(client.post(f'{acme}/webhook-endpoints', endpoint))['id']}"
    done(client.patch(hook, {"project": None, "events": ["*"], "headers": {"Authorization": "Bearer a"}}))
    done(client.post(f"{hook}/rotate-secret", {}))
