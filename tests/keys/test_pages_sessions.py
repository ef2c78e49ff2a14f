"""Pages of the viewer's sessions, in browsers and of programs."""

from datetime import timedelta
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.kernel.context import RequestContext, request_context
from keys.models import TokenSession
from keys.services.sessions import open_session
from orgs.models import BrowserSession, SignedInBrowser, User
from orgs.services import browser_sessions
from tests.cast import Cast

SESSIONS = "/profile/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


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
    assert "Every other browser and every program" in text_of(browser.get(f"{SESSIONS}end/"))
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


# -- browsers --------------------------------------------------------------------------------------------------------
def browser_row(browser: Client) -> SignedInBrowser:
    return SignedInBrowser.objects.get(id=browser_sessions.id_of(browser.session))


def test_the_list_shows_the_viewers_browsers_and_which_one_this_is(cast: Cast, browse: Any):
    here, there = browse(cast.viewer), browse(cast.viewer)
    stranger = browse(cast.owner)
    BrowserSession.objects.filter(id=browser_row(there).id).update(ip="192.0.2.9", user_agent=FIREFOX)
    BrowserSession.objects.filter(id=browser_row(stranger).id).update(ip="198.51.100.9")
    page = text_of(here.get(SESSIONS))
    assert page.count("This one") == 1
    assert "Firefox on Linux" in page
    assert "192.0.2.9" in page
    assert "with a password" in page
    assert "198.51.100.9" not in page
    assert f"{SESSIONS}browsers/{browser_row(there).public_id}/end/" in page
    assert f"{SESSIONS}browsers/{browser_row(here).public_id}/end/" not in page
    for browser in (here, there):
        assert browser.session.session_key not in page


def test_another_browser_is_signed_out_after_a_question(cast: Cast, browse: Any):
    here, there = browse(cast.viewer), browse(cast.viewer)
    question = f"{SESSIONS}browsers/{browser_row(there).public_id}/end/"
    assert "signed out at once" in text_of(here.get(question))
    assert there.get(SESSIONS).status_code == 200
    assert "The session is ended" in text_of(here.post(question, follow=True))
    assert there.get(SESSIONS).status_code == 302
    assert here.get(SESSIONS).status_code == 200
    assert here.post(question).status_code == 404


def test_ending_this_very_session_signs_out(cast: Cast, browse: Any):
    here = browse(cast.viewer)
    question = f"{SESSIONS}browsers/{browser_row(here).public_id}/end/"
    assert "you are signed out here" in text_of(here.get(question))
    assert here.post(question)["Location"] == "/login/"
    assert here.get(SESSIONS).status_code == 302


def test_somebody_elses_browser_is_absent(cast: Cast, browse: Any):
    theirs, mine = browse(cast.owner), browse(cast.viewer)
    question = f"{SESSIONS}browsers/{browser_row(theirs).public_id}/end/"
    assert mine.get(question).status_code == 404
    assert mine.post(question).status_code == 404
    assert theirs.get(SESSIONS).status_code == 200


def test_all_others_are_ended_and_this_one_stays(cast: Cast, browse: Any):
    here, there, stranger = browse(cast.viewer), browse(cast.viewer), browse(cast.owner)
    add_session(cast.viewer)
    answer = here.post(f"{SESSIONS}end/", follow=True)
    assert "2 sessions are ended. Only this browser is still signed in." in text_of(answer)
    assert there.get(SESSIONS).status_code == 302
    assert stranger.get(SESSIONS).status_code == 200
    assert not TokenSession.objects.living().exists()


def test_two_and_sixty_browsers_take_the_same_queries(cast: Cast, browse: Any):
    here = browse(cast.viewer)
    browse(cast.viewer)
    here.get(SESSIONS)
    with CaptureQueriesContext(connection) as two:
        here.get(SESSIONS)
    for number in range(58):
        BrowserSession.objects.create(
            session_key=f"key-{number}", user=cast.viewer, method="password", signed_in_at=timezone.now(),
            expire_date=timezone.now() + timedelta(days=1),
        )  # fmt: skip
    with CaptureQueriesContext(connection) as sixty:
        answer = here.get(SESSIONS)
    assert len(two) == len(sixty)
    assert len(answer.context["browsers"]) == 50
    assert "There are more" in text_of(answer)
