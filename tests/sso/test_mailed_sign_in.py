"""Signing in by a mail with a link and a code."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs.services.users import disable_user, reset_password
from tests.cast import Cast
from tests.texts import without_what_varies

Delivering = Callable[[], AbstractContextManager[None]]
SENT = "/login/code/"


def asked(delivering: Delivering, email: str, next_path: str = "") -> Client:
    """A browser that asked for a mail, which was sent if there was one to send."""
    browser = Client()
    with delivering():
        answer = browser.post("/login/mail/", {"login": email, "next": next_path})
    assert (answer.status_code, answer["Location"]) == (302, SENT)
    return browser


def code_in(mail: Any) -> str:
    found = re.search(r"^([B-Z]{4}-[B-Z]{4})$", mail.body, re.MULTILINE)
    assert found, mail.body
    return found[1]


def link_in(mail: Any) -> str:
    found = re.search(r"http://127\.0\.0\.1:8000(/login/link/\S+/)", mail.body)
    assert found, mail.body
    return found[1]


def is_in(browser: Client) -> bool:
    return browser.get("/profile/").status_code == 200


def test_one_mail_brings_a_link_and_a_code_in_both_forms(cast: Cast, delivering: Delivering, mailoutbox: list):
    asked(delivering, cast.owner.email)
    (mail,) = mailoutbox
    (html,) = [body for body, kind in mail.alternatives if kind == "text/html"]
    assert mail.to == [cast.owner.email]
    assert mail.subject == "Sign in to Tenantry"
    assert code_in(mail) in html
    assert link_in(mail) in html
    assert code_in(mail) not in mail.subject


@pytest.mark.parametrize("spelling", [str, str.lower, lambda code: code.replace("-", " "), lambda code: f"  {code}\t"])
def test_the_code_signs_in_where_it_was_asked_for_however_it_is_spelt(
    cast: Cast, delivering: Delivering, mailoutbox: list, spelling: Callable[[str], str]
):
    browser = asked(delivering, cast.owner.email.upper(), "/profile/")
    answer = browser.post(SENT, {"code": spelling(code_in(mailoutbox[0]))})
    assert (answer.status_code, answer["Location"]) == (302, "/profile/")
    assert is_in(browser)
    with tenant_scope(INSTALLATION_ID):
        event = AuditEvent.objects.get(event="user.signed_in")
    assert event.data["method"] == "magic_link"


def test_the_code_is_of_no_use_in_another_browser(cast: Cast, delivering: Delivering, mailoutbox: list):
    asked(delivering, cast.owner.email)
    thief = asked(delivering, "nobody@nowhere.example")
    assert thief.post(SENT, {"code": code_in(mailoutbox[0])}).status_code == 422
    assert not is_in(thief)
    assert Client().post(SENT, {"code": code_in(mailoutbox[0])})["Location"] == "/login/"


def test_looking_at_the_link_signs_nobody_in_and_its_button_does_in_any_browser(
    cast: Cast, delivering: Delivering, mailoutbox: list
):
    asked(delivering, cast.owner.email, "/profile/")
    scanner, person = Client(), Client()
    for _ in range(3):
        page = scanner.get(link_in(mailoutbox[0]))
        assert page.status_code == 200
        assert cast.owner.email in page.content.decode()
    assert not is_in(scanner)
    assert page["Referrer-Policy"] == "strict-origin"
    assert page["Cache-Control"] == "no-store"
    assert person.post(link_in(mailoutbox[0]))["Location"] == "/profile/"
    assert is_in(person)


def test_link_and_code_work_once_between_them(cast: Cast, delivering: Delivering, mailoutbox: list):
    browser = asked(delivering, cast.owner.email)
    other = Client()
    assert other.post(link_in(mailoutbox[0])).status_code == 302
    assert browser.post(SENT, {"code": code_in(mailoutbox[0])}).status_code == 422
    assert not is_in(browser)
    again = Client()
    assert again.get(link_in(mailoutbox[0])).status_code == 404
    assert again.post(link_in(mailoutbox[0])).status_code == 404
    assert not is_in(again)


def test_both_end_after_a_quarter_of_an_hour(cast: Cast, delivering: Delivering, mailoutbox: list):
    browser = asked(delivering, cast.owner.email)
    client = cache._cache.get_client()
    lives = [client.ttl(key) for key in client.keys("*mailed-*")]
    assert len(lives) == 2
    assert all(890 <= seconds <= 900 for seconds in lives)
    cache.clear()
    assert browser.post(SENT, {"code": code_in(mailoutbox[0])}).status_code == 422
    assert Client().post(link_in(mailoutbox[0])).status_code == 404
    assert not is_in(browser)


def test_nothing_of_link_and_code_is_kept_in_clear(cast: Cast, delivering: Delivering, mailoutbox: list):
    browser = asked(delivering, cast.owner.email)
    code, token = code_in(mailoutbox[0]), link_in(mailoutbox[0]).split("/")[-2]
    client = cache._cache.get_client()
    kept = b"".join(key + (client.get(key) or b"") for key in client.keys("*") if client.type(key) == b"string")
    kept += str(dict(browser.session)).encode()
    assert b"mailed-sign-in" in kept
    for secret in (code, code.replace("-", ""), token, cast.owner.password):
        assert secret.encode() not in kept


def test_after_five_wrong_codes_the_right_one_is_no_use(cast: Cast, delivering: Delivering, mailoutbox: list):
    browser = asked(delivering, cast.owner.email)
    with time_machine.travel(timezone.now(), tick=False) as now:
        for _ in range(5):
            assert browser.post(SENT, {"code": "BCDF-GHJK"}).status_code in (422, 429)
            now.shift(120)
        browser.post(SENT, {"code": "BCDF-GHJK"})
        now.shift(120)
        browser.post(SENT, {"code": code_in(mailoutbox[0])})
    assert not is_in(browser)


def test_nobody_is_mailed_where_nobody_signs_in_and_the_answers_are_the_same(
    cast: Cast, delivering: Delivering, mailoutbox: list
):
    disable_user(actor=cast.staff_principal(), user=cast.viewer, reason="test")
    pages = set()
    for email in (cast.owner.email, cast.viewer.email, "nobody@acme.example"):
        browser = asked(delivering, email)
        for answer in (browser.get(SENT), browser.post(SENT, {"code": "BCDF-GHJK"})):
            pages.add((answer.status_code, without_what_varies(answer.content.decode().replace(email, "ADDRESS"))))
    assert len(pages) == 2
    assert [mail.to for mail in mailoutbox] == [[cast.owner.email]]


def test_an_address_that_nobody_confirmed_is_asked_to_be_confirmed_first(
    cast: Cast, delivering: Delivering, mailoutbox: list
):
    EmailAddress.objects.filter(user=cast.owner).update(verified=False)
    asked(delivering, cast.owner.email)
    (mail,) = mailoutbox
    assert "/confirm-email/" in mail.body
    assert "/login/link/" not in mail.body


@pytest.mark.parametrize("change", ["disabled", "password", "address"])
def test_a_mail_from_before_a_change_opens_nothing_after_it(
    cast: Cast, delivering: Delivering, mailoutbox: list, change: str
):
    browser = asked(delivering, cast.owner.email)
    if change == "disabled":
        disable_user(actor=cast.staff_principal(), user=cast.owner, reason="left")
    elif change == "password":
        reset_password(actor=cast.staff_principal(), user=cast.owner)
    else:
        EmailAddress.objects.filter(user=cast.owner).update(email="other@acme.example")
    assert browser.post(SENT, {"code": code_in(mailoutbox[0])}).status_code == 422
    assert not is_in(browser)


def test_whoever_is_signed_in_is_signed_out_by_somebody_elses_link(
    cast: Cast, browse: Any, delivering: Delivering, mailoutbox: list
):
    asked(delivering, cast.owner.email)
    browser = browse(cast.outsider)
    browser.post(link_in(mailoutbox[0]))
    assert cast.owner.email in browser.get("/profile/").content.decode()


def test_mails_to_one_address_are_limited_whoever_has_it(cast: Cast, clock: time_machine.Traveller):
    answers = {}
    for email in (cast.owner.email, "nobody@acme.example"):
        browser = Client(REMOTE_ADDR=f"192.0.2.{len(answers) + 1}")
        answers[email] = [browser.post("/login/mail/", {"login": email}).status_code for _ in range(20)]
    first, second = answers.values()
    assert first == second
    assert 429 in first


def test_the_link_is_in_no_log(cast: Cast, delivering: Delivering, mailoutbox: list, caplog: pytest.LogCaptureFixture):
    browser = asked(delivering, cast.owner.email)
    Client().get(link_in(mailoutbox[0]))
    browser.post(SENT, {"code": code_in(mailoutbox[0])})
    for secret in (link_in(mailoutbox[0]), code_in(mailoutbox[0])):
        assert secret not in caplog.text


def test_no_row_of_the_database_holds_them(cast: Cast, delivering: Delivering, mailoutbox: list):
    asked(delivering, cast.owner.email)
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(session_data, '') FROM orgs_browser_session")
        (data,) = cursor.fetchone()
    assert data, "no session was looked at"
    assert code_in(mailoutbox[0]) not in data
