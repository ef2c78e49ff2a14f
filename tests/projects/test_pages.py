"""Pages of projects."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AuditEvent
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.services.keys import create_key, revoke_key
from orgs.models import Membership
from projects.models import Project, ProjectMembership
from projects.services.members import set_project_role
from projects.services.projects import archive_project, create_project
from tests.browsers import saved
from tests.cast import Cast, person
from tests.texts import without_what_varies

LIST = "/orgs/acme/projects/"
PROJECT = "/orgs/acme/projects/rocket/"
ROLES = ["owner", "admin", "developer", "viewer"]
MANAGERS = ["owner", "admin"]
BUILDERS = ["owner", "admin", "developer"]
PAGES = ["", "settings/", "archive/", "members/", "members/set/"]
FORMS = ["settings/", "archive/", "restore/", "members/set/", "members/clear/"]


def text_of(answer: Any) -> str:
    return answer.content.decode()


def project_of(cast: Cast) -> Project:
    with tenant_scope(cast.acme.id):
        return Project.objects.get(id=cast.project.id)


def events_of(cast: Cast) -> list[str]:
    with tenant_scope(cast.acme.id):
        done = AuditEvent.objects.exclude(event="access.denied")
        return list(done.order_by("id").values_list("event", flat=True))


def add_projects(cast: Cast, number: int) -> None:
    with tenant_scope(cast.acme.id):
        for index in range(number):
            create_project(actor=cast.principal(cast.owner), name=f"Project {index}", slug=f"project-{index}")


@pytest.mark.parametrize("role", ROLES)
def test_the_list_offers_a_new_project_to_those_who_may_make_one(cast: Cast, browse: Any, role: str):
    page = text_of(browse(cast.member(role)).get(LIST))
    assert "Rocket" in page
    assert "Freight" not in page
    assert ("/orgs/acme/projects/new/" in page) == (role in BUILDERS)


def test_the_list_is_searched_by_name_and_slug(cast: Cast, browse: Any):
    add_projects(cast, 3)
    browser = browse(cast.viewer)
    assert "Project 1" in text_of(browser.get(LIST, {"q": "ject 1"}))
    by_slug = text_of(browser.get(LIST, {"q": "ROCK"}))
    assert "Rocket" in by_slug
    assert "Project 1" not in by_slug
    assert "No project matches" in text_of(browser.get(LIST, {"q": "%"}))


@pytest.mark.parametrize("query", [{"q": "a\x00b"}, {"q": "x" * 121}, {"status": "deleted"}])
def test_a_search_that_cannot_be_is_said_to_be_wrong(cast: Cast, browse: Any, query: dict):
    assert browse(cast.viewer).get(LIST, query).status_code == 422


@pytest.mark.parametrize("cursor", ["x", "x" * 22 + "!", "y" * 4000, "%00"])
def test_a_cursor_that_is_not_ours_is_refused(cast: Cast, browse: Any, cursor: str):
    for name in ("before", "after"):
        assert browse(cast.viewer).get(LIST, {name: cursor}).status_code == 400


def test_the_list_turns_older_and_newer_and_keeps_its_search(cast: Cast, browse: Any):
    add_projects(cast, 120)
    browser = browse(cast.viewer)
    answer = browser.get(LIST, {"q": "project"})
    pages = [[row.name for row in answer.context["rows"]]]
    assert answer.context["newer"] == ""
    while answer.context["older"]:
        answer = browser.get(answer.context["older"])
        pages.append([row.name for row in answer.context["rows"]])
    assert [name for page in pages for name in page] == [f"Project {index}" for index in reversed(range(120))]
    back = browser.get(answer.context["newer"])
    assert [row.name for row in back.context["rows"]] == pages[1]
    assert [row.name for row in browser.get(back.context["newer"]).context["rows"]] == pages[0]


def test_two_and_twenty_projects_take_the_same_queries(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    add_projects(cast, 1)
    browser.get(LIST)
    with CaptureQueriesContext(connection) as two:
        browser.get(LIST)
    with tenant_scope(cast.acme.id):
        for index in range(1, 19):
            create_project(actor=cast.principal(cast.owner), name=f"Project {index}", slug=f"project-{index}")
    with CaptureQueriesContext(connection) as twenty:
        assert len(browser.get(LIST).context["rows"]) == 20
    assert len(twenty) == len(two)


def test_a_project_gets_its_slug_from_its_name(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    made = browser.post(f"{LIST}new/", {"name": "Billing  & Tax", "slug": ""})
    with tenant_scope(cast.acme.id):
        project = Project.objects.get(slug="billing-tax")
    assert made["Location"] == f"{LIST}{project.public_id}/"
    assert "Billing  &amp; Tax" in text_of(browser.get(made["Location"]))


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"name": ""}, 422),
        ({"name": "x" * 121}, 422),
        ({"name": "a\x00b"}, 422),
        ({"name": "東京"}, 422),
        ({"name": "Rocket"}, 409),
        ({"name": "Other", "slug": "rocket"}, 409),
        ({"name": "Other", "slug": "new"}, 400),
        ({"name": "Other", "slug": "No Spaces"}, 400),
        ({"name": "Other", "slug": "x" * 49}, 422),
    ],
)
def test_a_wrong_project_is_not_made(cast: Cast, browse: Any, values: dict, status: int):
    before = events_of(cast)
    answer = browse(cast.developer).post(f"{LIST}new/", values)
    assert answer.status_code == status
    assert 'aria-invalid="true"' in text_of(answer)
    assert events_of(cast) == before


def test_names_are_escaped(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    browser.post(f"{LIST}new/", {"name": "<script>alert(1)</script>", "slug": "script"})
    for path in (LIST, f"{LIST}script/", "/orgs/acme/panels/projects/", f"{LIST}script/archive/"):
        page = text_of(browser.get(path))
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize("role", ROLES)
def test_the_project_page_offers_what_the_role_allows(cast: Cast, browse: Any, role: str):
    page = text_of(browse(cast.member(role)).get(PROJECT))
    public_id = cast.project.public_id
    assert "/api/v1/keys/verify" in page
    assert (f"{LIST}{public_id}/keys/new/" in page) == (role in BUILDERS)
    assert (f"{LIST}{public_id}/settings/" in page) == (role in BUILDERS)
    assert (f"{LIST}{public_id}/members/" in page) == (role in MANAGERS)


def test_the_project_page_counts_the_keys_that_work(cast: Cast, browse: Any):
    counts = browse(cast.viewer).get(PROJECT).context["counts"]
    assert counts == {"working": 2, "secret": 1, "publishable": 1, "expiring": 0}
    with tenant_scope(cast.acme.id):
        revoke_key(actor=cast.principal(cast.owner), project_id=cast.project.id, key=cast.key.public_id)
    page = browse(cast.viewer).get(PROJECT)
    assert page.context["counts"]["secret"] == 0


def test_settings_are_saved_and_the_new_slug_leads_there(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    answer = saved(browser, f"{PROJECT}settings/", {"name": "Rocket 2", "slug": "rocket-2"})
    assert answer["Location"] == f"{LIST}{cast.project.public_id}/settings/"
    assert (project_of(cast).name, project_of(cast).slug) == ("Rocket 2", "rocket-2")
    assert browser.get(f"{LIST}rocket-2/").status_code == 200
    assert events_of(cast)[-1] == "project.updated"


def test_a_taken_slug_is_said_beside_the_field(cast: Cast, browse: Any):
    add_projects(cast, 1)
    answer = saved(browse(cast.developer), f"{PROJECT}settings/", {"name": "Rocket", "slug": "project-0"})
    assert answer.status_code == 409
    assert 'id="id_slug_error"' in text_of(answer)
    assert project_of(cast).slug == "rocket"


def test_archiving_says_what_stops_and_can_be_taken_back(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    preview = text_of(browser.get(f"{PROJECT}archive/"))
    assert "2 keys" in preview
    assert "1 secret key:" in preview
    assert project_of(cast).is_active
    assert browser.post(f"{PROJECT}archive/").status_code == 302
    assert not project_of(cast).is_active
    archived = text_of(browser.get(PROJECT))
    assert "This project is archived" in archived
    assert f"{LIST}{cast.project.public_id}/keys/new/" not in archived
    assert "Rocket" not in text_of(browser.get(LIST)).split("<main")[1]
    assert "Rocket" in text_of(browser.get(LIST, {"status": "archived"}))
    assert browser.post(f"{PROJECT}restore/").status_code == 302
    assert project_of(cast).is_active
    assert events_of(cast)[-2:] == ["project.archived", "project.restored"]


def test_restoring_is_a_post_alone(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        archive_project(actor=cast.principal(cast.owner), project_id=cast.project.id)
    assert browse(cast.owner).get(f"{PROJECT}restore/").status_code == 405
    assert not project_of(cast).is_active


def test_a_viewer_changes_nothing(cast: Cast, browse: Any):
    browser, before = browse(cast.viewer), events_of(cast)
    wanted = {"name": "Mine", "slug": "mine"}
    for path in (f"{LIST}new/", f"{PROJECT}settings/", f"{PROJECT}archive/"):
        assert browser.get(path).status_code == 403
        refused = browser.post(path, wanted)
        assert refused.status_code == 403
        assert "manage_apps" in text_of(refused)
    assert browser.post(f"{PROJECT}restore/").status_code == 403
    assert events_of(cast) == before


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_roles_in_a_project_are_for_those_who_manage_members(cast: Cast, browse: Any, role: str):
    browser, before = browse(cast.member(role)), events_of(cast)
    assert browser.get(f"{PROJECT}members/").status_code == 403
    assert browser.get(f"{PROJECT}members/set/").status_code == 403
    wanted = {"member": cast.viewer.email, "role": "admin"}
    assert browser.post(f"{PROJECT}members/set/", wanted).status_code == 403
    assert browser.post(f"{PROJECT}members/clear/", {"user": cast.viewer.public_id}).status_code == 403
    assert events_of(cast) == before


def test_a_role_in_the_project_is_set_shown_and_cleared(cast: Cast, browse: Any):
    browser = browse(cast.admin)
    set_answer = browser.post(f"{PROJECT}members/set/", {"member": "VICTOR@acme.example", "role": "developer"})
    assert set_answer["Location"] == f"{LIST}{cast.project.public_id}/members/"
    page = text_of(browser.get(set_answer["Location"]))
    assert "victor@acme.example" in page
    assert "Developer" in page
    assert browse(cast.viewer).get(f"{PROJECT}settings/").status_code == 200
    assert browser.post(f"{PROJECT}members/clear/", {"user": cast.viewer.public_id}).status_code == 302
    assert "Nobody has another role here" in text_of(browser.get(set_answer["Location"]))
    assert browse(cast.viewer).get(f"{PROJECT}settings/").status_code == 403


@pytest.mark.parametrize(
    ("member", "role", "status"),
    [
        ("nobody@acme.example", "viewer", 422),
        ("oscar@globex.example", "viewer", 422),
        ("not an address", "viewer", 422),
        ("victor@acme.example", "owner", 422),
        ("olivia@acme.example", "viewer", 403),
    ],
)
def test_a_role_that_cannot_be_given_is_not_given(cast: Cast, browse: Any, member: str, role: str, status: int):
    before = events_of(cast)
    answer = browse(cast.admin).post(f"{PROJECT}members/set/", {"member": member, "role": role})
    assert answer.status_code == status
    assert 'role="alert"' in text_of(answer)
    assert events_of(cast) == before


def test_clearing_needs_a_member(cast: Cast, browse: Any):
    assert browse(cast.admin).post(f"{PROJECT}members/clear/").status_code == 400


@pytest.mark.parametrize("user", ["usr_zzz", "victor", "prj_01h455vb4pex5vsknk084sn02q"])
def test_clearing_a_role_of_nobody_finds_nothing(cast: Cast, browse: Any, user: str):
    assert browse(cast.admin).post(f"{PROJECT}members/clear/", {"user": user}).status_code == 404


def test_a_role_raised_in_the_project_does_not_govern_its_members(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        set_project_role(
            actor=cast.principal(cast.owner), project_id=cast.project.id, user_id=cast.viewer.id, role="admin"
        )
    browser, before = browse(cast.viewer), events_of(cast)
    page = text_of(browser.get(f"{PROJECT}members/"))
    assert "victor@acme.example" in page
    assert "members/set/" not in page
    assert browser.post(f"{PROJECT}members/clear/", {"user": cast.viewer.public_id}).status_code == 403
    refused = browser.post(f"{PROJECT}members/set/", {"member": cast.developer.email, "role": "viewer"})
    assert refused.status_code in (403, 422)
    assert events_of(cast) == before


def test_two_and_twenty_members_take_the_same_queries(cast: Cast, browse: Any):
    def give(numbers: range) -> None:
        people = [person(f"p{number}@acme.example") for number in numbers]
        with tenant_scope(cast.acme.id):
            for user in people:
                membership = Membership.objects.create(user=user, role="viewer")
                ProjectMembership.objects.create(project=cast.project, membership=membership, role="developer")

    browser = browse(cast.admin)
    give(range(2))
    browser.get(f"{PROJECT}members/")
    with CaptureQueriesContext(connection) as two:
        browser.get(f"{PROJECT}members/")
    give(range(2, 20))
    with CaptureQueriesContext(connection) as twenty:
        assert len(browser.get(f"{PROJECT}members/").context["rows"]) == 20
    assert len(twenty) == len(two)


@pytest.mark.parametrize(("method", "page"), [*(("get", page) for page in PAGES), *(("post", page) for page in FORMS)])
def test_another_tenants_and_absent_projects_look_the_same(cast: Cast, browse: Any, method: str, page: str):
    send = getattr(browse(cast.owner), method)
    absent = cast.foreign_project.public_id[:-4] + "0000"
    theirs = send(f"{LIST}{cast.foreign_project.public_id}/{page}")
    nowhere = send(f"{LIST}{absent}/{page}")
    assert theirs.status_code == nowhere.status_code == 404
    same = without_what_varies(text_of(theirs)).replace(cast.foreign_project.public_id, absent)
    assert same == without_what_varies(text_of(nowhere))
    assert send(f"/orgs/globex/projects/freight/{page}").status_code == 404
    assert "project.archived" not in events_of(cast)


@pytest.mark.parametrize(
    "reference", ["%00", "a%0Ab", "prj_zzz", "x" * 300, "%F0%9F%98%80", "key_01h455vb4pex5vsknk084sn02q"]
)
def test_a_malformed_project_is_absent(cast: Cast, browse: Any, reference: str):
    assert browse(cast.owner).get(f"{LIST}{reference}/").status_code == 404


def test_the_panel_counts_and_names_the_newest(cast: Cast, browse: Any):
    add_projects(cast, 7)
    with tenant_scope(cast.acme.id):
        archive_project(actor=cast.principal(cast.owner), project_id=cast.project.id)
    panel = browse(cast.viewer).get("/orgs/acme/panels/projects/")
    assert panel.context["counts"] == {"active": 7, "archived": 1}
    assert [project.name for project in panel.context["newest"]] == [f"Project {index}" for index in (6, 5, 4, 3, 2)]
    assert "<html" not in text_of(panel)


def test_pages_lead_to_sign_in_without_a_session(cast: Cast, browse: Any):
    assert browse(None).get(PROJECT)["Location"] == f"/login/?next={PROJECT}"


def test_keys_of_another_project_are_not_counted(cast: Cast, browse: Any):
    add_projects(cast, 1)
    with tenant_scope(cast.acme.id):
        other = Project.objects.get(slug="project-0")
        create_key(
            actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=other.id,
            kind="secret", mode="test", name="Other",
        )  # fmt: skip
    assert browse(cast.owner).get(f"{PROJECT}archive/").context["counts"]["working"] == 2
