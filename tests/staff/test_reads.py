"""What staff look at inside an organization is on the organization's own record, once in a while."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import AuditEvent
from audit.services import staff_reads
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from keys.models import Key
from orgs.models import Organization
from projects.models import Domain
from tests.cast import Cast
from tests.database import closed

KEYS = "/admin/keys/key/"


def reads(organization: Organization) -> list[tuple[str, str, dict[str, Any]]]:
    """What was read there: the actor, the target and the data, the oldest first."""
    with tenant_scope(organization.id):
        rows = AuditEvent.objects.filter(event="staff.read").order_by("id")
        assert all(row.actor_kind == "staff" for row in rows)
        return [(row.actor_id, row.target_id, row.data) for row in rows]


def test_a_look_at_a_row_is_told_to_its_organization_alone(staff: Client, cast: Cast):
    assert staff.get(f"{KEYS}{cast.key.pk}/change/").status_code == 200
    assert reads(cast.acme) == [
        (cast.staff.public_id, cast.key.public_id, {"what": "object", "kind": "key"}),
    ]
    assert reads(cast.globex) == []
    with tenant_scope(cast.acme.id):
        row = AuditEvent.objects.get(event="staff.read")
    assert (row.actor_label, row.target_kind, row.ip) == (cast.staff.email, "key", "127.0.0.1")


def test_looking_again_within_minutes_is_one_record(staff: Client, cast: Cast, monkeypatch: pytest.MonkeyPatch):
    for _ in range(3):
        staff.get(f"{KEYS}{cast.key.pk}/change/")
    assert len(reads(cast.acme)) == 1
    staff.get(f"/admin/projects/project/{cast.project.pk}/change/")
    assert len(reads(cast.acme)) == 2
    monkeypatch.setattr(staff_reads, "QUIET", timedelta(0))
    staff.get(f"{KEYS}{cast.key.pk}/change/")
    assert len(reads(cast.acme)) == 3


def test_two_people_looking_at_one_thing_are_two_records(staff: Client, cast: Cast, enter: Any):
    cast.admin.is_staff = True
    cast.admin.save()
    for browser in (staff, enter(cast.admin)):
        browser.get(f"{KEYS}{cast.key.pk}/change/")
    assert [actor for actor, *_ in reads(cast.acme)] == [cast.staff.public_id, cast.admin.public_id]


@pytest.mark.parametrize(
    ("query", "search"),
    [("?q={public}", "{public}"), ("?org_id__exact={id}", ""), ("?q={public}+{key}", "{public} {key}")],
)
def test_a_list_that_is_narrowed_to_an_organization_is_a_look(staff: Client, cast: Cast, query: str, search: str):
    values = {"public": cast.acme.public_id, "id": cast.acme.id, "key": cast.key.public_id}
    for _ in range(2):
        assert staff.get(KEYS + query.format(**values)).status_code == 200
    data = {"what": "list", "kind": "key"}
    wanted = {**data, "search": search.format(**values)} if search else data
    assert reads(cast.acme) == [(cast.staff.public_id, "keys.key", wanted)]
    assert reads(cast.globex) == []


def test_a_list_that_is_narrowed_to_one_row_is_a_look_too(staff: Client, cast: Cast):
    staff.get(f"{KEYS}?q={cast.key.public_id}")
    assert [target for _, target, _ in reads(cast.acme)] == ["keys.key"]


def test_an_empty_list_of_an_organization_is_a_look_and_one_of_nobodys_is_not(staff: Client, cast: Cast):
    with system_scope("test"):
        Key.objects.filter(org_id=cast.globex.id).delete_all()
        before = AuditEvent.objects.count()
    assert staff.get(f"{KEYS}?q={cast.globex.public_id}").status_code == 200
    assert len(reads(cast.globex)) == 1
    for word in ("org_01h455vb4pex5vsknk084sn02q", "org_", "nothing"):
        assert staff.get(f"{KEYS}?q={word}").status_code == 200
    staff.get(f"{KEYS}?org_id__exact=nonsense")
    with system_scope("test"):
        assert AuditEvent.objects.count() == before + 1


def test_a_list_of_everybody_is_a_look_at_each_whose_rows_are_on_the_page(staff: Client, cast: Cast):
    for _ in range(2):
        assert staff.get(KEYS).status_code == 200
    look = [(cast.staff.public_id, "keys.key", {"what": "list", "kind": "key"})]
    assert reads(cast.acme) == reads(cast.globex) == look
    with tenant_scope(cast.globex.id):
        Domain.objects.create(
            project=cast.foreign_project, pattern="globex.example", is_loopback=False, created_by="usr_1"
        )
    assert staff.get("/admin/projects/domain/").status_code == 200
    assert (len(reads(cast.acme)), len(reads(cast.globex))) == (1, 2)
    assert staff.get("/admin/orgs/organization/?q=acm").status_code == 200
    assert reads(cast.acme)[1:] == [
        (cast.staff.public_id, "orgs.organization", {"what": "list", "kind": "organization", "search": "acm"})
    ]


def test_a_list_of_many_organizations_takes_no_more_statements_than_one_of_two(staff: Client, cast: Cast):
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert staff.get("/admin/orgs/organization/").status_code == 200
        return len(queries)

    staff.get("/admin/")
    before = statements()
    Organization.objects.bulk_create(Organization(name=f"No. {number}", slug=f"no-{number}") for number in range(30))
    assert statements() == before
    with system_scope("test"):
        assert AuditEvent.objects.filter(event="staff.read", target_id="orgs.organization").count() == 32


def test_what_cannot_be_recorded_is_not_shown(staff: Client, cast: Cast):
    staff.raise_request_exception = False
    for address in (KEYS, f"{KEYS}{cast.key.pk}/change/"):
        with closed("audit_event"):
            answer = staff.get(address)
        assert answer.status_code == 500
        assert cast.key.name not in answer.content.decode()
    assert staff.get(KEYS).status_code == 200


def test_nobody_finds_rows_by_the_search_of_a_forms_field(staff: Client, cast: Cast):
    answer = staff.get("/admin/autocomplete/?app_label=keys&model_name=key&field_name=project&term=")
    assert answer.status_code == 404
    assert cast.project.name not in answer.content.decode()
    assert reads(cast.acme) == []


def test_the_installations_own_rows_are_nobodys_matter(staff: Client, cast: Cast):
    with tenant_scope(INSTALLATION_ID):
        own = AuditEvent.objects.filter(event="user.signed_in").first() or AuditEvent.objects.first()
    assert own is not None
    staff.get("/admin/audit/auditevent/?q=installation")
    staff.get(f"/admin/audit/auditevent/{own.pk}/change/")
    staff.get(f"/admin/orgs/user/{cast.viewer.pk}/change/")
    assert reads(cast.acme) == reads(cast.globex) == []
    with tenant_scope(INSTALLATION_ID):
        assert not AuditEvent.objects.filter(event="staff.read").exists()


def test_an_organizations_own_page_and_the_question_of_an_action_are_looks(staff: Client, cast: Cast):
    staff.get(f"/admin/orgs/organization/{cast.acme.pk}/change/")
    staff.get(f"{KEYS}{cast.key.pk}/do/revoke/")
    assert [target for _, target, _ in reads(cast.acme)] == [cast.acme.public_id, cast.key.public_id]


def test_who_is_refused_has_seen_nothing(cast: Cast, browse: Any):
    assert browse(cast.owner).get(f"{KEYS}{cast.key.pk}/change/").status_code == 403
    assert Client().get(f"{KEYS}{cast.key.pk}/change/").status_code == 302
    assert reads(cast.acme) == []


def test_the_organization_reads_who_has_looked(staff: Client, cast: Cast, browse: Any):
    staff.get(f"{KEYS}{cast.key.pk}/change/")
    page = browse(cast.viewer).get("/orgs/acme/audit/?event=staff.read").content.decode()
    assert cast.staff.email in page
