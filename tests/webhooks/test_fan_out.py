"""Which endpoints get an event, and that each gets it once."""

import time

import pytest
from django.db import transaction

from audit.models import AuditEvent
from audit.services import Target, record
from config.kernel.errors import Invalid
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.events import KEY_RELEASED
from orgs.models import Organization
from projects.events import PROJECT_RESTORED
from tests.at_once import at_once
from tests.cast import Cast
from tests.webhooks.conftest import locked
from webhooks.fan_out import fan_out
from webhooks.models import Delivery, Endpoint, OutboxEntry
from webhooks.patterns import matches, readable_patterns


def listening(organization: Organization, *events: str, **fields) -> Endpoint:
    with tenant_scope(organization.id):
        return Endpoint.objects.create(
            url="https://x.example/", events=list(events), secret=b"", created_by="x", **fields
        )


def happen(organization: Organization, event=PROJECT_RESTORED, target: Target | None = None, **data) -> AuditEvent:
    with tenant_scope(organization.id), transaction.atomic():
        return record(event, actor=SYSTEM, target=target, data=data)


def got(endpoint: Endpoint) -> list:
    with tenant_scope(endpoint.org_id):
        return list(Delivery.objects.filter(endpoint=endpoint).order_by("event_id").values_list("event_id", flat=True))


@pytest.mark.parametrize(
    ("patterns", "event", "wanted"),
    [
        (["key.created"], "key.created", True),
        (["key.created"], "key.revoked", False),
        (["key.*"], "key.created", True),
        (["key.*"], "key_policy.changed", False),
        (["key.*", "project.restored"], "project.restored", True),
        (["*"], "member.removed", True),
        (["key"], "key.created", False),
    ],
)
def test_a_pattern_is_a_name_a_noun_or_everything(patterns, event, wanted):
    assert matches(patterns, event) is wanted


def test_patterns_are_of_declared_events_and_each_is_kept_once():
    assert readable_patterns([" key.* ", "project.restored", "key.*"]) == ["key.*", "project.restored"]
    for wrong in ([], ["keys.created"], ["key."], ["k*"], ["**"], ["key.*"] * 3 + ["nothing.*"]):
        with pytest.raises(Invalid) as refused:
            readable_patterns(wrong)
        assert list(refused.value.errors) == ["events"]


def test_an_event_goes_to_every_endpoint_of_its_organization_that_wants_it(cast: Cast):
    wanting, everything = listening(cast.acme, "project.*"), listening(cast.acme, "*")
    other, foreign = listening(cast.acme, "key.*"), listening(cast.globex, "*")
    happened = happen(cast.acme)
    assert fan_out() == 1
    assert (got(wanting), got(everything), got(other), got(foreign)) == ([happened.id], [happened.id], [], [])
    with tenant_scope(cast.acme.id):
        delivery = Delivery.objects.get(endpoint=wanting)
        assert not OutboxEntry.objects.exists()
    assert (delivery.event, delivery.state, delivery.org_id) == ("project.restored", "pending", cast.acme.id)
    assert delivery.due_at is not None


def test_an_endpoint_of_a_project_gets_what_is_about_it(cast: Cast):
    endpoint = listening(cast.acme, "*", project=cast.project)
    reference = cast.project.public_id
    about = happen(cast.acme, target=Target("project", reference, "Rocket"))
    naming = happen(cast.acme, KEY_RELEASED, Target("key", "key_x", "Backend"), project=reference)
    happen(cast.acme)
    happen(cast.acme, target=Target("project", public_id("prj", cast.foreign_project.id), "Freight"))
    assert fan_out() == 4
    assert got(endpoint) == [about.id, naming.id]


def test_a_disabled_endpoint_gets_nothing_and_the_outbox_is_emptied(cast: Cast):
    enabled = listening(cast.acme, "project.*")
    disabled = listening(cast.acme, "*", state="disabled", disabled_cause="by_hand")
    happen(cast.acme, KEY_RELEASED, project=cast.project.public_id)
    happen(cast.acme)
    assert fan_out() == 2
    assert (len(got(enabled)), got(disabled)) == (1, [])
    assert fan_out() == 0


def test_what_nobody_listens_to_is_not_put_into_the_outbox(cast: Cast):
    listening(cast.acme, "*", state="disabled", disabled_cause="by_hand")
    happen(cast.acme)
    happen(cast.globex)
    with system_scope("test"):
        assert not OutboxEntry.objects.exists()


def test_an_event_that_is_rolled_back_reaches_nobody(cast: Cast):
    endpoint = listening(cast.acme, "*")
    with pytest.raises(RuntimeError), transaction.atomic():
        happen(cast.acme)
        raise RuntimeError
    assert fan_out() == 0
    assert got(endpoint) == []


def test_an_event_that_comes_twice_is_delivered_once(cast: Cast):
    endpoint = listening(cast.acme, "*")
    happened = happen(cast.acme)
    fan_out()
    with tenant_scope(cast.acme.id):
        OutboxEntry.objects.create(id=happened.id)
    assert fan_out() == 1
    assert got(endpoint) == [happened.id]


def test_workers_that_fan_out_at_once_leave_nothing_and_double_nothing(committed_cast: Cast):
    endpoint = listening(committed_cast.acme, "project.*")
    happened = [happen(committed_cast.acme).id for _ in range(30)]

    def work() -> int:
        taken = 0
        while count := fan_out(5):
            taken += count
        return taken

    assert sum(at_once([work] * 3)) == 30
    assert got(endpoint) == sorted(happened)


def test_an_organization_whose_endpoint_is_being_changed_waits_and_no_other_with_it(committed_cast: Cast):
    """However long that takes: as when much that is pending is given up, or a process stands still at it."""
    changed, another = listening(committed_cast.acme, "project.*"), listening(committed_cast.globex, "project.*")
    with locked(changed):
        waits, comes = happen(committed_cast.acme), happen(committed_cast.globex)
        began = time.monotonic()
        assert (fan_out(), fan_out()) == (1, 0)
        assert time.monotonic() - began < 5
        assert (got(changed), got(another)) == ([], [comes.id])
    assert (fan_out(), fan_out()) == (1, 0)
    assert (got(changed), got(another)) == ([waits.id], [comes.id])
