"""A secret is in one answer and nowhere else, and no form makes two."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.credentials import PATTERN
from keys.models import Key, PersonalToken
from orgs.models import CustomRole, IdempotencyKey, Membership
from projects.services.projects import archive_project
from tests.cast import Cast

NEW = "/orgs/acme/projects/rocket/keys/new/"
TOKENS = "/profile/tokens/"
SHOWN = len("pat_") + 4


def text_of(answer: Any) -> str:
    return answer.content.decode()


def once_in(answer: Any) -> str:
    found = re.search(r'name="once" value="([^"]+)"', text_of(answer))
    assert found
    return found[1]


def filled(browser: Any, **values: Any) -> dict[str, Any]:
    """The form of a new key, filled in."""
    return {
        "once": once_in(browser.get(NEW)), "name": "Fresh", "kind": "secret", "mode": "test", "preset": "runner",
        "expires": "never", **values,
    }  # fmt: skip


def keys_of(cast: Cast) -> list[Key]:
    with tenant_scope(cast.acme.id):
        return list(Key.objects.order_by("-id"))


def secret_in(answer: Any) -> str:
    found = re.search(r'<code id="secret">([^<]+)</code>', text_of(answer))
    assert found
    assert re.fullmatch(PATTERN, found[1])
    return found[1]


def everything_kept(browser: Any) -> str:
    """Every row of every table, the cache and the browser's cookies, as one text."""
    kept = [f"{cookie.value}" for cookie in browser.cookies.values()]
    kept += [repr(dict(browser.session.items()))]
    client = cache._cache.get_client(None)
    kept += [repr((name, client.dump(name))) for name in client.scan_iter("*")]
    with system_scope("the test reads every table"), connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if not table.startswith("django_migrations"):
                cursor.execute(f'SELECT "{table}"::text FROM "{table}"')
                kept += [row[0] for row in cursor.fetchall()]
    return "\n".join(kept)


@pytest.mark.parametrize("path", ["key", "token", "rotation"])
def test_the_plaintext_is_in_one_answer_and_nowhere_else(cast: Cast, browse: Any, path: str):
    browser = browse(cast.developer)
    if path == "token":
        form = {"once": once_in(browser.get(f"{TOKENS}new/")), "name": "Laptop", "organization": "all", "scope": "all",
                "expires": "never"}  # fmt: skip
        address, after = f"{TOKENS}new/", TOKENS
    elif path == "key":
        form, address = filled(browser), NEW
        after = "/orgs/acme/projects/rocket/keys/"
    else:
        address = f"/orgs/acme/projects/rocket/keys/{cast.key.public_id}/rotate/"
        form = {"once": once_in(browser.get(address)), "overlap": "3600"}
        after = "/orgs/acme/projects/rocket/keys/"
    answer = browser.post(address, form)
    assert answer.status_code == 200
    plaintext = secret_in(answer)
    assert answer["Cache-Control"] == "no-store"
    assert not any(plaintext in value for value in answer.headers.values())
    assert plaintext not in everything_kept(browser)
    # Its start is kept, so the search looked where it would be.
    assert plaintext[:SHOWN] in everything_kept(browser)
    for later in (browser.get(after), browser.get(address), browser.post(address, form)):
        assert plaintext not in text_of(later)


def test_the_command_beside_the_secret_works(cast: Cast, browse: Any, api: Any):
    browser = browse(cast.developer)
    answer = browser.post(NEW, filled(browser))
    plaintext = secret_in(answer)
    assert f"Authorization: Bearer {plaintext}" in text_of(answer)
    verified = api(plaintext).post("/api/v1/keys/verify", {"key": plaintext})
    assert verified.json()["valid"] is True


def test_a_key_that_may_not_verify_is_tried_otherwise(cast: Cast, browse: Any, api: Any):
    browser = browse(cast.developer)
    answer = browser.post(NEW, filled(browser, preset="chosen"))
    page = text_of(answer)
    assert "/api/v1/whoami" in page
    assert "/api/v1/keys/verify" not in page
    assert api(secret_in(answer)).get("/api/v1/whoami").status_code == 200


def test_sending_the_form_again_makes_no_second_key(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    form = filled(browser)
    assert browser.post(NEW, form).status_code == 200
    before = len(keys_of(cast))
    again = browser.post(NEW, form)
    assert again.status_code == 409
    assert "was sent before" in text_of(again)
    assert len(keys_of(cast)) == before
    assert browser.post(NEW, filled(browser)).status_code == 200
    assert len(keys_of(cast)) == before + 1


def test_sending_a_rotation_again_rotates_once(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    address = f"/orgs/acme/projects/rocket/keys/{cast.key.public_id}/rotate/"
    form = {"once": once_in(browser.get(address)), "overlap": "86400"}
    assert browser.post(address, form).status_code == 200
    assert browser.post(address, form).status_code == 409
    assert [key.name for key in keys_of(cast)].count("Backend") == 2


def test_a_form_that_failed_is_not_used_up(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    form = filled(browser, allowed_ips="everywhere")
    failed = browser.post(NEW, form)
    assert failed.status_code == 400
    assert 'id="id_allowed_ips_error"' in text_of(failed)
    with tenant_scope(cast.acme.id):
        assert not IdempotencyKey.objects.exists()
    assert browser.post(NEW, {**form, "allowed_ips": "", "once": once_in(failed)}).status_code == 200


def test_one_persons_form_does_not_use_up_anothers(cast: Cast, browse: Any):
    form = filled(browse(cast.developer))
    assert browse(cast.developer).post(NEW, form).status_code == 200
    assert browse(cast.admin).post(NEW, form).status_code == 200


@pytest.mark.parametrize("once", ["", "x", "made:up:token", "y" * 5000, "a\x00b"])
def test_a_form_with_a_token_that_is_not_ours_makes_nothing(cast: Cast, browse: Any, once: str):
    browser = browse(cast.developer)
    before = len(keys_of(cast))
    answer = browser.post(NEW, filled(browser, once=once))
    assert answer.status_code in (400, 422)
    assert len(keys_of(cast)) == before
    assert browser.post(NEW, filled(browser, once=once_in(answer))).status_code == 200


def test_a_form_that_was_open_for_too_long_must_be_sent_again(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    form = filled(browser)
    with time_machine.travel(timezone.now() + timedelta(hours=13), tick=True):
        answer = browser.post(NEW, form)
        assert answer.status_code == 400
        assert "open for too long" in text_of(answer)
        assert browser.post(NEW, {**form, "once": once_in(answer)}).status_code == 200


@pytest.mark.parametrize(
    ("values", "permissions"),
    [
        ({"preset": "runner"}, ["access:evaluate", "env:read", "keys:verify", "usage:track"]),
        ({"preset": "chosen", "permissions": ["keys:verify", "view_org"]}, ["keys:verify", "view_org"]),
        ({"preset": "chosen"}, []),
        ({"kind": "publishable", "preset": "admin"}, []),
    ],
)
def test_a_key_gets_what_was_chosen(cast: Cast, browse: Any, values: dict, permissions: list[str]):
    browser = browse(cast.developer)
    assert browser.post(NEW, filled(browser, **values)).status_code == 200
    assert keys_of(cast)[0].permissions == permissions


def test_everything_in_the_form_is_kept(cast: Cast, browse: Any):
    with time_machine.travel(datetime(2027, 1, 1, 12, tzinfo=UTC), tick=False):
        browser = browse(cast.developer)
        wanted = filled(
            browser, mode="live", allowed_ips="203.0.113.7\n2001:db8::/32, 198.51.100.0/24", note="Frankfurt",
            expires="date", expires_on="2027-01-31",
        )  # fmt: skip
        assert browser.post(NEW, wanted).status_code == 200
    key = keys_of(cast)[0]
    assert (key.mode, key.note) == ("live", "Frankfurt")
    assert key.allowed_ips == ["198.51.100.0/24", "2001:db8::/32", "203.0.113.7/32"]
    assert key.expires_at == datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("days", [30, 90, 365])
def test_a_lifetime_counts_from_now(cast: Cast, browse: Any, days: int):
    now = datetime(2027, 1, 1, 12, tzinfo=UTC)
    with time_machine.travel(now, tick=False):
        browser = browse(cast.developer)
        browser.post(NEW, filled(browser, expires=str(days)))
    assert keys_of(cast)[0].expires_at == now + timedelta(days=days)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"name": ""}, 422),
        ({"name": "a\x00"}, 422),
        ({"kind": "master"}, 422),
        ({"mode": "staging"}, 422),
        ({"preset": "god"}, 422),
        ({"preset": "chosen", "permissions": ["delete_org"]}, 422),
        ({"expires": "7"}, 422),
        ({"expires": "date"}, 422),
        ({"expires": "date", "expires_on": "2020-01-01"}, 422),
        ({"expires": "date", "expires_on": "soon"}, 422),
        ({"allowed_ips": "10.0.0.0/99"}, 400),
        ({"allowed_ips": "\n".join(f"10.0.0.{number}" for number in range(51))}, 400),
        ({"kind": "publishable", "allowed_ips": "10.0.0.1"}, 400),
        ({"note": "x" * 501}, 422),
    ],
)
def test_a_wrong_form_makes_nothing(cast: Cast, browse: Any, values: dict, status: int):
    browser = browse(cast.developer)
    before = len(keys_of(cast))
    answer = browser.post(NEW, filled(browser, **values))
    assert answer.status_code == status
    assert 'role="alert"' in text_of(answer)
    assert len(keys_of(cast)) == before


def test_only_what_the_viewer_may_do_is_offered_and_given(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        role = CustomRole.objects.create(name="Key keeper", permissions=["manage_keys", "view_org"])
        Membership.objects.filter(user=cast.viewer).update(role="custom", custom_role=role)
    browser = browse(cast.viewer)
    page = text_of(browser.get(NEW))
    assert 'value="runner"' in page
    assert 'value="admin"' not in page
    assert 'value="manage_keys"' in page
    assert 'value="manage_env"' not in page
    before = len(keys_of(cast))
    for wanted in ({"preset": "admin"}, {"preset": "chosen", "permissions": ["manage_env"]}):
        assert browser.post(NEW, filled(browser, **wanted)).status_code == 422
    rotate = f"/orgs/acme/projects/rocket/keys/{cast.key.public_id}/rotate/"
    refused = browser.post(rotate, {"once": once_in(browser.get(rotate)), "overlap": "0"})
    assert refused.status_code == 403
    assert "what you may not do yourself" in text_of(refused)
    assert len(keys_of(cast)) == before


def test_a_viewer_makes_no_key(cast: Cast, browse: Any):
    before = len(keys_of(cast))
    assert browse(cast.viewer).get(NEW).status_code == 403
    assert browse(cast.viewer).post(NEW, filled(browse(cast.owner))).status_code == 403
    assert len(keys_of(cast)) == before


def test_an_archived_project_gets_no_key(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    form = filled(browser)
    with tenant_scope(cast.acme.id):
        archive_project(actor=cast.principal(cast.owner), project_id=cast.project.id)
    before = len(keys_of(cast))
    answer = browser.post(NEW, form)
    assert answer.status_code == 409
    assert "This project is archived" in text_of(answer)
    assert len(keys_of(cast)) == before


@pytest.mark.parametrize(("overlap", "state"), [("0", "revoked"), ("3600", "active"), ("2592000", "active")])
def test_a_rotation_ends_the_old_key_after_the_overlap(cast: Cast, browse: Any, overlap: str, state: str):
    browser = browse(cast.developer)
    address = f"/orgs/acme/projects/rocket/keys/{cast.key.public_id}/rotate/"
    answer = browser.post(address, {"once": once_in(browser.get(address)), "overlap": overlap})
    assert answer.status_code == 200
    new, old = keys_of(cast)[0], next(key for key in keys_of(cast) if key.id == cast.key.id)
    assert (old.state, new.state) == (state, "active")
    assert (new.permissions, new.mode, new.name) == (old.permissions, old.mode, old.name)
    if state == "active":
        assert abs((old.expires_at - timezone.now()).total_seconds() - int(overlap)) < 60
        assert f"the old key <code>{old.start}…</code> works." in text_of(answer)


@pytest.mark.parametrize("overlap", ["", "7", "-1", "99999999", "x"])
def test_another_overlap_is_not_taken(cast: Cast, browse: Any, overlap: str):
    browser = browse(cast.developer)
    address = f"/orgs/acme/projects/rocket/keys/{cast.key.public_id}/rotate/"
    answer = browser.post(address, {"once": once_in(browser.get(address)), "overlap": overlap})
    assert answer.status_code == 422
    assert len(keys_of(cast)) == 2


def test_a_key_that_ended_is_not_rotated(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    address = f"/orgs/acme/projects/rocket/keys/{cast.key.public_id}/rotate/"
    once = once_in(browser.get(address))
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(revoked_at=timezone.now())
    assert "no longer works" in text_of(browser.get(address))
    assert browser.post(address, {"once": once, "overlap": "0"}).status_code == 409
    assert len(keys_of(cast)) == 2


def test_the_ledger_tells_of_the_key_without_its_secret(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    plaintext = secret_in(browser.post(NEW, filled(browser)))
    with tenant_scope(cast.acme.id):
        record = AuditEvent.objects.order_by("-id").first()
    assert (record.event, record.actor_label) == ("key.created", cast.developer.email)
    assert plaintext not in repr(record.__dict__)


def test_a_publishable_key_is_simply_shown(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    page = text_of(browser.post(NEW, filled(browser, kind="publishable")))
    key = keys_of(cast)[0]
    assert key.plaintext.startswith("pk_test_")
    assert key.plaintext in page
    assert "shown once" not in page


def test_a_token_form_sent_again_makes_no_second_token(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    form = {"once": once_in(browser.get(f"{TOKENS}new/")), "name": "Laptop", "organization": "all", "scope": "all",
            "expires": "30"}  # fmt: skip
    assert browser.post(f"{TOKENS}new/", form).status_code == 200
    assert browser.post(f"{TOKENS}new/", form).status_code == 409
    assert PersonalToken.objects.of_user(cast.viewer.id).count() == 1
