"""Arriving, making an organization, the switcher, the profile and the theme."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs.models import Membership, Organization, User
from orgs.services.invitations import invite
from orgs.services.organizations import (
    create_organization,
    delete_organization,
    disable_organization,
    update_organization,
)
from tests.cast import Cast, person


def text_of(answer: Any) -> str:
    return answer.content.decode()


def second_organization(cast: Cast, slug: str = "apex") -> Organization:
    return create_organization(actor=cast.principal(cast.owner), name=slug.capitalize(), slug=slug)


def test_a_stranger_is_led_to_the_sign_in_page(db: None):
    answer = Client().get("/")
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/")


def test_home_leads_into_the_only_organization(cast: Cast, browse: Any):
    assert browse(cast.viewer).get("/")["Location"] == "/orgs/acme/"


def test_home_lists_several_organizations_and_then_leads_into_the_one_used_last(cast: Cast, browse: Any):
    second_organization(cast)
    browser = browse(cast.owner)
    listed = browser.get("/")
    assert listed.status_code == 200
    assert "/orgs/acme/" in text_of(listed)
    assert "/orgs/apex/" in text_of(listed)
    assert browser.get("/orgs/apex/").status_code == 200
    assert browser.get("/")["Location"] == "/orgs/apex/"
    with tenant_scope(Organization.objects.get(slug="apex").id):
        disable_organization(actor=SYSTEM, reason="unpaid")
    assert browser.get("/").status_code == 200, "led into a disabled organization"


def test_a_disabled_only_organization_is_listed_without_a_way_in(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        disable_organization(actor=SYSTEM, reason="unpaid")
    page = browse(cast.viewer).get("/")
    assert page.status_code == 200
    assert "Disabled" in text_of(page)
    assert 'href="/orgs/acme/leave/"' not in text_of(page)
    refused = browse(cast.viewer).get("/orgs/acme/")
    assert refused.status_code == 403
    assert "disabled" in text_of(refused)


def test_who_has_no_organization_gets_the_first_steps_and_makes_one(cast: Cast, browse: Any):
    browser = browse(person("nora@new.example"))
    page = browser.get("/")
    assert page.status_code == 200
    assert "Make your organization" in text_of(page)
    made = browser.post("/orgs/new/", {"name": "Nora & Söhne", "slug": ""})
    assert made["Location"] == "/orgs/nora-sohne/"
    organization = Organization.objects.get(slug="nora-sohne")
    with tenant_scope(organization.id):
        assert Membership.objects.owners().get().user.email == "nora@new.example"
    overview = text_of(browser.get("/orgs/nora-sohne/"))
    assert "Nora &amp; Söhne" in overview
    assert "Create a project" in overview


@pytest.mark.parametrize(
    ("values", "status", "sentence"),
    [
        ({"name": "", "slug": "fine"}, 422, "This field is required."),
        ({"name": "Fine", "slug": "Not A Slug"}, 400, "lower-case letters"),
        ({"name": "Fine", "slug": "acme"}, 409, "This slug is taken: choose another one."),
        ({"name": "Fine", "slug": "settings"}, 400, "This word is reserved"),
        ({"name": "Fine", "slug": "x" * 49}, 422, "at most 48 characters"),
        ({"name": "Fi\x00ne", "slug": "fine"}, 422, "Null characters are not allowed."),
        ({"name": "x" * 121, "slug": "fine"}, 422, "at most 120 characters"),
    ],
)
def test_a_wrong_organization_is_explained_beside_its_field_and_not_made(
    cast: Cast, browse: Any, values: dict, status: int, sentence: str
):
    answer = browse(cast.owner).post("/orgs/new/", values)
    assert answer.status_code == status
    assert sentence in text_of(answer)
    assert 'aria-invalid="true"' in text_of(answer)
    assert Organization.objects.count() == 2


def test_the_proposed_slug_goes_around_those_that_are_taken_retired_or_reserved(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        update_organization(actor=SYSTEM, slug="acme-2")
    browser = browse(cast.owner)
    assert browser.post("/orgs/new/", {"name": "Acme"})["Location"] == "/orgs/acme-3/"
    assert browser.post("/orgs/new/", {"name": "Admin"})["Location"] == "/orgs/admin-2/"
    assert browser.post("/orgs/new/", {"name": "日本"})["Location"] == "/orgs/organization/"


def test_the_switcher_shows_all_organizations_and_marks_the_current_one(cast: Cast, browse: Any):
    second_organization(cast)
    page = text_of(browse(cast.owner).get("/orgs/apex/members/"))
    switcher = page.partition('aria-label="Organizations"')[2].partition("</nav>")[0]
    assert switcher.count('aria-current="true"') == 1
    current = switcher.partition('aria-current="true"')[0].rpartition("<a ")[2]
    assert 'href="/orgs/apex/"' in current
    assert 'href="/orgs/acme/"' in switcher
    assert "Globex" not in page


def test_an_invitation_to_my_verified_address_is_accepted_without_its_link(cast: Cast, browse: Any):
    nora = person("nora@new.example")
    with tenant_scope(cast.acme.id):
        invitation = invite(actor=cast.principal(cast.owner), email=nora.email, role="developer")
    browser = browse(nora)
    page = browser.get("/")
    accept = f"/invitations/{invitation.public_id}/accept/"
    assert accept in text_of(page)
    assert "Olivia" in text_of(page)
    assert browser.post(accept)["Location"] == "/orgs/acme/"
    with tenant_scope(cast.acme.id):
        assert Membership.objects.get(user=nora).role == "developer"
    assert browser.post(accept).status_code == 404


def test_an_invitation_to_another_or_unproved_address_looks_absent(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        invitation = invite(actor=cast.principal(cast.owner), email="nora@new.example", role="developer")
    accept = f"/invitations/{invitation.public_id}/accept/"
    unproved = User.objects.create_user("nora@new.example", "x")
    for somebody in (cast.outsider, unproved):
        assert accept not in text_of(browse(somebody).get("/profile/"))
        assert browse(somebody).post(accept).status_code == 404
        with tenant_scope(cast.acme.id):
            assert not Membership.objects.of_user(somebody.id).exists()
    assert browse(cast.outsider).post("/invitations/inv_nonsense/accept/").status_code == 404


def test_the_profile_shows_my_organizations_and_changes_my_name(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    page = text_of(browser.get("/profile/"))
    for link in ("/orgs/acme/leave/", "/password/change/", "/email/", "/profile/tokens/"):
        assert f'href="{link}"' in page
    assert browser.post("/profile/", {"name": "Dora <b>"}).status_code == 302
    cast.developer.refresh_from_db()
    assert cast.developer.name == "Dora <b>"
    assert "Dora &lt;b&gt;" in text_of(browser.get("/profile/"))
    with tenant_scope(INSTALLATION_ID):
        event = AuditEvent.objects.get(event="user.updated")
    assert event.data == {"changes": {"name": ["Dora", "Dora <b>"]}}
    assert browser.post("/profile/", {"name": ""}).status_code == 422


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/orgs/acme/", "/orgs/acme/"),
        ("https://evil.example/", "/"),
        ("//evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\\evil.example", "/"),
        ("a-name", "/"),
        ("", "/"),
    ],
)
def test_the_theme_is_remembered_and_leads_back_to_local_pages_only(db: None, target: str, location: str):
    browser = Client()
    answer = browser.post("/theme/", {"theme": "dark", "next": target})
    assert (answer.status_code, answer["Location"]) == (302, location)
    assert answer.cookies["theme"].value == "dark"
    assert answer.cookies["theme"]["samesite"] == "Lax"
    assert 'data-theme="dark"' in text_of(browser.get("/login/"))


def test_an_unknown_theme_is_refused(db: None):
    answer = Client().post("/theme/", {"theme": "<script>", "next": "/"})
    assert answer.status_code == 400
    assert "theme" not in answer.cookies


def test_the_overview_shows_the_first_steps_only_until_a_day_after_them(cast: Cast, browse: Any):
    fresh = second_organization(cast)
    browser = browse(cast.owner)
    assert "Create a project" in text_of(browser.get(f"/orgs/{fresh.slug}/"))
    assert "/api/v1/keys/verify" in text_of(browser.get("/orgs/acme/"))
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        assert "Get started" not in text_of(browse(cast.owner).get("/orgs/acme/"))
        assert "Get started" in text_of(browse(cast.owner).get(f"/orgs/{fresh.slug}/"))


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "viewer"])
def test_the_overview_shows_waiting_people_to_those_who_manage_members_only(cast: Cast, browse: Any, role: str):
    with tenant_scope(cast.acme.id):
        invite(actor=cast.principal(cast.owner), email="eve@partner.example", role="viewer")
    page = text_of(browse(cast.member(role)).get("/orgs/acme/"))
    assert ("eve@partner.example" in page) == (role in ("owner", "admin"))
    for panel in ("projects", "keys", "audit"):
        assert f'hx-get="/orgs/acme/panels/{panel}/"' in page


def test_a_deleting_organization_shows_its_members_who_can_restore_it(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        delete_organization(actor=cast.principal(cast.owner), confirmation="acme")
    viewer = browse(cast.viewer).get("/orgs/acme/")
    assert viewer.status_code == 200
    assert "olivia@acme.example" in text_of(viewer)
    assert "/orgs/acme/settings/restore/" not in text_of(viewer)
    assert browse(cast.viewer).post("/orgs/acme/settings/restore/").status_code == 403
    assert browse(cast.outsider).get("/orgs/acme/").status_code == 404
    owner = browse(cast.owner)
    assert "/orgs/acme/settings/restore/" in text_of(owner.get("/orgs/acme/"))
    assert owner.get("/orgs/acme/settings/")["Location"] == "/orgs/acme/"
    assert owner.get("/orgs/acme/members/").status_code == 403
    assert owner.post("/orgs/acme/settings/restore/")["Location"] == "/orgs/acme/"
    assert browse(cast.viewer).get("/orgs/acme/members/").status_code == 200
    assert owner.post("/orgs/acme/settings/restore/").status_code == 409


def queries_of(browser: Client, path: str) -> int:
    browser.get(path)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert browser.get(path).status_code == 200
    return len(captured)


@pytest.mark.parametrize("path", ["/orgs/", "/profile/", "/orgs/acme/"])
def test_the_number_of_queries_does_not_grow_with_the_organizations_and_invitations(cast: Cast, browse: Any, path: str):
    browser = browse(cast.owner)
    second_organization(cast, "one")
    with tenant_scope(cast.globex.id):
        invite(actor=cast.principal(cast.outsider), email=cast.owner.email, role="viewer")
    with tenant_scope(cast.acme.id):
        invite(actor=cast.principal(cast.owner), email="eve0@partner.example", role="viewer")
    before = queries_of(browser, path)
    for number in range(5):
        other = create_organization(actor=SYSTEM, owner=cast.outsider, name="Other", slug=f"other-{number}")
        with tenant_scope(other.id):
            invite(actor=SYSTEM, email=cast.owner.email, role="viewer")
        second_organization(cast, f"two-{number}")
        with tenant_scope(cast.acme.id):
            invite(actor=cast.principal(cast.owner), email=f"eve{number + 1}@partner.example", role="viewer")
    assert queries_of(browser, path) == before
