"""Sessions of browsers: kept up to date, listed, ended at once, and never brought back by a request that races."""

import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditEvent
from config import sign_in
from config.kernel.context import RequestContext, request_context
from config.kernel.errors import Absent
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys.models import TokenSession
from keys.services.sessions import open_session
from orgs.models import BrowserSession, SignedInBrowser, User
from orgs.services import browser_sessions
from orgs.services.members import leave, remove_member
from orgs.services.users import disable_user, reset_password
from orgs.sessions import SessionStore
from orgs.tidying import tidy
from orgs.user_agents import device_words, network_of
from tests.browsers import signed_in
from tests.cast import PASSWORD, Cast

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"


def session_of(browser: Client) -> BrowserSession:
    return BrowserSession.objects.get(session_key=browser.session.session_key)


def is_in(browser: Client) -> bool:
    return browser.get("/profile/").status_code == 200


# -- words -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (EDGE, "Edge on Windows"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
            "Safari on macOS",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 CriOS/140.0 Mobile Safari/604.1",
            "Chrome on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; SM-S921B) AppleWebKit/537.36 SamsungBrowser/27.0 Chrome/125.0 Mobile",
            "Samsung Internet on Android",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/140.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/139.0 Safari/537.36 OPR/124.0", "Opera on Windows"),
        ("curl/8.5.0", "An unknown browser"),
        ("Mozilla/5.0 (Windows NT 10.0)", "An unknown browser on Windows"),
        ("", "An unknown browser"),
    ],
)
def test_a_browser_is_called_what_people_call_it(user_agent: str, words: str):
    assert device_words(user_agent) == words


def test_a_network_is_what_one_connection_moves_within():
    assert network_of("192.0.2.77") == "192.0.2.0/24"
    assert network_of("::ffff:192.0.2.77") == "192.0.2.0/24"
    assert network_of("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert network_of(None) == ""


# -- kept up to date -------------------------------------------------------------------------------------------------
def test_the_use_is_noted_at_most_every_five_minutes(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    before = session_of(browser).last_used_at
    with CaptureQueriesContext(connection) as fresh:
        browser.get("/profile/")
    assert not [query for query in fresh if 'UPDATE "orgs_browser_session"' in query["sql"]]
    assert session_of(browser).last_used_at == before
    with time_machine.travel(before + timedelta(minutes=6), tick=False):
        with CaptureQueriesContext(connection) as stale:
            browser.get("/profile/", REMOTE_ADDR="192.0.2.9", headers={"user-agent": FIREFOX})
        row = session_of(browser)
        assert (row.last_used_at, row.ip, row.user_agent) == (timezone.now(), "192.0.2.9", FIREFOX)
        with CaptureQueriesContext(connection) as again:
            browser.get("/profile/")
    assert len([query for query in stale if 'UPDATE "orgs_browser_session"' in query["sql"]]) == 1
    assert not [query for query in again if 'UPDATE "orgs_browser_session"' in query["sql"]]


def test_a_new_key_keeps_the_session_and_its_id(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    before, store = session_of(browser), browser.session
    store.cycle_key()
    assert not BrowserSession.objects.filter(session_key=before.session_key).exists()
    row = BrowserSession.objects.get(session_key=store.session_key)
    assert (row.id, row.user_id) == (before.id, cast.viewer.id)


def test_a_session_without_a_person_gets_a_new_key_too(db: None):
    store = SessionStore()
    store["shown"] = 1
    store.save()
    key = store.session_key
    store.cycle_key()
    store.save()
    assert store.session_key != key
    assert SessionStore(store.session_key)["shown"] == 1
    assert not BrowserSession.objects.filter(session_key=key).exists()


# -- ends at once ----------------------------------------------------------------------------------------------------
def test_disabling_a_person_deletes_their_sessions(cast: Cast, browse: Any):
    browser, colleague = browse(cast.viewer), browse(cast.admin)
    disable_user(actor=SYSTEM, user=cast.viewer, reason="left")
    assert not BrowserSession.objects.of_user(cast.viewer.id).exists()
    assert not is_in(browser)
    assert is_in(colleague)


def test_a_temporary_password_deletes_their_sessions(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    reset_password(actor=SYSTEM, user=cast.viewer)
    assert not BrowserSession.objects.of_user(cast.viewer.id).exists()
    assert not is_in(browser)


def test_a_new_password_ends_all_sessions_but_the_one_that_chose_it(cast: Cast, browse: Any):
    here, there = browse(cast.viewer), browse(cast.viewer)
    open_session(user=cast.viewer, method="password")
    chosen = "a new phrase of my own 42"
    answer = here.post("/password/change/", {"oldpassword": PASSWORD, "password1": chosen, "password2": chosen})
    assert answer.status_code == 302, answer.content
    assert is_in(here)
    assert list(BrowserSession.objects.of_user(cast.viewer.id)) == [session_of(here)]
    assert not is_in(there)
    assert not TokenSession.objects.living().exists()


def test_a_wrong_old_password_changes_nothing(cast: Cast, browse: Any):
    here, there = browse(cast.viewer), browse(cast.viewer)
    chosen = "a new phrase of my own 42"
    here.post("/password/change/", {"oldpassword": "wrong", "password1": chosen, "password2": chosen})
    assert is_in(here)
    assert is_in(there)
    assert User.objects.get(id=cast.viewer.id).check_password(PASSWORD)


def test_a_password_reset_by_mail_ends_all_sessions(cast: Cast, browse: Any):
    browser, colleague = browse(cast.viewer), browse(cast.admin)
    open_session(user=cast.viewer, method="password")
    key = f"{user_pk_to_url_str(cast.viewer)}-{default_token_generator.make_token(cast.viewer)}"
    stranger = Client()
    form = stranger.get(f"/password/reset/key/{key}/")["Location"]
    for weak in ("short", "password1234", "123456789012", cast.viewer.email):
        assert stranger.post(form, {"password1": weak, "password2": weak}).status_code == 200
        assert is_in(browser), "a password that was refused ended a session"
    chosen = "a new phrase of my own 42"
    assert stranger.post(form, {"password1": chosen, "password2": chosen}).status_code == 302
    assert not BrowserSession.objects.of_user(cast.viewer.id).exists()
    assert not TokenSession.objects.living().exists()
    assert not is_in(browser)
    assert is_in(colleague)
    assert not is_in(stranger)
    assert User.objects.get(id=cast.viewer.id).check_password(chosen)
    with tenant_scope(INSTALLATION_ID):
        (event,) = AuditEvent.objects.filter(event="user.password_changed")
    assert (event.target_id, event.data) == (cast.viewer.public_id, {"how": "reset by mail"})


def test_passwords_are_hashed_by_argon2():
    assert sign_in.PASSWORD_HASHERS == ["django.contrib.auth.hashers.Argon2PasswordHasher"]


def test_signing_out_deletes_the_row(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    key = browser.session.session_key
    browser.post("/logout/")
    assert not BrowserSession.objects.filter(session_key=key).exists()
    thief = Client()
    thief.cookies["session"] = key
    assert not is_in(thief)


@pytest.mark.parametrize("how", ["removed", "left"])
def test_who_is_no_member_any_more_finds_the_organization_closed_in_the_session_that_they_keep(
    cast: Cast, browse: Any, how: str
):
    browser = browse(cast.viewer)
    assert browser.get("/orgs/acme/").status_code == 200
    with tenant_scope(cast.acme.id):
        if how == "removed":
            remove_member(actor=cast.principal(cast.owner), user_id=cast.viewer.id)
        else:
            leave(actor=cast.principal(cast.viewer))
    assert browser.get("/orgs/acme/").status_code == 404
    assert is_in(browser)


def test_ending_one_session_is_for_its_person_alone(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    row = SignedInBrowser.objects.get(id=session_of(browser).id)
    with pytest.raises(Absent):
        browser_sessions.end(actor=cast.principal(cast.owner), user_id=cast.owner.id, session=row.public_id)
    assert is_in(browser)
    browser_sessions.end(actor=cast.principal(cast.viewer), user_id=cast.viewer.id, session=row.public_id)
    assert not is_in(browser)
    with pytest.raises(Absent):
        browser_sessions.end(actor=cast.principal(cast.viewer), user_id=cast.viewer.id, session=row.public_id)


# -- requests that race, over two real connections -------------------------------------------------------------------
def elsewhere(work: Any) -> None:
    """Does something in a connection of its own, and waits for it."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@pytest.mark.parametrize("step", ["save", "cycle_key", "note_use"])
def test_a_session_that_ends_during_a_request_stays_ended(committed_cast: Cast, step: str):
    viewer = committed_cast.viewer
    browser = signed_in(Client(), viewer)
    store = SessionStore(browser.session.session_key)
    assert store["id"]  # loaded, as in a request at work
    elsewhere(lambda: browser_sessions.end_all(user_id=viewer.id))
    if step == "note_use":
        assert store.row is not None
        store.row.last_used_at -= timedelta(hours=1)
        with request_context(RequestContext(ip="192.0.2.9")):
            store.note_use()
    else:
        store["something"] = "new"
        with pytest.raises((SessionInterrupted, UpdateError)):
            getattr(store, step)()
    assert not BrowserSession.objects.of_user(viewer.id).exists()
    assert not is_in(browser)


def test_ending_all_sessions_meets_one_whose_key_is_changing(committed_cast: Cast):
    viewer = committed_cast.viewer
    browser = signed_in(Client(), viewer)
    store = SessionStore(browser.session.session_key)
    store.cycle_key()  # and the request is still at work: nothing saved yet
    elsewhere(lambda: browser_sessions.end_all(user_id=viewer.id))
    assert not BrowserSession.objects.filter(session_key=store.session_key).exists()


# -- forgetting ------------------------------------------------------------------------------------------------------
def test_sessions_that_are_over_are_forgotten(cast: Cast, browse: Any):
    old, young = browse(cast.viewer), browse(cast.viewer)
    BrowserSession.objects.filter(session_key=old.session.session_key).update(expire_date=timezone.now())
    assert tidy() >= 1
    assert list(BrowserSession.objects.of_user(cast.viewer.id)) == [session_of(young)]
