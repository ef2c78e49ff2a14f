"""The sign-in page: the address first, then what fits its domain, whoever has it."""

import re
from typing import Any

import pytest
from django.test import Client

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import EmailDomain, SignInPolicy
from orgs.services.users import disable_user
from sso.models import Configuration, Connection
from tests.cast import PASSWORD, Cast
from tests.texts import without_what_varies

WAYS = "/login/ways/"


def ways(email: str, query: str = "") -> tuple[Client, str]:
    """The second step for an address, and the browser that is there."""
    browser = Client()
    answer = browser.post(f"/login/{query}", {"login": email})
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, WAYS)
    page = browser.get(answer["Location"])
    assert page.status_code == 200
    return browser, page.content.decode()


def connected(cast: Cast, *, enabled: bool = True) -> Connection:
    """A connection of Acme's, whose domain is proven."""
    with tenant_scope(cast.acme.id):
        EmailDomain.objects.create(domain="acme.example", status="proven", token="t")
        connection = Connection.objects.create(name="Okta", protocol="oidc", is_enabled=enabled)
        Configuration.objects.create(connection=connection, number=1, state="live", issuer="https://idp.example")
    return connection


def enforced(cast: Cast, enforcement: str = "required") -> None:
    with tenant_scope(cast.acme.id):
        SignInPolicy.objects.update_or_create(
            defaults={
                "enforcement": enforcement, "required_from": "2026-01-01T00:00:00Z",
                "confirmed_at": "2026-01-01T00:00:00Z",
            }
        )  # fmt: skip


def test_both_spellings_of_the_address_show_the_first_step(db: None):
    for path in ("/login", "/login/"):
        page = Client().get(path)
        assert page.status_code == 200
        text = page.content.decode()
        assert 'name="login"' in text
        assert 'name="password"' not in text


def test_the_address_leads_to_the_password_which_leads_in(cast: Cast):
    browser, page = ways(cast.owner.email.upper())
    assert re.search(r'name="login"[^>]*value="olivia@acme.example"|value="olivia@acme.example"[^>]*name="login"', page)
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    answer = browser.post("/login/", {"login": cast.owner.email, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert browser.get("/profile/").status_code == 200


def test_a_wrong_password_shows_the_second_step_again_with_a_sentence(cast: Cast):
    browser, _ = ways(cast.owner.email)
    answer = browser.post("/login/", {"login": cast.owner.email, "password": "wrong"})
    text = answer.content.decode()
    assert 'name="password"' in text
    assert "not correct" in text
    assert browser.get("/profile/").status_code == 302


@pytest.mark.parametrize("email", ["", "nobody", "a@", "@b.example", "a b@c.example", "x" * 300 + "@a.example"])
def test_what_is_no_address_stays_at_the_first_step(db: None, email: str):
    answer = Client().post("/login/", {"login": email})
    assert answer.status_code == 200
    assert 'aria-invalid="true"' in answer.content.decode()


def test_the_second_step_without_the_first_leads_back(db: None):
    assert Client().get(f"{WAYS}?next=/profile/")["Location"] == "/login/?next=%2Fprofile%2F"


def test_next_is_kept_through_all_steps_and_never_leads_elsewhere(cast: Cast):
    browser, page = ways(cast.owner.email, "?next=/profile/")
    assert page.count('name="next" value="/profile/"') >= 2
    answer = browser.post("/login/", {"login": cast.owner.email, "password": PASSWORD, "next": "/profile/"})
    assert answer["Location"] == "/profile/"
    for evil in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        browser, page = ways(cast.owner.email, f"?next={evil}")
        assert "evil" not in page
        assert "javascript:" not in page
        answer = browser.post("/login/", {"login": cast.owner.email, "password": PASSWORD, "next": evil})
        assert answer["Location"] == "/"


def test_who_is_signed_in_already_goes_on(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    assert browser.get("/login/")["Location"] == "/"
    assert browser.get("/login/?next=/profile/")["Location"] == "/profile/"
    assert browser.get(WAYS)["Location"] == "/"


def test_a_domain_with_a_connection_offers_it_beside_the_rest(cast: Cast):
    connection = connected(cast)
    _, page = ways("nobody@acme.example", "?next=/profile/")
    assert f'href="/sso/{connection.public_id}/start?next=%2Fprofile%2F"' in page
    assert "Continue with Okta" in page
    assert 'name="password"' in page
    _, other = ways("olivia@other.example")
    assert "Okta" not in other
    _, below = ways("olivia@sub.acme.example")
    assert "Okta" not in below


def test_a_connection_that_is_switched_off_is_not_offered(cast: Cast):
    connected(cast, enabled=False)
    assert "Okta" not in ways("nobody@acme.example")[1]


def test_where_single_sign_on_is_required_nothing_else_is_offered(cast: Cast):
    connected(cast)
    enforced(cast)
    browser, page = ways("nobody@acme.example")
    assert "Continue with Okta" in page
    assert 'name="password"' not in page
    assert "/login/mail/" not in page
    answer = browser.post("/login/", {"login": cast.owner.email, "password": PASSWORD})
    assert answer["Location"] == WAYS, "a password was looked at"
    assert browser.get("/profile/").status_code == 302


def test_pilots_are_not_told_from_the_others_of_their_domain(cast: Cast):
    connected(cast)
    enforced(cast, "pilot")
    pages = {
        without_what_varies(ways(email)[1].replace(email, "ADDRESS"))
        for email in (cast.owner.email, cast.admin.email, "nobody@acme.example")
    }
    assert len(pages) == 1
    assert 'name="password"' in pages.pop()


def test_the_second_step_is_the_same_for_everybody_of_a_domain(cast: Cast):
    disable_user(actor=cast.staff_principal(), user=cast.viewer, reason="test")
    pages = {
        without_what_varies(ways(email)[1].replace(email, "ADDRESS"))
        for email in (cast.owner.email, cast.viewer.email, "nobody@acme.example")
    }
    assert len(pages) == 1


def test_an_inactive_organization_speaks_for_no_domain(cast: Cast):
    connected(cast)
    cast.acme.status = "disabled"
    cast.acme.save()
    assert "Okta" not in ways("nobody@acme.example")[1]
