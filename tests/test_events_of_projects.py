"""Every event about a thing of a project names the project: by it webhooks narrowed to one project get their events."""

import pytest
from django.apps import apps
from django.db import transaction

from audit.models import AuditEvent
from audit.services import Target, record
from config.kernel.events import declared_events
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from keys import events as key_events
from projects import events as project_events
from projects.models import Project
from tests.cast import Cast
from tests.webhooks.rows import endpoint_rows
from webhooks.fan_out import fan_out
from webhooks.models import Delivery, Endpoint, OutboxEntry
from webhooks.patterns import project_of
from webhooks.services.endpoints import update_endpoint

# The noun that events call the rows of each table by which belong to a project; none for rows that no event is about.
NOUNS = {
    "keys.Agent": "agent",
    "keys.Key": "key",
    "orgs.ServiceGrant": "service_grant",
    "projects.Domain": "domain",
    "projects.ProjectMembership": "project_member",
    "projects.Resource": "resource",
    "projects.SeenDomain": "domain",
    "projects.TrackedEvent": None,
    "projects.UsageDay": None,
    "sso.HandoverAddress": "handover_address",
    "sso.HandoverToken": "handover",
    "webhooks.Endpoint": "webhook_endpoint",
    "webhooks.Delivery": "webhook_delivery",
}


def belongs_to_a_project(model):
    """Whether its rows point to a project, or hold its id."""
    return any(field.related_model is Project or field.attname == "project_id" for field in model._meta.concrete_fields)


def test_every_table_of_projects_has_its_noun():
    found = {model._meta.label for model in apps.get_models() if belongs_to_a_project(model)}
    assert found - set(NOUNS) == set(), "Say what events call its rows, so that they are asked for their project."
    assert set(NOUNS) - found == {"webhooks.Delivery"}, "It belongs to one by its endpoint."


def test_every_event_about_a_thing_of_a_project_declares_the_project():
    nouns = {noun for noun in NOUNS.values() if noun}
    about = [event for event in declared_events() if event.subject in nouns]
    assert {event.subject for event in about} == nouns
    assert [event.name for event in about if "project" not in event.data] == []


def test_an_event_that_declares_a_project_is_not_recorded_without_it(cast: Cast):
    with tenant_scope(cast.acme.id), transaction.atomic():
        before = AuditEvent.objects.count()
        with pytest.raises(ValueError, match="project"):
            record(key_events.KEY_REVOKED, actor=SYSTEM, target=Target("key", cast.key.public_id, "x"))
        assert AuditEvent.objects.count() == before


def test_what_happens_to_things_of_a_project_is_recorded_with_it(api, cast: Cast):
    """Through the door, for what is easily forgotten: changes of what is there."""
    rocket = "/api/v1/orgs/acme/projects/rocket"
    client = api(cast.owner)
    client.patch(f"{rocket}/keys/{cast.key.public_id}", {"name": "New"})
    agent = client.post(f"{rocket}/agents", {"name": "Builder", "permissions": "runner"}).json()["id"]
    client.patch(f"{rocket}/agents/{agent}", {"name": "Constructor"})
    domain = client.post(f"{rocket}/domains", {"domain": "shop.example.com"}).json()["id"]
    client.delete(f"{rocket}/domains/{domain}")
    client.put(f"{rocket}/members/{cast.viewer.public_id}", {"role": "developer"})
    client.delete(f"{rocket}/members/{cast.viewer.public_id}")
    resource = {"service": "warehouse", "kind": "dataset", "name": "a", "scopes": ["read"], "project": "rocket"}
    trn = client.post("/api/v1/orgs/acme/resources", resource).json()["trn"]
    client.post("/api/v1/orgs/acme/resources", {**resource, "scopes": ["read", "write"]})
    client.delete(f"/api/v1/orgs/acme/resources/{trn}")
    client.post(f"{rocket}/archive")
    with tenant_scope(cast.acme.id):
        recorded = {
            row.event: project_of(row) for row in AuditEvent.objects.filter(created_at__gt=cast.acme.created_at)
        }
    for name in (
        "key.updated", "agent.created", "agent.updated", "domain.registered", "domain.removed", "project.archived",
        "project_member.role_set", "project_member.role_cleared", "resource.registered", "resource.updated",
        "resource.deregistered",
    ):  # fmt: skip
        assert recorded[name] == cast.project.id, name


def test_an_endpoint_of_one_project_gets_its_events_and_nothing_else(cast: Cast):
    with tenant_scope(cast.acme.id), transaction.atomic():
        other = Project.objects.create(name="Falcon", slug="falcon")
        endpoint = endpoint_rows().endpoint
        update_endpoint(
            actor=cast.principal(cast.owner), endpoint_id=endpoint.id, events=["*"], project_id=cast.project.id
        )
        Delivery.objects.all().delete()
        OutboxEntry.objects.all().delete()
        record(
            project_events.PROJECT_ARCHIVED, actor=SYSTEM, target=Target("project", cast.project.public_id, "Rocket")
        )
        record(project_events.PROJECT_ARCHIVED, actor=SYSTEM, target=Target("project", other.public_id, "Falcon"))
        for project_id in (cast.project.id, other.id):
            record(key_events.KEY_RELEASED, actor=SYSTEM, data={"project": public_id("prj", project_id)})
        record(key_events.KEY_POLICY_CHANGED, actor=SYSTEM, data={"changes": {}})
        fan_out()
        made = Delivery.objects.filter(endpoint=Endpoint.objects.get()).order_by("id").values_list("event", flat=True)
        assert sorted(made) == ["key.released", "project.archived"]
