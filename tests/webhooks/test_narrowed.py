"""An endpoint that is narrowed: what it wants no more is not sent to it, nor replayed."""

import pytest
from django.db import transaction
from django.utils import timezone

from audit.models import AuditEvent
from audit.services import record
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from keys.events import KEY_RELEASED, KEY_REVOKED
from projects.services.projects import create_project
from tests.webhooks.conftest import Webhooks
from webhooks.fan_out import fan_out
from webhooks.services import deliveries, endpoints

KEYS = ("key.*",)


@pytest.fixture
def other(webhooks: Webhooks, by_owner):
    """One more project of Acme."""
    with tenant_scope(webhooks.cast.acme.id):
        return create_project(**by_owner, name="Other", slug="other")


def happen(webhooks: Webhooks, project, event=KEY_REVOKED) -> AuditEvent:
    with tenant_scope(webhooks.cast.acme.id), transaction.atomic():
        return record(event, actor=SYSTEM, data={"project": project.public_id})


def states(webhooks: Webhooks, endpoint) -> dict:
    return {row.event_id: row.state for row in webhooks.deliveries(endpoint)}


def test_what_is_pending_of_other_projects_does_not_go_to_an_endpoint_that_was_narrowed(
    webhooks, receiver, clock, api, other
):
    """Whose new address may be that of the project's own people."""
    endpoint = webhooks.endpoint(receiver.url("status/500"), events=KEYS)
    inside, outside = happen(webhooks, webhooks.cast.project), happen(webhooks, other)
    assert webhooks.deliver() == 2
    changes = {"url": receiver.url("moved"), "project": webhooks.cast.project.public_id}
    address = f"/api/v1/orgs/acme/webhook-endpoints/{endpoint.public_id}"
    changed = api(webhooks.cast.admin).patch(address, changes)
    assert changed.status_code == 200, changed.content
    clock.shift(60)
    webhooks.deliver()
    assert receiver.ids("moved") == [inside.public_id]
    assert states(webhooks, endpoint) == {inside.id: "delivered", outside.id: "failed"}


def test_what_is_pending_and_is_no_longer_asked_for_is_given_up_but_no_test(webhooks, receiver, clock, by_owner):
    endpoint = webhooks.endpoint(receiver.url("scripted"), events=KEYS)
    receiver.script = [500] * 3
    wanted, unwanted = happen(webhooks, webhooks.cast.project, KEY_RELEASED), happen(webhooks, webhooks.cast.project)
    with tenant_scope(webhooks.cast.acme.id):
        test = deliveries.send_test(**by_owner, endpoint_id=endpoint.id)
    assert webhooks.deliver() == 3
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.update_endpoint(**by_owner, endpoint_id=endpoint.id, events=[KEY_RELEASED.name])
    receiver.requests.clear()
    clock.shift(60)
    webhooks.deliver()
    assert set(receiver.ids()) == {wanted.public_id, test.event_public_id}
    assert states(webhooks, endpoint) == {
        wanted.id: "delivered", unwanted.id: "failed", test.event_id: "delivered"
    }  # fmt: skip


def test_a_replay_repeats_nothing_that_is_no_longer_asked_for(webhooks, receiver, by_owner, delivering, other):
    endpoint, since = webhooks.endpoint(receiver.url(), events=KEYS), timezone.now()
    inside, outside = happen(webhooks, webhooks.cast.project), happen(webhooks, other)
    renamed = happen(webhooks, webhooks.cast.project, KEY_RELEASED)
    fan_out()
    with tenant_scope(webhooks.cast.acme.id):
        test = deliveries.send_test(**by_owner, endpoint_id=endpoint.id)
        endpoints.disable_endpoint(**by_owner, endpoint_id=endpoint.id)
        endpoints.enable_endpoint(**by_owner, endpoint_id=endpoint.id)
        narrow = {"project_id": webhooks.cast.project.id, "events": [KEY_REVOKED.name]}
        endpoints.update_endpoint(**by_owner, endpoint_id=endpoint.id, **narrow)
        with delivering():
            deliveries.replay_since(**by_owner, endpoint_id=endpoint.id, since=since)
    webhooks.deliver()
    assert set(receiver.ids()) == {inside.public_id, test.event_public_id}
    assert states(webhooks, endpoint) == {
        inside.id: "delivered", outside.id: "failed", renamed.id: "failed", test.event_id: "delivered"
    }  # fmt: skip
    # Who wants them after all gets them.
    with tenant_scope(webhooks.cast.acme.id):
        endpoints.update_endpoint(**by_owner, endpoint_id=endpoint.id, project_id=None, events=list(KEYS))
        with delivering():
            deliveries.replay_since(**by_owner, endpoint_id=endpoint.id, since=since)
    webhooks.deliver()
    assert set(states(webhooks, endpoint).values()) == {"delivered"}
