"""Settings of an organization, its addresses, and its deletion."""

from typing import Any

import pytest

from config.kernel.errors import Invalid
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import Organization
from orgs.services.organizations import delete_organization, update_organization
from tests.browsers import saved
from tests.cast import Cast
from tests.texts import without_what_varies

PAGES = ["", "members/", "leave/", "transfer/", "invitations/", "invitations/new/", "invitations/bulk/", "roles/",
         "roles/new/", "settings/", "settings/delete/"]  # fmt: skip


def text_of(answer: Any) -> str:
    return answer.content.decode()


def acme(cast: Cast) -> Organization:
    return Organization.objects.get(id=cast.acme.id)


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "viewer"])
def test_everybody_reads_the_settings_and_the_role_decides_what_is_offered(cast: Cast, browse: Any, role: str):
    page = text_of(browse(cast.member(role)).get("/orgs/acme/settings/"))
    assert cast.acme.public_id in page
    assert "Free" in page
    assert ('name="slug"' in page) == (role in ("owner", "admin"))
    assert ("/orgs/acme/settings/delete/" in page) == (role == "owner")
    assert ("/orgs/acme/transfer/" in page) == (role == "owner")


def test_a_new_slug_keeps_the_old_addresses(cast: Cast, browse: Any):
    browser = browse(cast.admin)
    answer = saved(browser, "/orgs/acme/settings/", {"name": "Acme & Sons", "slug": "acme-sons"})
    assert answer["Location"] == "/orgs/acme-sons/settings/"
    assert "The settings are saved." in text_of(browser.get("/orgs/acme-sons/settings/"))
    assert browser.get("/orgs/acme/members/")["Location"] == "/orgs/acme-sons/members/"
    member = f"members/{cast.viewer.public_id}/role/"
    assert browser.get(f"/orgs/acme/{member}")["Location"] == f"/orgs/acme-sons/{member}"
    assert browser.get(f"/orgs/{cast.acme.public_id}/")["Location"] == "/orgs/acme-sons/"
    assert browse(cast.outsider).get("/orgs/acme/members/").status_code == 404
    taken = saved(browse(cast.outsider), "/orgs/globex/settings/", {"name": "Globex", "slug": "acme"})
    assert taken.status_code == 409
    assert saved(browser, "/orgs/acme-sons/settings/", {"name": "Acme", "slug": "acme"}).status_code == 302


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_settings_are_changed_by_those_who_may_only(cast: Cast, browse: Any, role: str):
    answer = browse(cast.member(role)).post("/orgs/acme/settings/", {"name": "Mine", "slug": "mine"})
    assert answer.status_code == 403
    assert "manage_billing" in text_of(answer)
    assert acme(cast).name == "Acme"


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"name": "", "slug": "acme"}, 422),
        ({"name": "Acme", "slug": ""}, 422),
        ({"name": "Acme", "slug": "UPPER"}, 400),
        ({"name": "Acme", "slug": "globex"}, 409),
        ({"name": "Acme", "slug": "api"}, 400),
        ({"name": "Acme", "slug": "-acme"}, 400),
    ],
)
def test_wrong_settings_change_nothing(cast: Cast, browse: Any, values: dict, status: int):
    answer = saved(browse(cast.owner), "/orgs/acme/settings/", values)
    assert answer.status_code == status
    assert 'aria-invalid="true"' in text_of(answer)
    assert (acme(cast).name, acme(cast).slug) == ("Acme", "acme")


def test_deletion_takes_the_typed_slug_and_can_be_taken_back(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    page = text_of(browser.get("/orgs/acme/settings/delete/"))
    assert "4 members lose access" in page
    for wrong, status in (("", 422), ("Acme", 400), ("globex", 400)):
        refused = browser.post("/orgs/acme/settings/delete/", {"confirm": wrong})
        assert refused.status_code == status
        assert 'id="id_confirm_error"' in text_of(refused)
        assert acme(cast).status == "active"
    assert browser.post("/orgs/acme/settings/delete/", {"confirm": "acme"})["Location"] == "/orgs/acme/"
    assert acme(cast).status == "deleting"
    assert "is being deleted" in text_of(browser.get("/orgs/acme/"))
    assert browser.post("/orgs/acme/settings/", {"name": "Still", "slug": "still"}).status_code == 403
    assert browser.post("/orgs/acme/settings/restore/").status_code == 302
    assert acme(cast).status == "active"


@pytest.mark.parametrize("role", ["admin", "developer", "viewer"])
def test_only_owners_delete_and_restore(cast: Cast, browse: Any, role: str):
    browser = browse(cast.member(role))
    assert browser.get("/orgs/acme/settings/delete/").status_code == 403
    assert browser.post("/orgs/acme/settings/delete/", {"confirm": "acme"}).status_code == 403
    assert acme(cast).status == "active"
    with tenant_scope(cast.acme.id):
        delete_organization(actor=cast.principal(cast.owner), confirmation="acme")
    assert browser.post("/orgs/acme/settings/restore/").status_code == 403
    assert acme(cast).status == "deleting"


@pytest.mark.parametrize("page", PAGES)
def test_another_tenants_pages_have_the_very_body_of_absent_ones(cast: Cast, browse: Any, page: str):
    browser = browse(cast.outsider)
    for send in (browser.get, browser.post):
        foreign, absent = send(f"/orgs/acme/{page}"), send(f"/orgs/acne/{page}")
        assert foreign.status_code == absent.status_code
        assert foreign.status_code in (404, 405)
        same = without_what_varies(text_of(foreign)).replace("/orgs/acme/", "/orgs/acne/")
        assert same == without_what_varies(text_of(absent))


def test_a_slug_with_a_line_break_is_no_slug(cast: Cast):
    with tenant_scope(cast.acme.id), pytest.raises(Invalid):
        update_organization(actor=cast.principal(cast.owner), slug="acme-two\n")
    assert acme(cast).slug == "acme"


@pytest.mark.parametrize("reference", ["acme%0A", "a%00b", "%F0%9F%98%80", "org_zzz", "x" * 300])
def test_a_malformed_organization_is_absent(cast: Cast, browse: Any, reference: str):
    assert browse(cast.owner).get(f"/orgs/{reference}/members/").status_code == 404
