"""Members: the list, roles, removal, leaving, handing over."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.kernel.permissions import Role
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import Membership, User
from orgs.services.invitations import invite
from orgs.services.roles import create_role
from tests.cast import Cast

ROLES = ["owner", "admin", "developer", "viewer"]


def text_of(answer: Any) -> str:
    return answer.content.decode()


def role_of(cast: Cast, user: User) -> str | None:
    with tenant_scope(cast.acme.id):
        membership = Membership.objects.with_people().of_user(user.id).first()
        return membership.role_name if membership else None


def crowd(cast: Cast, number: int) -> None:
    with tenant_scope(cast.acme.id):
        for index in range(number):
            user = User.objects.create_user(f"crowd{index}@acme.example", None, name=f"Crowd {index}")
            Membership.objects.create(user=user, role=Role.VIEWER)


def second_owner(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        Membership.objects.filter(user=cast.admin).update(role=Role.OWNER)


@pytest.mark.parametrize("role", ROLES)
def test_everybody_sees_the_members_and_only_those_who_may_see_the_buttons(cast: Cast, browse: Any, role: str):
    page = text_of(browse(cast.member(role)).get("/orgs/acme/members/"))
    for user in (cast.owner, cast.admin, cast.developer, cast.viewer):
        assert user.email in page
    assert cast.outsider.email not in page
    manages = role in ("owner", "admin")
    assert (f"/orgs/acme/members/{cast.developer.public_id}/remove/" in page) == (manages and role != "developer")
    assert (f"/orgs/acme/members/{cast.developer.public_id}/role/" in page) == manages
    assert (f"/orgs/acme/members/{cast.owner.public_id}/role/" in page) == (role == "owner")
    assert (f"/orgs/acme/transfer/?to={cast.viewer.public_id}" in page) == (role == "owner")
    assert page.count('href="/orgs/acme/leave/"') == 1
    assert ('href="/orgs/acme/invitations/new/"' in page) == manages


def test_the_list_is_searched_filtered_and_turned(cast: Cast, browse: Any):
    crowd(cast, 60)
    browser = browse(cast.viewer)
    found = text_of(browser.get("/orgs/acme/members/?q=DORA"))
    assert cast.developer.email in found
    assert cast.admin.email not in found
    assert "adam@acme.example" in text_of(browser.get("/orgs/acme/members/?role=admin"))
    assert "No member matches" in text_of(browser.get("/orgs/acme/members/?q=nobody"))
    first = browser.get("/orgs/acme/members/?role=viewer")
    assert text_of(first).count("<tr>") == 51
    older = text_of(first).partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    second = browser.get(older)
    assert "role=viewer" in older
    assert text_of(second).count("<tr>") == 12
    assert "crowd59@" not in text_of(second)


@pytest.mark.parametrize("query", ["role=emperor", "q=a%00b", "before=nonsense", f"q={'x' * 300}"])
def test_a_senseless_filter_is_a_clear_error(cast: Cast, browse: Any, query: str):
    assert browse(cast.viewer).get(f"/orgs/acme/members/?{query}").status_code == 400


@pytest.mark.parametrize("query", ["q=%25", "q=%5C", "q=_"])
def test_signs_of_patterns_are_searched_as_they_are(cast: Cast, browse: Any, query: str):
    assert "No member matches" in text_of(browse(cast.viewer).get(f"/orgs/acme/members/?{query}"))


def test_the_number_of_queries_does_not_grow_with_the_members(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    browser.get("/orgs/acme/members/")
    with CaptureQueriesContext(connection) as few:
        browser.get("/orgs/acme/members/")
    crowd(cast, 30)
    with CaptureQueriesContext(connection) as many:
        browser.get("/orgs/acme/members/")
    assert len(many) == len(few)


def test_a_role_is_changed_by_what_the_viewer_may_give(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        keeper = create_role(actor=cast.principal(cast.owner), name="Keeper", permissions=["manage_keys"])
        eraser = create_role(actor=cast.principal(cast.owner), name="Eraser", permissions=["delete_org"])
    browser = browse(cast.admin)
    path = f"/orgs/acme/members/{cast.developer.public_id}/role/"
    page = text_of(browser.get(path))
    offered = page.partition("<select")[2].partition("</select>")[0]
    assert 'value="admin"' in offered
    assert 'value="developer" selected' in offered
    assert keeper.public_id in offered
    assert 'value="owner"' not in offered
    assert eraser.public_id not in offered
    assert browser.post(path, {"role": "viewer"})["Location"] == "/orgs/acme/members/"
    assert role_of(cast, cast.developer) == "Viewer"
    assert browser.post(path, {"role": keeper.public_id}).status_code == 302
    assert role_of(cast, cast.developer) == "Keeper"
    for above in ("owner", eraser.public_id):
        refused = browser.post(path, {"role": above})
        assert refused.status_code == 403
        assert "may do more than yours" in text_of(refused)
    assert browser.post(path, {"role": "custom"}).status_code == 422
    assert browser.post(path, {}).status_code == 422
    assert role_of(cast, cast.developer) == "Keeper"


@pytest.mark.parametrize("page", ["role", "remove"])
@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_who_manages_no_members_changes_and_removes_nobody(cast: Cast, browse: Any, role: str, page: str):
    browser = browse(cast.member(role))
    path = f"/orgs/acme/members/{cast.viewer.public_id}/{page}/"
    assert browser.get(path).status_code == 403
    assert browser.post(path, {"role": "admin"}).status_code == 403
    assert role_of(cast, cast.viewer) == "Viewer"


@pytest.mark.parametrize("page", ["role", "remove"])
def test_an_admin_neither_changes_nor_removes_an_owner(cast: Cast, browse: Any, page: str):
    second_owner(cast)
    with tenant_scope(cast.acme.id):
        Membership.objects.filter(user=cast.developer).update(role=Role.ADMIN)
    browser = browse(cast.developer)
    path = f"/orgs/acme/members/{cast.owner.public_id}/{page}/"
    assert browser.get(path).status_code == 403
    assert browser.post(path, {"role": "viewer"}).status_code == 403
    assert role_of(cast, cast.owner) == "Owner"


@pytest.mark.parametrize("page", ["role", "remove"])
def test_another_tenants_member_looks_like_one_that_never_existed(cast: Cast, browse: Any, page: str):
    browser = browse(cast.owner)
    for send in (browser.get, browser.post):
        foreign = send(f"/orgs/acme/members/{cast.outsider.public_id}/{page}/")
        absent = send(f"/orgs/acme/members/usr_nonsense/{page}/")
        assert foreign.status_code == absent.status_code == 404
        assert "Nothing is here under this address" in text_of(foreign)
        assert cast.outsider.email not in text_of(foreign)


def test_removal_says_first_what_stops_and_what_stays(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        invite(actor=cast.principal(cast.admin), email="eve@partner.example", role="viewer")
    browser = browse(cast.owner)
    path = f"/orgs/acme/members/{cast.admin.public_id}/remove/"
    page = text_of(browser.get(path))
    assert "personal tokens are refused here" in page
    assert "1 invitation they sent" in page
    assert role_of(cast, cast.admin) == "Admin"
    signed_in = browse(cast.admin)
    assert signed_in.get("/orgs/acme/").status_code == 200
    assert browser.post(path)["Location"] == "/orgs/acme/members/"
    assert role_of(cast, cast.admin) is None
    assert signed_in.get("/orgs/acme/").status_code == 404


def test_the_last_owner_stays_whatever_is_sent(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    for path in ("/orgs/acme/leave/", f"/orgs/acme/members/{cast.owner.public_id}/remove/"):
        refused = browser.post(path)
        assert refused.status_code == 409
        assert "last owner" in text_of(refused)
    page = text_of(browser.get("/orgs/acme/leave/"))
    assert "You are the last owner" in page
    assert "Leave Acme</button>" not in page.replace("\n", "")
    demoted = browser.post(f"/orgs/acme/members/{cast.owner.public_id}/role/", {"role": "viewer"})
    assert demoted.status_code == 409
    assert "An organization needs an owner" in text_of(demoted)
    assert role_of(cast, cast.owner) == "Owner"


def test_a_person_leaves(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    assert "no longer see Acme" in text_of(browser.get("/orgs/acme/leave/"))
    assert browser.post("/orgs/acme/leave/")["Location"] == "/"
    assert role_of(cast, cast.viewer) is None
    assert "You left Acme." in text_of(browser.get("/"))
    assert browser.get("/orgs/acme/").status_code == 404


def test_removing_oneself_is_leaving(cast: Cast, browse: Any):
    browser = browse(cast.admin)
    path = f"/orgs/acme/members/{cast.admin.public_id}/remove/"
    assert browser.get(path)["Location"] == "/orgs/acme/leave/"
    assert browser.post(path)["Location"] == "/"
    assert role_of(cast, cast.admin) is None


def test_an_owner_hands_over(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    page = text_of(browser.get(f"/orgs/acme/transfer/?to={cast.developer.public_id}"))
    assert f'value="{cast.developer.email}"' in page
    done = browser.post("/orgs/acme/transfer/", {"email": "DORA@acme.example", "own_role": "viewer"})
    assert done["Location"] == "/orgs/acme/members/"
    assert role_of(cast, cast.developer) == "Owner"
    assert role_of(cast, cast.owner) == "Viewer"
    assert browser.get("/orgs/acme/transfer/").status_code == 403


@pytest.mark.parametrize(
    ("email", "own_role", "status"),
    [
        ("oscar@globex.example", "admin", 400),
        ("nobody@acme.example", "admin", 400),
        ("olivia@acme.example", "admin", 409),
        ("dora@acme.example", "owner", 422),
        ("not an address", "admin", 422),
    ],
)
def test_a_wrong_transfer_changes_nothing(cast: Cast, browse: Any, email: str, own_role: str, status: int):
    answer = browse(cast.owner).post("/orgs/acme/transfer/", {"email": email, "own_role": own_role})
    assert answer.status_code == status
    assert "Nothing was saved" in text_of(answer)
    assert role_of(cast, cast.owner) == "Owner"
    assert role_of(cast, cast.developer) == "Developer"


@pytest.mark.parametrize("role", ["admin", "developer", "viewer"])
def test_only_owners_hand_over(cast: Cast, browse: Any, role: str):
    answer = browse(cast.member(role)).post(
        "/orgs/acme/transfer/", {"email": cast.member(role).email, "own_role": "admin"}
    )
    assert answer.status_code == 403
    assert "delete_org" in text_of(answer)
    assert role_of(cast, cast.owner) == "Owner"


def test_a_custom_role_that_may_delete_does_not_make_an_owner(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        eraser = create_role(actor=cast.principal(cast.owner), name="Eraser", permissions=["delete_org"])
        Membership.objects.filter(user=cast.viewer).update(role=Role.CUSTOM, custom_role=eraser)
    answer = browse(cast.viewer).post("/orgs/acme/transfer/", {"email": cast.viewer.email, "own_role": "admin"})
    assert answer.status_code == 403
    assert "Only an owner can hand the organization over." in text_of(answer)
