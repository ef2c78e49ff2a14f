"""Pages of the sessions that programs have as the viewer."""

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.kernel.context import RequestContext, request_context
from keys.models import TokenSession
from keys.services.sessions import open_session
from orgs.models import User
from tests.cast import Cast

SESSIONS = "/profile/sessions/"


def text_of(answer: Any) -> str:
    return answer.content.decode()


def add_session(user: User, program: str = "deploy/1.0", organization: str | None = None) -> TokenSession:
    with request_context(RequestContext(ip="192.0.2.7", user_agent=program)):
        open_session(user=user, method="password", organization=organization)
    return TokenSession.objects.latest("id")


def test_the_list_shows_the_viewers_living_sessions_alone(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    assert "No program is signed in" in text_of(browser.get(SESSIONS))
    add_session(cast.viewer, "mine/1.0", "acme")
    add_session(cast.owner, "theirs/1.0")
    over = add_session(cast.viewer, "over/1.0")
    TokenSession.objects.filter(id=over.id).update(expires_at=over.created_at)
    page = text_of(browser.get(SESSIONS))
    assert "mine/1.0" in page
    assert "192.0.2.7" in page
    assert "theirs/1.0" not in page
    assert "over/1.0" not in page


def test_a_session_is_ended_after_a_question(cast: Cast, browse: Any):
    browser, session, other = browse(cast.viewer), add_session(cast.viewer), add_session(cast.viewer, "other/1.0")
    asked = browser.get(f"{SESSIONS}{session.public_id}/end/")
    assert "deploy/1.0" in text_of(asked)
    assert TokenSession.objects.living().count() == 2
    answer = browser.post(f"{SESSIONS}{session.public_id}/end/", follow=True)
    assert "The session is ended" in text_of(answer)
    assert list(TokenSession.objects.living()) == [other]
    assert "This session is over" in text_of(browser.get(f"{SESSIONS}{session.public_id}/end/"))


def test_somebody_elses_session_is_absent(cast: Cast, browse: Any):
    session = add_session(cast.owner)
    for answer in (
        browse(cast.viewer).get(f"{SESSIONS}{session.public_id}/end/"),
        browse(cast.viewer).post(f"{SESSIONS}{session.public_id}/end/"),
    ):
        assert answer.status_code == 404
    assert TokenSession.objects.living().count() == 1


def test_all_sessions_are_ended_after_a_question(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    assert "There is nothing to end" in text_of(browser.get(f"{SESSIONS}end/"))
    theirs = add_session(cast.owner)
    for number in range(3):
        add_session(cast.viewer, f"program/{number}")
    assert "Every program that is signed in as you" in text_of(browser.get(f"{SESSIONS}end/"))
    assert "3 sessions are ended" in text_of(browser.post(f"{SESSIONS}end/", follow=True))
    assert list(TokenSession.objects.living()) == [theirs]
    assert browser.get(SESSIONS).status_code == 200, "the browser stays signed in"


def test_two_and_twenty_sessions_take_the_same_queries(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    for organization in ("acme", None):
        add_session(cast.viewer, organization=organization)
    browser.get(SESSIONS)
    with CaptureQueriesContext(connection) as two:
        browser.get(SESSIONS)
    for _ in range(18):
        add_session(cast.viewer, organization="acme")
    with CaptureQueriesContext(connection) as twenty:
        assert len(browser.get(SESSIONS).context["rows"]) == 20
    assert len(twenty) == len(two)
