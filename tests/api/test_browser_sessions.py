"""`me/browser-sessions`: the caller's sessions in browsers; and `auth/logout-everywhere`, which ends them too."""

from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.models import AuditEvent
from config.kernel.permissions import Permission
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys.services.sessions import open_session
from keys.services.tokens import create_token
from orgs.models import BrowserSession, User
from tests.browsers import signed_in
from tests.cast import Cast
from tests.conftest import JSONClient

SESSIONS = "/api/v1/me/browser-sessions"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def browser_of(who: User) -> Client:
    browser = signed_in(Client(headers={"user-agent": FIREFOX}), who)
    row = BrowserSession.objects.filter(session_key=browser.session.session_key)
    row.update(ip="192.0.2.7", user_agent=FIREFOX)
    return browser


def is_in(browser: Client) -> bool:
    return browser.get("/profile/").status_code == 200


def test_the_list_shows_the_callers_browsers_without_what_opens_them(cast: Cast, api: Any):
    browser = browser_of(cast.viewer)
    browser_of(cast.owner)
    answer = api(cast.viewer).get(SESSIONS)
    (row,) = answer.json()["data"]
    assert row["id"] == BrowserSession.objects.get(session_key=browser.session.session_key).public_id
    assert (row["device"], row["ip"], row["method"]) == ("Firefox on Linux", "192.0.2.7", "password")
    assert row.keys() == {
        "id", "device", "user_agent", "method", "ip", "signed_in_at", "last_used_at", "expires_at"
    }  # fmt: skip
    assert browser.session.session_key not in answer.content.decode()


def test_the_list_comes_in_pages_in_the_same_queries(cast: Cast, api: Any):
    client = api(cast.viewer)
    for _ in range(2):
        browser_of(cast.viewer)
    client.get(SESSIONS)
    with CaptureQueriesContext(connection) as two:
        client.get(SESSIONS)
    for _ in range(10):
        browser_of(cast.viewer)
    with CaptureQueriesContext(connection) as twelve:
        page = client.get(f"{SESSIONS}?limit=10").json()
    assert len(two) == len(twelve)
    rest = client.get(f"{SESSIONS}?limit=10&cursor={page['next']}").json()
    assert (len(page["data"]), len(rest["data"]), rest["next"]) == (10, 2, None)


def test_one_is_ended_at_once(cast: Cast, api: Any):
    browser, other = browser_of(cast.viewer), browser_of(cast.viewer)
    client = api(cast.viewer)
    session = BrowserSession.objects.get(session_key=browser.session.session_key).public_id
    assert api(cast.owner).delete(f"{SESSIONS}/{session}").status_code == 404
    assert is_in(browser)
    assert client.delete(f"{SESSIONS}/{session}").status_code == 204
    assert not is_in(browser)
    assert is_in(other)
    assert client.delete(f"{SESSIONS}/{session}").status_code == 404
    with tenant_scope(INSTALLATION_ID):
        (event,) = AuditEvent.objects.filter(event="browser_session.ended")
    assert (event.actor_id, event.target_id, event.data) == (
        cast.viewer.public_id, session, {"device": "Firefox on Linux"},
    )  # fmt: skip


def test_a_narrowed_token_sees_and_ends_none(cast: Cast):
    browser = browser_of(cast.viewer)
    _, token = create_token(
        actor=cast.principal(cast.viewer), user=cast.viewer, name="narrow", permissions=[Permission.VIEW_ORG]
    )
    session = BrowserSession.objects.get(session_key=browser.session.session_key).public_id
    assert JSONClient(token).get(SESSIONS).status_code == 403
    assert JSONClient(token).delete(f"{SESSIONS}/{session}").status_code == 403
    assert is_in(browser)


def test_logout_everywhere_ends_browsers_and_programs(cast: Cast):
    browser, colleague = browser_of(cast.viewer), browser_of(cast.owner)
    access = open_session(user=cast.viewer, method="password").access_token
    answer = JSONClient(access).post("/api/v1/auth/logout-everywhere")
    assert answer.json() == {"ended": 2}
    assert not is_in(browser)
    assert is_in(colleague)
    assert JSONClient(access).get("/api/v1/whoami").status_code == 401
