"""The pages of e-mail domains."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import EmailDomain, SignInPolicy
from orgs.services.email_domains import register_email_domain
from tests.api.rows import everything
from tests.cast import Cast
from tests.zones import Zone

PAGE = "/orgs/acme/sign-in/domains/"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def register(cast: Cast, domain: str = "acme.example", **fields: Any) -> EmailDomain:
    with tenant_scope(cast.acme.id):
        row = register_email_domain(actor=cast.principal(cast.owner), domain=domain)
        EmailDomain.objects.filter(id=row.id).update(**fields)
        return EmailDomain.objects.get(id=row.id)


def current(row: EmailDomain) -> EmailDomain | None:
    with tenant_scope(row.org_id):
        return EmailDomain.objects.filter(id=row.id).first()


def test_an_empty_page_says_what_to_do(cast: Cast, browse: Any):
    page = text_of(browse(cast.owner).get(PAGE))
    assert "No domain is registered" in page
    assert "Register a domain" in page


def test_a_domain_is_registered_and_its_record_shown_to_copy(cast: Cast, browse: Any):
    browser = browse(cast.admin)
    answer = browser.post(PAGE, {"domain": "Acme.example"}, follow=True)
    page = text_of(answer)
    assert "acme.example is registered." in page
    with tenant_scope(cast.acme.id):
        row = EmailDomain.objects.get()
    assert f'data-copy="{row.txt_name}"' in page
    assert f'data-copy="{row.txt_value}"' in page
    assert "Add this record to the DNS" in page


@pytest.mark.parametrize(("domain", "status", "words"), [
    ("gmail.com", 400, "Anybody can have an address at gmail.com"),
    ("co.uk", 400, "belongs to everybody"),
    ("", 422, "This field is required"),
    ("acme.example", 409, "registered already"),
])  # fmt: skip
def test_what_cannot_be_registered_is_said_beside_the_field(
    cast: Cast, browse: Any, domain: str, status: int, words: str
):
    register(cast)
    browser = browse(cast.owner)
    before = everything()
    answer = browser.post(PAGE, {"domain": domain})
    assert answer.status_code == status
    assert words in text_of(answer)
    assert everything() == before


def test_a_check_says_what_was_found(cast: Cast, browse: Any, zone: Zone):
    row, browser = register(cast), browse(cast.owner)
    check = f"{PAGE}{row.public_id}/check/"
    assert "There is no TXT record at _tenantry.acme.example." in text_of(browser.post(check, follow=True))
    zone.texts[row.txt_name] = [row.txt_value]
    page = text_of(browser.post(check, follow=True))
    assert "acme.example is proven." in page
    assert "Proven" in page
    for _ in range(9):
        last = browser.post(check, follow=True)
    assert "Try again in" in text_of(last)


@pytest.mark.parametrize(("fields", "words"), [
    ({"status": "lost", "lost_at": NOW}, "Its record is gone"),
    ({"status": "proven", "proven_at": NOW, "missing_since": NOW}, "Its record was not seen"),
    ({"status": "proven", "proven_at": NOW, "vouched_for": "Paper"}, "the operator of this installation"),
    ({"failure": "The TXT record there says something else: x"}, "says something else: x"),
])  # fmt: skip
def test_the_state_of_a_domain_is_told(cast: Cast, browse: Any, fields: dict[str, Any], words: str):
    register(cast, **fields)
    assert words in text_of(browse(cast.owner).get(PAGE))


def test_the_overview_tells_those_who_manage_sign_in_of_a_lost_domain(cast: Cast, browse: Any):
    register(cast, status="lost", lost_at=NOW)
    for role, told in (("owner", True), ("admin", True), ("developer", False), ("viewer", False)):
        page = text_of(browse(cast.member(role)).get("/orgs/acme/"))
        assert ("The e-mail domain acme.example is lost" in page) == told, role


def test_the_removal_says_what_stops_and_asks_for_the_name_when_something_does(cast: Cast, browse: Any):
    row, browser = register(cast, status="proven", proven_at=NOW), browse(cast.owner)
    with tenant_scope(cast.acme.id):
        SignInPolicy.objects.create(enforcement="required", required_from=NOW)
    remove = f"{PAGE}{row.public_id}/remove/"
    page = text_of(browser.get(remove))
    assert "4 members have an address in this domain" in page
    assert "Single sign-on is enforced (required)" in page
    assert "No other domain is proven" in page
    before = everything()
    for confirm in ("", "yes"):
        answer = browser.post(remove, {"confirm": confirm})
        assert answer.status_code == 409
        assert "Type acme.example to confirm." in text_of(answer)
    assert everything() == before
    assert browser.post(remove, {"confirm": "acme.example"}).status_code == 302
    assert current(row) is None


def test_a_domain_that_nothing_rests_on_goes_by_a_button(cast: Cast, browse: Any):
    row, browser = register(cast), browse(cast.owner)
    remove = f"{PAGE}{row.public_id}/remove/"
    assert "nothing stops" in text_of(browser.get(remove))
    assert browser.post(remove).status_code == 302
    assert current(row) is None


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_roles_without_the_permission_see_and_change_nothing(cast: Cast, browse: Any, zone: Zone, role: str):
    row, browser = register(cast), browse(cast.member(role))
    assert "sign-in/domains" not in text_of(browser.get("/orgs/acme/"))
    before = everything()
    for answer in (
        browser.get(PAGE),
        browser.post(PAGE, {"domain": "acme.test"}),
        browser.post(f"{PAGE}{row.public_id}/check/"),
        browser.post(f"{PAGE}{row.public_id}/remove/"),
    ):
        assert answer.status_code == 403
        assert "acme.example" not in text_of(answer).replace("@acme.example", "")
    assert everything() == before
    assert zone.asked == []


def test_a_longer_page_takes_no_more_queries(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    register(cast)
    browser.get(PAGE)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(PAGE).status_code == 200
        return len(captured)

    before = queries()
    for number in range(10):
        register(cast, f"{number}.acme.example")
    assert queries() == before
