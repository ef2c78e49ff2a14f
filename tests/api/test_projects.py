"""`/api/v1/orgs/{org}/projects`, and roles that members have in one."""

import pytest

from config.kernel.tenancy.scope import tenant_scope
from projects.models import Project
from projects.services.projects import create_project
from tests.api.rows import everything

PROJECTS = "/api/v1/orgs/acme/projects"
ROCKET = f"{PROJECTS}/rocket"


@pytest.fixture
def second(cast):
    with tenant_scope(cast.acme.id):
        return create_project(actor=cast.principal(cast.owner), name="Second", slug="second")


def test_a_project_is_made_and_found_by_id_and_slug(api, cast):
    made = api(cast.developer).post(PROJECTS, {"name": "Glider", "slug": "glider"})
    assert made.status_code == 201
    project = made.json()
    assert (project["status"], project["organization_id"]) == ("active", cast.acme.public_id)
    for reference in ("glider", project["id"]):
        assert api(cast.viewer).get(f"{PROJECTS}/{reference}").json() == project


def test_viewers_make_no_projects(api, cast):
    before = everything()
    answer = api(cast.viewer).post(PROJECTS, {"name": "Glider", "slug": "glider"})
    assert (answer.status_code, answer.json()["permission"]) == (403, "manage_apps")
    assert everything() == before


@pytest.mark.parametrize(
    ("slug", "status"),
    [("rocket", 409), ("new", 400), ("Rocket", 400), ("-x", 400), ("x" * 49, 400), ("x\n", 400), ("", 400), (1, 400)],
)
def test_a_slug_that_cannot_be(api, cast, second, slug, status):
    before = everything()
    assert api(cast.owner).post(PROJECTS, {"name": "Glider", "slug": slug}).status_code == status
    assert api(cast.owner).patch(f"{PROJECTS}/second", {"slug": slug}).status_code == status
    assert everything() == before


def test_two_organizations_may_have_the_same_slug(api, cast):
    assert api(cast.outsider).post("/api/v1/orgs/globex/projects", {"name": "R", "slug": "rocket"}).status_code == 201


def test_a_project_is_renamed_unless_somebody_was_faster(api, cast):
    owner = api(cast.owner)
    etag = owner.get(ROCKET)["ETag"]
    renamed = owner.patch(ROCKET, {"name": "Falcon", "slug": "falcon"}, HTTP_IF_MATCH=etag)
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["slug"]) == (200, "Falcon", "falcon")
    before = everything()
    stale = owner.patch(f"{PROJECTS}/falcon", {"name": "Other"}, HTTP_IF_MATCH=etag)
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert everything() == before
    assert owner.get(ROCKET).status_code == 404


def test_an_archived_projects_keys_are_refused_until_it_is_restored(api, cast):
    assert api(cast.secret_key).get(ROCKET).status_code == 200
    for _ in range(2):
        assert api(cast.developer).post(f"{ROCKET}/archive").json()["status"] == "archived"
    assert api(cast.secret_key).get(ROCKET).status_code == 401
    refused = api(cast.owner).post(f"{ROCKET}/keys", {"kind": "secret", "mode": "live", "name": "x"})
    assert (refused.status_code, refused.json()["code"]) == (409, "project_archived")
    for _ in range(2):
        assert api(cast.developer).post(f"{ROCKET}/restore").json()["status"] == "active"
    assert api(cast.secret_key).get(ROCKET).status_code == 200


def test_projects_are_listed_by_status(api, cast, second):
    api(cast.owner).post(f"{PROJECTS}/second/archive")

    def listed(query=""):
        return [row["slug"] for row in api(cast.viewer).get(f"{PROJECTS}{query}").json()["data"]]

    assert (listed(), listed("?status=active"), listed("?status=archived")) == (
        ["second", "rocket"], ["rocket"], ["second"],
    )  # fmt: skip


def test_a_key_knows_of_its_own_project_only(api, cast, second):
    key = api(cast.secret_key)
    assert [row["slug"] for row in key.get(PROJECTS).json()["data"]] == ["rocket"]
    absent = key.get(f"{PROJECTS}/never-existed")
    for path in ("/api/v1/orgs/acme/projects/second", "/api/v1/orgs/globex/projects/freight"):
        assert key.get(path).content == absent.content
        assert key.patch(path, {"name": "x"}).status_code == 404


def test_an_admin_key_manages_its_own_project_and_makes_no_other(api, cast):
    assert api(cast.secret_key).patch(ROCKET, {"name": "Falcon"}).json()["name"] == "Falcon"
    before = everything()
    answer = api(cast.secret_key).post(PROJECTS, {"name": "Glider", "slug": "glider"})
    assert (answer.status_code, answer.json()["permission"]) == (403, "manage_apps")
    assert everything() == before


def test_another_tenants_project_is_absent_below_ones_own_organization(api, cast):
    before = everything()
    for reference in ("freight", cast.foreign_project.public_id):
        path = f"{PROJECTS}/{reference}"
        for answer in (
            api(cast.owner).get(path),
            api(cast.owner).patch(path, {"name": "x"}),
            api(cast.owner).post(f"{path}/archive"),
            api(cast.owner).get(f"{path}/keys"),
            api(cast.owner).put(f"{path}/members/{cast.viewer.public_id}", {"role": "admin"}),
        ):
            assert answer.status_code == 404
    assert everything() == before


# -- roles in one project --------------------------------------------------------------------------------------------
def test_a_member_is_raised_and_lowered_in_one_project(api, cast):
    member = f"{ROCKET}/members/{cast.viewer.public_id}"
    raised = api(cast.admin).put(member, {"role": "developer"})
    assert (raised.status_code, raised.json()["role"], raised.json()["id"]) == (200, "developer", cast.viewer.public_id)
    key = {"kind": "publishable", "mode": "test", "name": "Mine"}
    assert api(cast.viewer).post(f"{ROCKET}/keys", key).status_code == 201
    assert [row["id"] for row in api(cast.viewer).get(f"{ROCKET}/members").json()["data"]] == [cast.viewer.public_id]
    assert api(cast.admin).put(member, {"role": "viewer"}).json()["role"] == "viewer"
    assert api(cast.viewer).post(f"{ROCKET}/keys", key).status_code == 403
    assert api(cast.admin).delete(member).status_code == 204
    assert api(cast.admin).delete(member).status_code == 404
    assert api(cast.viewer).get(f"{ROCKET}/members").json() == {"data": [], "next": None}


def test_raising_needs_authority_in_the_organization(api, cast):
    api(cast.admin).put(f"{ROCKET}/members/{cast.developer.public_id}", {"role": "admin"})
    before = everything()
    raised = api(cast.developer).put(f"{ROCKET}/members/{cast.viewer.public_id}", {"role": "admin"})
    assert raised.status_code == 403
    assert api(cast.viewer).put(f"{ROCKET}/members/{cast.viewer.public_id}", {"role": "admin"}).status_code == 403
    assert api(cast.admin).put(f"{ROCKET}/members/{cast.owner.public_id}", {"role": "viewer"}).status_code == 403
    assert api(cast.owner).put(f"{ROCKET}/members/{cast.outsider.public_id}", {"role": "viewer"}).status_code == 404
    assert api(cast.owner).put(f"{ROCKET}/members/{cast.viewer.public_id}", {"role": "owner"}).status_code == 400
    assert everything() == before


def test_a_project_in_another_organization_has_its_own_slug_space(api, cast):
    with tenant_scope(cast.globex.id):
        assert not Project.objects.filter(slug="rocket").exists()
    assert api(cast.outsider).get("/api/v1/orgs/globex/projects/rocket").status_code == 404
