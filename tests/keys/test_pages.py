"""Pages of keys: lists, one key, rename, rotate, revoke. Making one is in test_pages_shown_once.py."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key
from keys.services.keys import create_key, revoke_key, rotate_key
from projects.models import Project
from projects.services.members import set_project_role
from projects.services.projects import archive_project, create_project
from tests.browsers import filled_in
from tests.cast import Cast
from tests.texts import without_what_varies

KEYS = "/orgs/acme/projects/rocket/keys/"
ROLES = ["owner", "admin", "developer", "viewer"]
MANAGERS = ["owner", "admin", "developer"]
FORMS = ["edit/", "rotate/", "revoke/"]


def text_of(answer: Any) -> str:
    return answer.content.decode()


def events_of(cast: Cast) -> list[str]:
    with tenant_scope(cast.acme.id):
        done = AuditEvent.objects.exclude(event="access.denied")
        return list(done.order_by("id").values_list("event", flat=True))


def key_now(cast: Cast) -> Key:
    with tenant_scope(cast.acme.id):
        return Key.objects.get(id=cast.key.id)


def add_keys(cast: Cast, number: int, project: Project | None = None, **fields: Any) -> list[Key]:
    wanted = {"kind": "secret", "mode": "test", "name": "Worker", **fields}
    with tenant_scope(cast.acme.id):
        return [
            create_key(
                actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER],
                project_id=(project or cast.project).id, **wanted,
            )[0]
            for _ in range(number)
        ]  # fmt: skip


def key_address(cast: Cast, key: Key | None = None) -> str:
    return f"/orgs/acme/projects/{cast.project.public_id}/keys/{(key or cast.key).public_id}/"


@pytest.mark.parametrize("role", ROLES)
def test_the_list_shows_keys_and_never_a_secret(cast: Cast, browse: Any, role: str):
    page = text_of(browse(cast.member(role)).get(KEYS))
    assert "Backend" in page
    assert cast.key.start in page
    assert cast.secret_key not in page
    assert ("keys/new/" in page) == (role in MANAGERS)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"mode": "live"}, {"Backend", "Shop"}),
        ({"mode": "test"}, {"Ending", "Ended", "Revoked"}),
        ({"kind": "publishable"}, {"Shop"}),
        ({"kind": "secret", "mode": "live"}, {"Backend"}),
        ({"state": "active"}, {"Backend", "Shop", "Ending"}),
        ({"state": "expiring"}, {"Ending"}),
        ({"state": "ended"}, {"Ended", "Revoked"}),
        ({}, {"Backend", "Shop", "Ending", "Ended", "Revoked"}),
    ],
)
def test_the_lists_are_filtered(cast: Cast, browse: Any, query: dict, names: set[str]):
    soon = timezone.now() + timedelta(days=3)
    add_keys(cast, 1, name="Ending", expires_at=soon)
    ended, revoked = *add_keys(cast, 1, name="Ended", expires_at=soon), *add_keys(cast, 1, name="Revoked")
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=ended.id).update(expires_at=timezone.now())
        revoke_key(actor=cast.principal(cast.owner), project_id=cast.project.id, key=revoked.public_id)
    browser = browse(cast.viewer)
    for path in (KEYS, "/orgs/acme/keys/"):
        assert {key.name for key in browser.get(path, query).context["rows"]} == names


def test_states_are_said_in_words(cast: Cast, browse: Any):
    add_keys(cast, 1, name="Ending", expires_at=timezone.now() + timedelta(days=3))
    (revoked,) = add_keys(cast, 1, name="Gone")
    with tenant_scope(cast.acme.id):
        revoke_key(actor=cast.principal(cast.owner), project_id=cast.project.id, key=revoked.public_id)
    page = text_of(browse(cast.viewer).get(KEYS))
    assert "Expires soon" in page
    assert "Revoked" in page


@pytest.mark.parametrize("query", [{"mode": "staging"}, {"kind": "x"}, {"state": "\x00"}])
def test_a_filter_that_cannot_be_is_said_to_be_wrong(cast: Cast, browse: Any, query: dict):
    for path in (KEYS, "/orgs/acme/keys/"):
        assert browse(cast.viewer).get(path, query).status_code == 422


def test_a_long_list_turns_and_keeps_its_filter(cast: Cast, browse: Any):
    add_keys(cast, 55)
    browser = browse(cast.viewer)
    first = browser.get(KEYS, {"mode": "test"})
    assert "mode=test" in first.context["older"]
    second = browser.get(first.context["older"])
    assert len(first.context["rows"]) + len(second.context["rows"]) == 55
    assert [key.id for key in browser.get(second.context["newer"]).context["rows"]] == [
        key.id for key in first.context["rows"]
    ]


@pytest.mark.parametrize("path", [KEYS, "/orgs/acme/keys/", "/orgs/acme/panels/keys/"])
def test_two_and_twenty_keys_take_the_same_queries(cast: Cast, browse: Any, path: str):
    browser = browse(cast.developer)
    browser.get(path)
    with CaptureQueriesContext(connection) as two:
        browser.get(path)
    with tenant_scope(cast.acme.id):
        projects = [create_project(actor=cast.principal(cast.owner), name="P", slug=f"p-{n}") for n in range(9)]
    soon = timezone.now() + timedelta(days=3)
    for project in projects:
        add_keys(cast, 1, project, expires_at=soon)
    add_keys(cast, 9, expires_at=soon)
    with CaptureQueriesContext(connection) as twenty:
        assert browser.get(path).status_code == 200
    assert len(twenty) == len(two)


def test_the_organizations_list_names_projects_and_leaves_other_tenants_out(cast: Cast, browse: Any):
    answer = browse(cast.viewer).get("/orgs/acme/keys/")
    assert {key.project.name for key in answer.context["rows"]} == {"Rocket"}
    page = text_of(answer)
    assert key_address(cast) in page
    assert cast.foreign_key.start not in page


def test_an_organization_without_keys_is_told_where_to_make_one(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        Key.objects.all().delete_all()
    page = text_of(browse(cast.viewer).get("/orgs/acme/keys/"))
    assert "No keys yet" in page
    assert "Go to the projects" in page


@pytest.mark.parametrize("role", ROLES)
def test_a_key_tells_everything_but_its_secret(cast: Cast, browse: Any, role: str):
    page = text_of(browse(cast.member(role)).get(key_address(cast)))
    for words in (cast.key.public_id, cast.key.start, "keys:verify", "by olivia@acme.example", "Every address"):
        assert words in page
    assert cast.secret_key not in page
    for form in FORMS:
        assert (f"{key_address(cast)}{form}" in page) == (role in MANAGERS)


def test_a_publishable_key_is_shown_in_full_at_any_time(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        key = Key.objects.get(kind="publishable")
    for _ in range(2):
        assert cast.publishable_key in text_of(browse(cast.viewer).get(key_address(cast, key)))


def test_rotating_is_not_offered_for_a_key_that_may_do_more_than_the_viewer(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        membership_role = {"role": "viewer"}
        set_project_role(
            actor=cast.principal(cast.owner), project_id=cast.project.id, user_id=cast.developer.id, **membership_role
        )
    assert "rotate/" not in text_of(browse(cast.developer).get(key_address(cast)))


@pytest.mark.parametrize("form", FORMS)
def test_a_viewer_changes_no_key(cast: Cast, browse: Any, form: str):
    browser, before = browse(cast.viewer), events_of(cast)
    assert browser.get(f"{key_address(cast)}{form}").status_code == 403
    refused = browser.post(f"{key_address(cast)}{form}", {"name": "Mine", "overlap": "0"})
    assert refused.status_code == 403
    assert "manage_keys" in text_of(refused)
    assert events_of(cast) == before
    assert key_now(cast).state == "active"


def test_a_role_lowered_in_the_project_counts_there(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        set_project_role(
            actor=cast.principal(cast.owner), project_id=cast.project.id, user_id=cast.developer.id, role="viewer"
        )
    assert browse(cast.developer).post(f"{key_address(cast)}revoke/").status_code == 403
    assert key_now(cast).state == "active"


def test_name_and_note_are_changed(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    page = f"{key_address(cast)}edit/"
    saved = browser.post(page, filled_in(browser.get(page), name="Renamed", note="In Frankfurt"))
    assert saved["Location"] == key_address(cast)
    assert "In Frankfurt" in text_of(browser.get(saved["Location"]))
    assert (key_now(cast).name, key_now(cast).note) == ("Renamed", "In Frankfurt")


@pytest.mark.parametrize(
    "values", [{"name": ""}, {"name": "x" * 121}, {"name": "a", "note": "x" * 501}, {"name": "\x00"}]
)
def test_a_wrong_name_or_note_changes_nothing(cast: Cast, browse: Any, values: dict):
    browser, page = browse(cast.developer), f"{key_address(cast)}edit/"
    assert browser.post(page, filled_in(browser.get(page), **values)).status_code == 422
    assert key_now(cast).name == "Backend"


def test_revoking_says_what_stops_and_ends_the_key(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    page = text_of(browser.get(f"{key_address(cast)}revoke/"))
    assert f"{cast.key.start}…" in page
    assert "cannot be undone" in page
    assert key_now(cast).state == "active"
    assert browser.post(f"{key_address(cast)}revoke/")["Location"] == key_address(cast)
    assert key_now(cast).state == "revoked"
    after = text_of(browser.get(key_address(cast)))
    assert "revoke/" not in after
    assert "nothing to revoke" in text_of(browser.get(f"{key_address(cast)}revoke/"))
    assert browser.post(f"{key_address(cast)}revoke/").status_code == 302
    assert events_of(cast).count("key.revoked") == 1


def test_the_keys_of_a_rotation_name_each_other(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        new, _ = rotate_key(
            actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=cast.project.id,
            key=cast.key.public_id, overlap=timedelta(hours=1),
        )  # fmt: skip
    browser = browse(cast.viewer)
    assert key_address(cast, new) in text_of(browser.get(key_address(cast)))
    assert key_address(cast) in text_of(browser.get(key_address(cast, new)))


def test_an_archived_projects_keys_can_be_revoked_but_not_made_or_rotated(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        archive_project(actor=cast.principal(cast.owner), project_id=cast.project.id)
    browser = browse(cast.developer)
    for path in (KEYS, key_address(cast)):
        page = text_of(browser.get(path))
        assert "This project is archived" in page
        assert "keys/new/" not in page
        assert "rotate/" not in page
    assert "<form" in text_of(browser.get(f"{key_address(cast)}revoke/")).split("<main")[1]
    assert browser.post(f"{key_address(cast)}revoke/").status_code == 302
    assert key_now(cast).state == "revoked"


@pytest.mark.parametrize(
    ("method", "page"), [("get", ""), *[(method, form) for method in ("get", "post") for form in FORMS]]
)
def test_keys_of_others_and_absent_keys_look_the_same(cast: Cast, browse: Any, method: str, page: str):
    with tenant_scope(cast.acme.id):
        other = create_project(actor=cast.principal(cast.owner), name="Other", slug="other")
    (elsewhere,) = add_keys(cast, 1, other)
    absent = cast.foreign_key.public_id[:-4] + "0000"
    send = getattr(browse(cast.owner), method)
    nowhere = send(f"{KEYS}{absent}/{page}", {"name": "x", "overlap": "0"})
    assert nowhere.status_code == 404
    for hidden in (cast.foreign_key.public_id, elsewhere.public_id):
        answer = send(f"{KEYS}{hidden}/{page}", {"name": "x", "overlap": "0"})
        assert answer.status_code == 404
        assert without_what_varies(text_of(answer)).replace(hidden, absent) == without_what_varies(text_of(nowhere))
    with tenant_scope(cast.acme.id):
        assert Key.objects.get(id=elsewhere.id).state == "active"
    with tenant_scope(cast.globex.id):
        assert Key.objects.get(id=cast.foreign_key.id).state == "active"


@pytest.mark.parametrize("reference", ["%00", "key_zzz", "new%0A", "x" * 300, "prj_01h455vb4pex5vsknk084sn02q"])
def test_a_malformed_key_is_absent(cast: Cast, browse: Any, reference: str):
    assert browse(cast.owner).get(f"{KEYS}{reference}/").status_code == 404


def test_a_key_made_by_a_key_names_it(cast: Cast, browse: Any, api: Any):
    (made,) = add_keys(cast, 1, name="Child")
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=made.id).update(created_by=cast.key.public_id)
    assert f"by Backend ({cast.key.start}…)" in text_of(browse(cast.viewer).get(key_address(cast, made)))


def test_the_panel_counts_and_names_what_expires(cast: Cast, browse: Any):
    add_keys(cast, 1, name="Ending", expires_at=timezone.now() + timedelta(days=13))
    add_keys(cast, 1, name="Lasting", expires_at=timezone.now() + timedelta(days=15))
    panel = browse(cast.viewer).get("/orgs/acme/panels/keys/")
    assert panel.context["counts"] == {"working": 4, "secret": 3, "publishable": 1, "expiring": 1}
    assert [key.name for key in panel.context["expiring"]] == ["Ending"]
    assert "<html" not in text_of(panel)
