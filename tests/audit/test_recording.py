"""Nothing gets into the ledger that its declaration does not describe, whoever records it."""

import pytest
from django.db import transaction

from audit.models import AuditEvent
from audit.services import record, record_refused
from config.kernel.events import EventType
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from keys.events import KEY_LEAKED, KEY_REVOKED, KEY_UPDATED
from orgs.events import ORGANIZATION_UPDATED
from projects.events import PROJECT_UPDATED
from projects.models import Project
from tests.cast import Cast

PROJECT = "prj_01h455vb4pex5vsknk084sn02q"
SECRET = "sk_live_in_the_wrong_place"
LEAK = {"project": PROJECT, "action": "report", "source": "a scanner", "url": ""}

MISTAKES = {
    "a field that is not declared": (
        KEY_REVOKED,
        {"project": PROJECT, "plaintext": SECRET},
        "plaintext is not declared",
    ),
    "no data at all": (KEY_REVOKED, None, "missing project"),
    "null": (KEY_LEAKED, {**LEAK, "url": SECRET, "action": None}, "action is not what is declared"),
    "another type": (KEY_REVOKED, {"project": [SECRET]}, "project is not what is declared: id prj_"),
    "no such choice": (KEY_LEAKED, {**LEAK, "action": SECRET}, "action is not .*: revoke, quarantine or report"),
    "no public id": (KEY_REVOKED, {"project": SECRET}, "project is not"),
    "a change of what is not declared": (
        KEY_UPDATED,
        {"project": PROJECT, "changes": {"digest": ["", SECRET]}},
        "changes is not",
    ),
    "a change without the old value": (ORGANIZATION_UPDATED, {"changes": {"name": SECRET}}, "changes is not"),
    "an event that is not declared": (EventType("key.exploded", "A key exploded."), {}, "is not declared"),
}


@pytest.mark.parametrize(("event", "data", "says"), MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("write", [record, record_refused])
def test_data_of_another_shape_is_refused_without_repeating_it(cast: Cast, write, event, data, says):
    with tenant_scope(cast.acme.id), transaction.atomic():
        before = AuditEvent.objects.count()
        with pytest.raises(ValueError, match=says) as caught:
            write(event, actor=SYSTEM, data=data)
        assert SECRET not in str(caught.value)
        assert AuditEvent.objects.count() == before


def test_a_change_fails_with_its_record(cast: Cast):
    """As when somebody adds a setting of projects and forgets to declare it."""
    with tenant_scope(cast.acme.id):
        with pytest.raises(ValueError, match="changes is not"), transaction.atomic():
            Project.objects.filter(id=cast.project.id).update(name="Falcon")
            record(
                PROJECT_UPDATED, actor=SYSTEM, data={"changes": {"name": ["Rocket", "Falcon"], "colour": ["", "red"]}}
            )
        assert Project.objects.get(id=cast.project.id).name == cast.project.name
