"""Pages of personal tokens."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.models import PersonalToken
from keys.services.tokens import create_token
from orgs.models import Organization
from tests.cast import Cast
from tests.texts import without_what_varies

TOKENS = "/profile/tokens/"
NEW = f"{TOKENS}new/"


def text_of(answer: Any) -> str:
    return answer.content.decode()


def filled(browser: Any, **values: Any) -> dict[str, Any]:
    once = re.search(r'name="once" value="([^"]+)"', text_of(browser.get(NEW)))
    assert once
    return {"once": once[1], "name": "Laptop", "organization": "all", "scope": "all", "expires": "never", **values}


def secret_in(answer: Any) -> str:
    found = re.search(r'<code id="secret">([^<]+)</code>', text_of(answer))
    assert found
    return found[1]


def add_token(cast: Cast, user: Any, name: str = "Script") -> PersonalToken:
    return create_token(actor=cast.principal(user), user=user, name=name)[0]


def shown_as(browser: Any, label: str) -> str:
    """The cell of the one token in the list."""
    (cell,) = re.findall(rf'<td data-label="{label}">(.*?)</td>', text_of(browser.get(TOKENS)), re.DOTALL)
    return cell


def test_the_list_shows_ones_own_tokens_alone(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    assert "No tokens yet" in text_of(browser.get(TOKENS))
    add_token(cast, cast.viewer, "Mine")
    add_token(cast, cast.owner, "Theirs")
    page = text_of(browser.get(TOKENS))
    assert "Mine" in page
    assert "Theirs" not in page


def test_the_list_tells_the_last_use_what_ends_soon_and_what_nobody_uses(cast: Cast, browse: Any):
    now, browser = timezone.now(), browse(cast.viewer)
    token = add_token(cast, cast.viewer)
    row = PersonalToken.objects.filter(id=token.id)
    assert '<span class="text-faint">never</span>' in shown_as(browser, "Last used")
    row.update(last_used_at=now, last_used_ip="203.0.113.9")
    assert "from <code>203.0.113.9</code>" in shown_as(browser, "Last used")
    assert "Unused for 90 days" not in shown_as(browser, "Last used")
    row.update(created_at=now - timedelta(days=200), last_used_at=now - timedelta(days=91))
    assert "Unused for 90 days" in shown_as(browser, "Last used")
    row.update(last_used_at=None, expires_at=now + timedelta(days=3))
    assert "Unused for 90 days" in shown_as(browser, "Last used")
    assert "Expires soon" in shown_as(browser, "Status")
    row.update(revoked_at=now)
    assert "Unused for 90 days" not in shown_as(browser, "Last used")
    assert "Revoked" in shown_as(browser, "Status")


def test_two_and_twenty_tokens_take_the_same_queries(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    for organization in (cast.acme, None):
        create_token(actor=cast.principal(cast.viewer), user=cast.viewer, name="T", organization=organization)
    browser.get(TOKENS)
    with CaptureQueriesContext(connection) as two:
        browser.get(TOKENS)
    for _ in range(18):
        create_token(actor=cast.principal(cast.viewer), user=cast.viewer, name="T", organization=cast.acme)
    with CaptureQueriesContext(connection) as twenty:
        assert len(browser.get(TOKENS).context["rows"]) == 20
    assert len(twenty) == len(two)


def test_a_token_works_where_and_for_what_it_was_made(cast: Cast, browse: Any, api: Any):
    browser = browse(cast.developer)
    wanted = filled(browser, organization=cast.acme.public_id, scope="chosen", permissions=["view_org"], expires="30")
    plaintext = secret_in(browser.post(NEW, wanted))
    token = PersonalToken.objects.of_user(cast.developer.id).get()
    assert (token.organization_id, token.permissions) == (cast.acme.id, ["view_org"])
    assert token.expires_at is not None
    assert api(plaintext).get("/api/v1/orgs/acme").status_code == 200
    assert api(plaintext).post("/api/v1/orgs/acme/projects", {"name": "X", "slug": "x"}).status_code == 403


def test_a_token_for_everything_is_not_narrowed(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    assert browser.post(NEW, filled(browser)).status_code == 200
    token = PersonalToken.objects.of_user(cast.developer.id).get()
    assert (token.organization, token.permissions, token.expires_at) == (None, None, None)


@pytest.mark.parametrize(
    "values",
    [
        {"name": ""},
        {"name": "a\x00"},
        {"organization": "globex"},
        {"organization": ""},
        {"scope": "some"},
        {"scope": "chosen"},
        {"scope": "chosen", "permissions": ["keys:verify"]},
        {"expires": "date", "expires_on": "2001-01-01"},
    ],
)
def test_a_wrong_token_is_not_made(cast: Cast, browse: Any, values: dict):
    browser = browse(cast.developer)
    assert browser.post(NEW, filled(browser, **values)).status_code == 422
    assert not PersonalToken.objects.exists()


def test_no_token_is_made_for_an_organization_one_is_not_in(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    assert cast.globex.public_id not in text_of(browser.get(NEW))
    assert browser.post(NEW, filled(browser, organization=cast.globex.public_id)).status_code == 422
    Organization.objects.filter(id=cast.acme.id).update(status="disabled")
    assert browser.post(NEW, filled(browser, organization=cast.acme.public_id)).status_code == 422
    assert not PersonalToken.objects.exists()


def test_revoking_asks_first_and_ends_the_token(cast: Cast, browse: Any, api: Any):
    plaintext = cast.token(cast.viewer)
    token = PersonalToken.objects.get()
    browser = browse(cast.viewer)
    address = f"{TOKENS}{token.public_id}/revoke/"
    assert address in text_of(browser.get(TOKENS))
    assert f"{token.start}…" in text_of(browser.get(address))
    assert api(plaintext).get("/api/v1/orgs/acme").status_code == 200
    assert browser.post(address)["Location"] == TOKENS
    assert api(plaintext).get("/api/v1/orgs/acme").status_code == 401
    page = text_of(browser.get(TOKENS))
    assert "Revoked" in page
    assert address not in page
    assert "nothing to revoke" in text_of(browser.get(address))


@pytest.mark.parametrize("method", ["get", "post"])
def test_somebody_elses_token_looks_absent(cast: Cast, browse: Any, method: str):
    theirs = add_token(cast, cast.owner)
    absent = theirs.public_id[:-4] + "0000"
    send = getattr(browse(cast.admin), method)
    hidden, nowhere = send(f"{TOKENS}{theirs.public_id}/revoke/"), send(f"{TOKENS}{absent}/revoke/")
    assert hidden.status_code == nowhere.status_code == 404
    same = without_what_varies(text_of(hidden)).replace(theirs.public_id, absent)
    assert same == without_what_varies(text_of(nowhere))
    assert PersonalToken.objects.get(id=theirs.id).is_usable


@pytest.mark.parametrize("path", [TOKENS, NEW])
def test_tokens_are_for_people_signed_in(cast: Cast, browse: Any, path: str):
    assert browse(None).get(path)["Location"] == f"/login/?next={path}"
