"""The page of a project's domains."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from projects.models import Domain, SeenDomain
from projects.services.domains import note_seen, register_domain
from projects.services.projects import update_project
from tests.api.rows import everything
from tests.browsers import saved
from tests.cast import Cast

PAGE = "/orgs/acme/projects/rocket/domains/"
FORGET = f"{PAGE}forget/"
ROLES = ["owner", "admin", "developer", "viewer"]


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def register(cast: Cast, domain: str) -> Domain:
    with tenant_scope(cast.acme.id):
        return register_domain(actor=cast.principal(cast.owner), project_id=cast.project.id, domain=domain)


def see(cast: Cast, host: str) -> None:
    with tenant_scope(cast.acme.id):
        note_seen(actor=SYSTEM, project_id=cast.project.id, host=host)


def rejecting(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        update_project(actor=cast.principal(cast.owner), project_id=cast.project.id, unregistered_domains="reject")


def patterns(cast: Cast) -> list[str]:
    with tenant_scope(cast.acme.id):
        return sorted(Domain.objects.values_list("pattern", flat=True))


@pytest.mark.parametrize("role", ROLES)
def test_the_page_offers_what_the_role_allows(cast: Cast, browse: Any, role: str):
    register(cast, "shop.example.com")
    see(cast, "other.example.org")
    page = text_of(browse(cast.member(role)).get(PAGE))
    assert "shop.example.com" in page
    assert "other.example.org" in page
    for words in ("Register a domain", "Remove…", "Forget all"):
        assert (words in page) == (role != "viewer"), words
    assert "2 of 3 hosts" in page


def test_an_empty_page_says_what_to_do(cast: Cast, browse: Any):
    page = text_of(browse(cast.owner).get(PAGE))
    assert "No domain is registered" in page
    assert "Register the host of your website" in page
    assert "No other host was seen" in page
    rejecting(cast)
    assert "work nowhere" in text_of(browse(cast.owner).get(PAGE))


def test_a_domain_is_registered_and_removed(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    answer = browser.post(PAGE, {"domain": "https://*.Example.com"}, follow=True)
    assert "*.example.com is registered" in text_of(answer)
    with tenant_scope(cast.acme.id):
        domain = Domain.objects.get()
    remove = f"{PAGE}{domain.public_id}/remove/"
    assert "get the features of the free plan from their next request on" in text_of(browser.get(remove))
    assert "no longer registered" in text_of(browser.post(remove, follow=True))
    assert patterns(cast) == []


@pytest.mark.parametrize(
    ("domain", "words", "status"),
    [
        ("*.com", "would let in everybody", 400), ("github.io", "belongs to everybody", 400), ("", "required", 422),
        ("shop.example.com", "Registered already", 409), ("x" * 400, "at most", 422),
    ],
)  # fmt: skip
def test_what_cannot_be_registered_is_said_beside_the_field(cast: Cast, browse: Any, domain, words, status):
    register(cast, "shop.example.com")
    browser = browse(cast.owner)
    before = everything()
    answer = browser.post(PAGE, {"domain": domain})
    assert answer.status_code == status
    assert words in text_of(answer)
    assert everything() == before


def test_beyond_the_plan_the_page_says_what_to_do(cast: Cast, browse: Any):
    for number in range(3):
        register(cast, f"shop{number}.example.com")
    browser = browse(cast.owner)
    before = everything()
    answer = browser.post(PAGE, {"domain": "shop3.example.com"})
    assert answer.status_code == 403
    assert "The plan includes 3 domains: remove one" in text_of(answer)
    assert everything() == before


def test_a_seen_host_is_registered_with_one_click_or_forgotten(cast: Cast, browse: Any):
    see(cast, "a.example.org")
    see(cast, "b.example.org")
    see(cast, "c.example.org")
    browser = browse(cast.developer)
    assert "a.example.org is registered" in text_of(browser.post(PAGE, {"domain": "a.example.org"}, follow=True))
    assert patterns(cast) == ["a.example.org"]
    with tenant_scope(cast.acme.id):
        seen = SeenDomain.objects.get(host="b.example.org")
    assert "One host was forgotten" in text_of(browser.post(FORGET, {"seen": seen.public_id}, follow=True))
    assert "1 hosts" not in text_of(browser.post(FORGET, {"all": "yes"}, follow=True))
    with tenant_scope(cast.acme.id):
        assert not SeenDomain.objects.exists()
    before = everything()
    assert browser.post(FORGET, {"seen": seen.public_id}).status_code == 404
    assert browser.post(FORGET, {}).status_code == 400
    assert everything() == before


def test_viewers_change_nothing(cast: Cast, browse: Any):
    domain = register(cast, "shop.example.com")
    see(cast, "a.example.org")
    viewer = browse(cast.viewer)
    before = everything()
    for path in (PAGE, FORGET, f"{PAGE}{domain.public_id}/remove/"):
        assert viewer.post(path, {"domain": "x.example.com", "all": "yes"}).status_code == 403
    assert viewer.get(f"{PAGE}{domain.public_id}/remove/").status_code == 403
    assert everything() == before


def test_another_projects_domain_is_absent(cast: Cast, browse: Any):
    with tenant_scope(cast.globex.id):
        foreign = register_domain(
            actor=cast.principal(cast.outsider), project_id=cast.foreign_project.id, domain="shop.example.com"
        )
    browser = browse(cast.owner)
    before = everything()
    for path in (f"{PAGE}{foreign.public_id}/remove/", f"{PAGE}nothing/remove/"):
        assert browser.get(path).status_code == 404
        assert browser.post(path).status_code == 404
    assert everything() == before


@pytest.mark.parametrize(
    ("origin", "live", "test"),
    [
        ("https://www.shop.example.com:8443/path?x=1", "the plan's features", "the plan's features"),
        ("www.shop.example.com", "the plan's features", "the plan's features"),
        ("https://shop.example.com", "the free plan's features", "the free plan's features"),
        ("http://localhost:3000", "refused: use a test key", "the plan's features"),
        ("http://127.0.0.1", "refused: use a test key", "the free plan's features"),
    ],
)
def test_an_origin_is_tested_before_anybody_opens_it(cast: Cast, browse: Any, origin, live, test):
    register(cast, "*.shop.example.com")
    register(cast, "localhost")
    viewer = browse(cast.viewer)
    before = everything()
    page = text_of(viewer.get(PAGE, {"origin": origin}))
    shown = page.partition("With a live key")[2]
    assert live in shown.partition("With a test key")[0]
    assert test in shown.partition("With a test key")[2].partition("Rules")[0]
    assert everything() == before


@pytest.mark.parametrize("origin", ["null", "file:///etc/passwd", "a b", "<script>alert(1)</script>", "x" * 2000])
def test_what_is_no_origin_is_told_so(cast: Cast, browse: Any, origin: str):
    page = text_of(browse(cast.viewer).get(PAGE, {"origin": origin}))
    assert "This is no page that a browser opened" in page
    assert "<script>alert" not in page


def test_a_rejecting_project_says_that_others_are_refused(cast: Cast, browse: Any):
    rejecting(cast)
    page = text_of(browse(cast.viewer).get(PAGE, {"origin": "https://other.example"}))
    assert page.count("refused: not registered") == 2


def test_the_settings_say_what_other_domains_get(cast: Cast, browse: Any):
    settings = "/orgs/acme/projects/rocket/settings/"
    browser = browse(cast.developer)
    fields = {"name": "Rocket", "slug": "rocket", "unregistered_domains": "reject"}
    assert saved(browser, settings, fields).status_code == 302
    with tenant_scope(cast.acme.id):
        cast.project.refresh_from_db()
    assert cast.project.unregistered_domains == "reject"
    before = everything()
    assert saved(browser, settings, {**fields, "unregistered_domains": "ignore"}).status_code == 422
    assert everything() == before


def test_one_and_ten_domains_take_the_same_queries(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        for number in range(12):
            Domain.objects.create(
                project=cast.project, pattern=f"d{number}.example", is_loopback=False, created_by="usr_x"
            )
    browser = browse(cast.owner)
    browser.get(PAGE)
    with CaptureQueriesContext(connection) as many:
        browser.get(PAGE)
    with tenant_scope(cast.acme.id):
        Domain.objects.exclude(pattern="d1.example").delete()
    with CaptureQueriesContext(connection) as few:
        browser.get(PAGE)
    assert len(many) == len(few)


def test_a_new_publishable_key_leads_to_the_domains(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    new = "/orgs/acme/projects/rocket/keys/new/"
    form = {"once": browser.get(new).context["form"]["once"].value(), "kind": "publishable", "mode": "test"}
    answer = browser.post(new, {**form, "name": "Page", "preset": "runner", "expires": "never"})
    assert f'/orgs/acme/projects/{cast.project.public_id}/domains/">domains of the project</a>' in text_of(answer)
    assert "register localhost" in text_of(answer)
