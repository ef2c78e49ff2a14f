"""`/api/v1/orgs` and what happens to one organization."""

import pytest

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import Membership, Organization
from orgs.services.organizations import delete_organization, disable_organization
from tests.api.rows import everything

ORGS = "/api/v1/orgs"
ACME = f"{ORGS}/acme"


def change(cast, service, **arguments):
    with tenant_scope(cast.acme.id):
        service(actor=cast.staff_principal(), **arguments)


def test_a_person_sees_their_organizations_with_their_role_and_permissions(api, cast):
    answer = api(cast.viewer).get(ORGS).json()
    assert answer["next"] is None
    (acme,) = answer["data"]
    assert acme["id"] == cast.acme.public_id
    assert (acme["slug"], acme["role"], acme["custom_role"]) == ("acme", "viewer", None)
    assert acme["permissions"] == ["view_audit", "view_org", "view_usage"]


def test_a_key_sees_its_own_organization_and_has_no_role(api, cast):
    (acme,) = api(cast.secret_key).get(ORGS).json()["data"]
    assert (acme["slug"], acme["role"]) == ("acme", None)
    assert acme["permissions"] == ["manage_schemas", "view_org", "view_usage"]


def test_a_token_of_one_organization_sees_no_other(api, cast, make):
    api(cast.owner).post(ORGS, {"name": "Second", "slug": "second"})
    bound = make.token(cast.owner, organization=cast.acme)
    assert [row["slug"] for row in api(bound).get(ORGS).json()["data"]] == ["acme"]
    assert api(bound).get(f"{ORGS}/second").status_code == 404


def test_the_maker_of_an_organization_owns_it(api, cast):
    made = api(cast.viewer).post(ORGS, {"name": "New one", "slug": "new-one"})
    assert made.status_code == 201
    assert made.json()["role"] == "owner"
    assert api(cast.viewer).get(f"{ORGS}/new-one").json() == made.json()
    assert api(cast.owner).get(f"{ORGS}/new-one").status_code == 404


def test_neither_keys_nor_narrowed_tokens_make_organizations(api, cast, make):
    before = everything()
    narrowed = make.token(cast.owner, permissions=["view_org"])
    bound = make.token(cast.owner, organization=cast.acme)
    before = everything()
    for credential in (cast.secret_key, narrowed, bound):
        answer = api(credential).post(ORGS, {"name": "Mine", "slug": "mine"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert everything() == before


@pytest.mark.parametrize("slug", ["acme", "globex"])
def test_a_slug_belongs_to_one_organization_of_the_installation(api, cast, slug):
    before = everything()
    answer = api(cast.viewer).post(ORGS, {"name": "Copy", "slug": slug})
    assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")
    assert everything() == before


def test_an_organization_is_found_by_id_slug_and_retired_slug(api, cast):
    by_slug = api(cast.owner).get(ACME).json()
    assert api(cast.owner).get(f"{ORGS}/{cast.acme.public_id}").json() == by_slug
    assert api(cast.owner).patch(ACME, {"slug": "acme-two"}).json()["slug"] == "acme-two"
    assert api(cast.owner).get(ACME).json()["slug"] == "acme-two"
    taken = api(cast.outsider).post(ORGS, {"name": "Thief", "slug": "acme"})
    assert taken.json()["code"] == "slug_taken"


def test_another_tenants_organization_is_answered_like_one_that_never_existed(api, cast):
    absent = api(cast.outsider).get(f"{ORGS}/never-existed")
    for reference in ("acme", cast.acme.public_id):
        foreign = api(cast.outsider).get(f"{ORGS}/{reference}")
        assert (foreign.status_code, foreign.content) == (absent.status_code, absent.content) == (404, absent.content)


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("admin", 200), ("developer", 403), ("viewer", 403)])
def test_owners_and_admins_rename(api, cast, role, status):
    answer = api(cast.member(role)).patch(ACME, {"name": "Acme Robotics"})
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["permission"] == "manage_billing"
    assert Organization.objects.get(id=cast.acme.id).name == ("Acme Robotics" if status == 200 else "Acme")


def test_deleting_needs_the_slug_typed(api, cast):
    before = everything()
    for confirm in ("Acme", "globex", ""):
        answer = api(cast.owner).delete(ACME, {"confirm": confirm})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["confirm"])
    assert everything() == before
    deleted = api(cast.owner).delete(ACME, {"confirm": "acme"}).json()
    assert deleted["status"] == "deleting"
    assert deleted["erase_after"] is not None


def test_only_owners_delete(api, cast):
    before = everything()
    answer = api(cast.admin).delete(ACME, {"confirm": "acme"})
    assert (answer.status_code, answer.json()["permission"]) == (403, "delete_org")
    assert everything() == before


def test_a_deleting_organization_can_be_looked_at_and_restored_and_nothing_else(api, cast):
    change(cast, delete_organization, confirmation="acme")
    owner = api(cast.owner)
    assert owner.get(ACME).json()["status"] == "deleting"
    refused = owner.get(f"{ACME}/members")
    assert (refused.status_code, refused.json()["code"]) == (403, "organization_inactive")
    assert refused.json()["organization_status"] == "deleting"
    assert api(cast.admin).post(f"{ACME}/restore").status_code == 403
    restored = owner.post(f"{ACME}/restore").json()
    assert (restored["status"], restored["erase_after"]) == ("active", None)
    assert owner.get(f"{ACME}/members").status_code == 200
    again = owner.post(f"{ACME}/restore")
    assert (again.status_code, again.json()["code"]) == (409, "conflict")


def test_a_disabled_organization_refuses_everybody_at_once(api, cast, make):
    bound = make.token(cast.owner, organization=cast.acme)
    change(cast, disable_organization, reason="unpaid")
    refused = api(cast.owner).get(ACME)
    assert (refused.status_code, refused.json()["organization_status"]) == (403, "disabled")
    assert api(cast.owner).post(f"{ACME}/restore").status_code == 403
    for credential in (cast.secret_key, bound):
        for path in (ACME, ORGS, "/api/v1/whoami"):
            assert api(credential).get(path).status_code in (401, 403)
        assert api(credential).get("/api/v1/whoami").status_code == 401
    assert api(cast.owner).get(ORGS).json()["data"][0]["status"] == "disabled"
    assert api(cast.outsider).get(ACME).status_code == 404


def test_ownership_is_handed_over(api, cast):
    answer = api(cast.owner).post(f"{ACME}/transfer", {"to": cast.viewer.public_id, "own_role": "developer"})
    assert (answer.status_code, answer.json()["role"], answer.json()["id"]) == (200, "owner", cast.viewer.public_id)
    with tenant_scope(cast.acme.id):
        assert Membership.objects.get(user=cast.owner).role == "developer"
    assert api(cast.owner).post(f"{ACME}/transfer", {"to": cast.viewer.public_id}).status_code == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [({"to": "usr_nobody"}, 404), ({}, 400), ({"to": None}, 400), ({"to": 5}, 400)],
)
def test_ownership_goes_to_members_only(api, cast, body, status):
    before = everything()
    assert api(cast.owner).post(f"{ACME}/transfer", body).status_code == status
    assert api(cast.owner).post(f"{ACME}/transfer", {"to": cast.outsider.public_id}).status_code == 404
    assert api(cast.owner).post(f"{ACME}/transfer", {"to": cast.owner.public_id}).status_code == 409
    assert everything() == before


def test_the_list_goes_on_behind_its_cursor(api, cast):
    owner = api(cast.owner)
    for number in range(3):
        owner.post(ORGS, {"name": f"Number {number}", "slug": f"number-{number}"})
    first = owner.get(f"{ORGS}?limit=3").json()
    second = owner.get(f"{ORGS}?limit=3&cursor={first['next']}").json()
    assert [row["slug"] for row in first["data"]] == ["number-2", "number-1", "number-0"]
    assert ([row["slug"] for row in second["data"]], second["next"]) == (["acme"], None)
