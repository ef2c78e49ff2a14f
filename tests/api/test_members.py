"""`/api/v1/orgs/{org}/members`."""

import pytest

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import CustomRole, Membership
from tests.api.rows import everything

MEMBERS = "/api/v1/orgs/acme/members"


def of(user):
    return f"{MEMBERS}/{user.public_id}"


def role_of(cast, user):
    with tenant_scope(cast.acme.id):
        return Membership.objects.of_user(user.id).values_list("role", flat=True).first()


def test_everybody_in_the_organization_sees_its_members(api, cast):
    people = [cast.viewer, cast.developer, cast.admin, cast.owner]  # newest first
    for credential in (cast.viewer, cast.secret_key):
        rows = api(credential).get(MEMBERS).json()["data"]
        assert [row["id"] for row in rows] == [person.public_id for person in people]
        assert [row["role"] for row in rows] == ["viewer", "developer", "admin", "owner"]


def test_one_member_is_found_by_their_user_id(api, cast):
    member = api(cast.viewer).get(of(cast.admin)).json()
    assert (member["email"], member["name"], member["role_name"]) == ("adam@acme.example", "Adam", "Admin")
    assert "manage_members" in member["permissions"]


def test_people_who_are_not_members_are_absent(api, cast):
    absent = api(cast.owner).get(f"{MEMBERS}/usr_01h455vb4pex5vsknk084sn02q")
    for user in (cast.outsider, cast.staff):
        assert api(cast.owner).get(of(user)).content == absent.content
        assert api(cast.owner).patch(of(user), {"role": "viewer"}).content == absent.content
        assert api(cast.owner).delete(of(user)).content == absent.content
    assert absent.status_code == 404


def test_an_admin_changes_roles_up_to_their_own(api, cast):
    admin = api(cast.admin)
    assert admin.patch(of(cast.viewer), {"role": "admin"}).json()["role"] == "admin"
    before = everything()
    for user, role in ((cast.developer, "owner"), (cast.owner, "viewer")):
        answer = admin.patch(of(user), {"role": role})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert everything() == before


def test_a_demotion_takes_hold_at_the_next_request(api, cast):
    admin = api(cast.admin)
    api(cast.owner).patch(of(cast.admin), {"role": "viewer"})
    answer = admin.patch(of(cast.viewer), {"role": "developer"})
    assert (answer.status_code, answer.json()["permission"]) == (403, "manage_members")
    assert role_of(cast, cast.viewer) == "viewer"


def test_a_custom_role_takes_the_place_of_a_built_in_one(api, cast):
    role = api(cast.owner).post("/api/v1/orgs/acme/roles", {"name": "Auditor", "permissions": ["view_audit"]}).json()
    member = api(cast.owner).patch(of(cast.viewer), {"custom_role": role["id"]}).json()
    assert (member["role"], member["custom_role"], member["role_name"]) == ("custom", role["id"], "Auditor")
    assert member["permissions"] == ["view_audit", "view_org"]


def test_a_custom_role_of_another_tenant_is_absent(api, cast):
    with tenant_scope(cast.globex.id):
        foreign = CustomRole.objects.create(name="Theirs", permissions=["view_org"])
    before = everything()
    for reference in (foreign.public_id, "rol_nonsense", "owner"):
        assert api(cast.owner).patch(of(cast.viewer), {"custom_role": reference}).status_code == 404
    assert everything() == before


@pytest.mark.parametrize(
    "body",
    [{}, {"role": "viewer", "custom_role": "rol_01h455vb4pex5vsknk084sn02q"}, {"role": "custom"}, {"role": "OWNER"}],
)
def test_exactly_one_role_is_named(api, cast, body):
    before = everything()
    assert api(cast.owner).patch(of(cast.viewer), body).status_code in (400, 404)
    assert everything() == before


def test_the_last_owner_stays(api, cast):
    before = everything()
    owner = api(cast.owner)
    for answer in (
        owner.patch(of(cast.owner), {"role": "admin"}),
        owner.delete(of(cast.owner)),
        owner.post("/api/v1/orgs/acme/leave"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
    assert everything() == before


def test_a_removed_member_is_out_at_once(api, cast):
    viewer = api(cast.viewer)
    assert viewer.get(MEMBERS).status_code == 200
    assert api(cast.admin).delete(of(cast.viewer)).status_code == 204
    assert viewer.get(MEMBERS).status_code == 404
    assert api(cast.admin).delete(of(cast.viewer)).status_code == 404


def test_nobody_removes_somebody_above_themselves(api, cast):
    before = everything()
    assert api(cast.admin).delete(of(cast.owner)).status_code == 403
    assert api(cast.developer).delete(of(cast.viewer)).json()["permission"] == "manage_members"
    assert everything() == before


def test_everybody_may_leave(api, cast):
    assert api(cast.viewer).post("/api/v1/orgs/acme/leave").status_code == 204
    assert role_of(cast, cast.viewer) is None
    assert api(cast.viewer).post("/api/v1/orgs/acme/leave").status_code == 404


def test_a_key_cannot_leave(api, cast):
    before = everything()
    answer = api(cast.secret_key).post("/api/v1/orgs/acme/leave")
    assert (answer.status_code, answer.json()["code"]) == (403, "people_only")
    assert everything() == before


def test_a_change_of_an_outdated_member_is_refused(api, cast):
    owner = api(cast.owner)
    etag = owner.get(of(cast.viewer))["ETag"]
    assert owner.patch(of(cast.viewer), {"role": "developer"}, HTTP_IF_MATCH=etag).status_code == 200
    stale = owner.patch(of(cast.viewer), {"role": "admin"}, HTTP_IF_MATCH=etag)
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert role_of(cast, cast.viewer) == "developer"
