"""`/api/v1/orgs/{org}/roles`."""

import pytest

from config.kernel.permissions import ROLE_PERMISSIONS
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import CustomRole
from tests.api.rows import everything

ROLES = "/api/v1/orgs/acme/roles"


def write(client, name="Auditor", permissions=("view_audit",), **more):
    return client.post(ROLES, {"name": name, "permissions": list(permissions), **more})


def test_built_in_roles_come_first_and_only_on_the_first_page(api, cast):
    for name in ("One", "Two", "Three"):
        write(api(cast.admin), name)
    first = api(cast.viewer).get(f"{ROLES}?limit=2").json()
    assert [role["name"] for role in first["data"]] == ["Owner", "Admin", "Developer", "Viewer", "Three", "Two"]
    second = api(cast.viewer).get(f"{ROLES}?limit=2&cursor={first['next']}").json()
    assert ([role["name"] for role in second["data"]], second["next"]) == (["One"], None)


def test_a_built_in_role_tells_its_permissions(api, cast):
    for name, permissions in ROLE_PERMISSIONS.items():
        role = api(cast.viewer).get(f"{ROLES}/{name}").json()
        assert (role["id"], role["built_in"], role["permissions"]) == (name, True, sorted(permissions))


def test_built_in_roles_stay_as_they_are(api, cast):
    before = everything()
    assert api(cast.owner).patch(f"{ROLES}/viewer", {"permissions": ["delete_org"]}).status_code == 403
    assert api(cast.owner).delete(f"{ROLES}/viewer").status_code == 403
    assert everything() == before


def test_a_role_always_lets_its_holder_see_the_organization(api, cast):
    made = write(api(cast.admin), description="Reads the ledger")
    assert made.status_code == 201
    role = made.json()
    assert (role["permissions"], role["built_in"]) == (["view_audit", "view_org"], False)
    assert api(cast.viewer).get(f"{ROLES}/{role['id']}").json() == role
    assert made["ETag"] == api(cast.viewer).get(f"{ROLES}/{role['id']}")["ETag"]


def test_nobody_writes_a_role_above_their_own(api, cast):
    before = everything()
    assert write(api(cast.admin), permissions=["delete_org"]).json()["code"] == "forbidden"
    assert write(api(cast.developer)).json()["permission"] == "manage_members"
    assert everything() == before


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Owner", "permissions": ["view_org"]},
        {"name": "x" * 61, "permissions": []},
        {"name": "", "permissions": []},
        {"name": "Keys", "permissions": ["keys:verify"]},
        {"name": "Keys", "permissions": ["fly"]},
        {"name": "Keys", "permissions": "view_org"},
        {"name": "Keys", "permissions": [["view_org"]]},
        {"name": "Keys", "permissions": None},
        {"name": "Keys"},
    ],
)
def test_a_role_that_makes_no_sense_is_refused(api, cast, body):
    before = everything()
    answer = api(cast.owner).post(ROLES, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert everything() == before


def test_a_name_is_taken_once(api, cast):
    first = write(api(cast.admin)).json()
    second = write(api(cast.admin), "Second").json()
    before = everything()
    assert write(api(cast.admin)).json()["code"] == "name_taken"
    assert api(cast.admin).patch(f"{ROLES}/{second['id']}", {"name": first["name"]}).status_code == 409
    assert everything() == before


def test_a_changed_role_holds_for_its_members_at_once(api, cast):
    role = write(api(cast.admin)).json()
    api(cast.admin).patch(f"/api/v1/orgs/acme/members/{cast.viewer.public_id}", {"custom_role": role["id"]})
    viewer = api(cast.viewer)
    assert viewer.get("/api/v1/orgs/acme/audit-events").status_code == 200
    changed = api(cast.admin).patch(f"{ROLES}/{role['id']}", {"permissions": [], "name": "Guest"}).json()
    assert (changed["permissions"], changed["name"]) == (["view_org"], "Guest")
    assert viewer.get("/api/v1/orgs/acme/audit-events").status_code == 403


def test_a_role_in_use_cannot_be_deleted(api, cast):
    role = write(api(cast.admin)).json()
    member = f"/api/v1/orgs/acme/members/{cast.viewer.public_id}"
    api(cast.admin).patch(member, {"custom_role": role["id"]})
    refused = api(cast.admin).delete(f"{ROLES}/{role['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    api(cast.admin).patch(member, {"role": "viewer"})
    assert api(cast.admin).delete(f"{ROLES}/{role['id']}").status_code == 204
    assert api(cast.admin).get(f"{ROLES}/{role['id']}").status_code == 404


def test_another_tenants_role_is_absent(api, cast):
    with tenant_scope(cast.globex.id):
        foreign = CustomRole.objects.create(name="Theirs", permissions=["view_org"])
    before = everything()
    path = f"{ROLES}/{foreign.public_id}"
    for answer in (api(cast.owner).get(path), api(cast.owner).patch(path, {"name": "x"}), api(cast.owner).delete(path)):
        assert answer.status_code == 404
    assert everything() == before
