"""Roles: the table and the custom ones."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.kernel.pages import CHANGED_MEANWHILE
from config.kernel.permissions import DESCRIPTIONS, PERSONAL_PERMISSIONS, Role
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import CustomRole, Invitation, Membership
from orgs.services.invitations import invite, revoke
from orgs.services.roles import create_role, update_role
from tests.api.rows import everything
from tests.browsers import filled_in
from tests.cast import Cast


def text_of(answer: Any) -> str:
    return answer.content.decode()


def keeper_of(cast: Cast, permissions: tuple[str, ...] = ("manage_keys",)) -> CustomRole:
    with tenant_scope(cast.acme.id):
        return create_role(actor=cast.principal(cast.owner), name="Keeper", permissions=list(permissions))


def permissions_of(cast: Cast, name: str) -> list[str] | None:
    with tenant_scope(cast.acme.id):
        role = CustomRole.objects.filter(name=name).first()
        return role.permissions if role else None


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "viewer"])
def test_everybody_sees_every_permission_and_only_managers_the_buttons(cast: Cast, browse: Any, role: str):
    keeper = keeper_of(cast)
    page = text_of(browse(cast.member(role)).get("/orgs/acme/roles/"))
    for permission in PERSONAL_PERMISSIONS:
        assert f"<code>{permission}</code>" in page
        assert DESCRIPTIONS[permission] in page
    row = page.partition("<code>delete_org</code>")[2].partition("</tr>")[0]
    assert [cell in row for cell in (">yes<", ">no<")] == [True, True]
    assert row.count(">yes<") == 1
    manages = role in ("owner", "admin")
    assert ("/orgs/acme/roles/new/" in page) == manages
    assert (f"/orgs/acme/roles/{keeper.public_id}/delete/" in page) == manages


def test_a_role_is_made_changed_and_deleted(cast: Cast, browse: Any):
    browser = browse(cast.admin)
    created = browser.post(
        "/orgs/acme/roles/new/",
        {"name": "Keeper", "description": "Keeps keys", "permissions": ["manage_keys", "view_audit"]},
    )
    assert created["Location"] == "/orgs/acme/roles/"
    assert permissions_of(cast, "Keeper") == ["manage_keys", "view_audit", "view_org"]
    with tenant_scope(cast.acme.id):
        path = f"/orgs/acme/roles/{CustomRole.objects.get().public_id}/"
    page = text_of(browser.get(path))
    assert 'value="Keeps keys"' in page
    assert page.count("checked") == 2
    assert browser.post(path, filled_in(browser.get(path), name="Watcher", permissions=[])).status_code == 302
    assert permissions_of(cast, "Watcher") == ["view_org"]
    assert "Nobody has it" in text_of(browser.get(f"{path}delete/"))
    assert browser.post(f"{path}delete/").status_code == 302
    assert permissions_of(cast, "Watcher") is None
    assert browser.get(path).status_code == 404


def test_nobody_undoes_unseen_what_another_changed_meanwhile(cast: Cast, browse: Any):
    keeper = keeper_of(cast, ("manage_keys", "view_audit"))
    path, browser = f"/orgs/acme/roles/{keeper.public_id}/", browse(cast.admin)
    form = filled_in(browser.get(path), permissions=["manage_keys", "view_audit"], description="Keeps keys")
    with tenant_scope(cast.acme.id):
        update_role(actor=cast.principal(cast.owner), role_id=keeper.id, permissions=["manage_keys"])
    before = everything()
    for sent in (form, {**form, "version": ""}):
        refused = browser.post(path, sent)
        assert refused.status_code == 409
        assert CHANGED_MEANWHILE in text_of(refused)
    assert everything() == before
    assert (
        browser.post(path, filled_in(refused, permissions=["manage_keys"], description="Keeps keys")).status_code == 302
    )
    assert permissions_of(cast, "Keeper") == ["manage_keys", "view_org"]


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_who_manages_no_members_writes_no_roles(cast: Cast, browse: Any, role: str):
    keeper = keeper_of(cast)
    browser = browse(cast.member(role))
    for path in ("new/", f"{keeper.public_id}/", f"{keeper.public_id}/delete/"):
        assert browser.get(f"/orgs/acme/roles/{path}").status_code == 403
        assert browser.post(f"/orgs/acme/roles/{path}", {"name": "Mine"}).status_code == 403
    assert permissions_of(cast, "Keeper") == ["manage_keys", "view_org"]
    assert permissions_of(cast, "Mine") is None


def test_nobody_puts_in_what_they_have_not(cast: Cast, browse: Any):
    browser = browse(cast.admin)
    page = text_of(browser.get("/orgs/acme/roles/new/"))
    assert 'value="manage_members"' in page
    assert 'value="delete_org"' not in page
    refused = browser.post("/orgs/acme/roles/new/", {"name": "Eraser", "permissions": ["delete_org"]})
    assert refused.status_code == 403
    assert "may do more than yours" in text_of(refused)
    assert permissions_of(cast, "Eraser") is None


def test_a_role_above_ones_own_is_left_alone(cast: Cast, browse: Any):
    eraser = keeper_of(cast, ("delete_org",))
    browser = browse(cast.admin)
    for path in (f"/orgs/acme/roles/{eraser.public_id}/", f"/orgs/acme/roles/{eraser.public_id}/delete/"):
        assert path not in text_of(browser.get("/orgs/acme/roles/"))
        assert browser.get(path).status_code == 403
        assert browser.post(path, {"name": "Mine", "permissions": []}).status_code == 403
    assert permissions_of(cast, "Keeper") == ["delete_org", "view_org"]


@pytest.mark.parametrize(
    ("values", "status", "sentence"),
    [
        ({"name": "", "permissions": []}, 422, "This field is required."),
        ({"name": "Owner"}, 400, "the name of a built-in role"),
        ({"name": "Keeper"}, 409, "A role of this name exists"),
        ({"name": "x" * 61}, 422, "at most 60 characters"),
        ({"name": "New", "permissions": ["keys:verify"]}, 422, "keys:verify"),
        ({"name": "New", "permissions": ["rule_the_world"]}, 422, "rule_the_world"),
    ],
)
def test_a_wrong_role_is_explained_and_not_made(cast: Cast, browse: Any, values: dict, status: int, sentence: str):
    keeper_of(cast)
    answer = browse(cast.owner).post("/orgs/acme/roles/new/", values)
    assert answer.status_code == status
    assert sentence in text_of(answer)
    with tenant_scope(cast.acme.id):
        assert CustomRole.objects.count() == 1


def test_a_role_in_use_shows_who_has_it_and_stays(cast: Cast, browse: Any):
    keeper = keeper_of(cast)
    with tenant_scope(cast.acme.id):
        Membership.objects.filter(user=cast.developer).update(role=Role.CUSTOM, custom_role=keeper)
        invite(actor=SYSTEM, email="eve@partner.example", role="custom", custom_role_id=keeper.id)
    browser = browse(cast.owner)
    path = f"/orgs/acme/roles/{keeper.public_id}/delete/"
    page = text_of(browser.get(path))
    assert cast.developer.email in page
    assert "eve@partner.example" in page
    assert "Delete role" not in page
    refused = browser.post(path)
    assert refused.status_code == 409
    assert "give them another one first" in text_of(refused)
    assert permissions_of(cast, "Keeper") is not None


def test_closed_invitations_do_not_hold_a_role_back(cast: Cast, browse: Any):
    keeper = keeper_of(cast)
    with tenant_scope(cast.acme.id):
        invitation = invite(actor=SYSTEM, email="eve@partner.example", role="custom", custom_role_id=keeper.id)
        revoke(actor=SYSTEM, invitation_id=invitation.id)
        other = invite(actor=SYSTEM, email="fay@partner.example", role="viewer")
        revoke(actor=SYSTEM, invitation_id=other.id)
    browser = browse(cast.owner)
    path = f"/orgs/acme/roles/{keeper.public_id}/delete/"
    assert "1 past invitation into it leaves the list" in text_of(browser.get(path))
    assert browser.post(path).status_code == 302
    assert permissions_of(cast, "Keeper") is None
    with tenant_scope(cast.acme.id):
        assert [row.email for row in Invitation.objects.all()] == ["fay@partner.example"]


def test_another_tenants_role_looks_absent(cast: Cast, browse: Any):
    keeper = keeper_of(cast)
    for path in (keeper.public_id, "rol_nonsense", keeper.public_id.replace("rol_", "key_")):
        assert browse(cast.outsider).get(f"/orgs/globex/roles/{path}/").status_code == 404
        assert browse(cast.outsider).post(f"/orgs/globex/roles/{path}/delete/").status_code == 404
    assert permissions_of(cast, "Keeper") is not None


def test_the_number_of_queries_does_not_grow_with_the_roles(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    keeper_of(cast)
    browser.get("/orgs/acme/roles/")
    with CaptureQueriesContext(connection) as few:
        browser.get("/orgs/acme/roles/")
    with tenant_scope(cast.acme.id):
        for number in range(8):
            role = create_role(actor=SYSTEM, name=f"Role {number}", permissions=["view_audit"])
            invite(actor=SYSTEM, email=f"r{number}@x.example", role="custom", custom_role_id=role.id)
    with CaptureQueriesContext(connection) as many:
        page = text_of(browser.get("/orgs/acme/roles/"))
    assert "Role 7" in page
    assert len(many) == len(few)
