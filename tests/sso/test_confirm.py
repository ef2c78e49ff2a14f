"""Confirming once more that it is oneself: who is led there, what counts, and where it goes on."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.sign_in import Method, SecondFactor
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys.models import PersonalToken
from orgs.models import BrowserSession, EmailDomain, SignInPolicy, User
from orgs.services import browser_sessions
from orgs.services.second_factor import new_device
from orgs.services.users import disable_user
from orgs.tasks import mail_confirmation_code
from tests.authenticators import PasskeyDevice, code_of
from tests.browsers import signed_in
from tests.cast import PASSWORD, Cast

TOKENS = "/profile/tokens/new/"


@pytest.fixture
def later() -> Iterator[time_machine.Traveller]:
    """Sixteen minutes on, with the clock standing."""
    with time_machine.travel(timezone.now() + timedelta(minutes=16), tick=False) as clock:
        yield clock


def in_the_past(who: User, **facts: Any) -> Client:
    """Their browser, signed in longer ago than a proof is fresh."""
    with time_machine.travel(timezone.now() - timedelta(minutes=16), tick=False):
        return signed_in(Client(), who, **facts)


def led_to_confirm(answer: Any) -> str:
    """The address of the page that asks, with where it goes on."""
    assert answer.status_code == 302, answer.content
    assert answer["Location"].startswith("/confirm/?")
    return answer["Location"]


def proven(browser: Client) -> bool:
    sign_in = browser_sessions.sign_in_of(browser.session)
    return sign_in is not None and sign_in.is_recent(timezone.now())


def confirm(browser: Client, how: str, page: str = f"/confirm/?next={TOKENS}", **fields: str) -> Any:
    return browser.post(page, {"how": how, **fields})


def text_of(answer: Any) -> str:
    return answer.content.decode()


def events(name: str) -> list[dict[str, Any]]:
    with tenant_scope(INSTALLATION_ID):
        return [row.data for row in AuditEvent.objects.filter(event=name)]


# -- being led there, and back ---------------------------------------------------------------------------------------
def test_a_page_that_needs_a_fresh_proof_opens_after_the_password(cast: Cast):
    browser = in_the_past(cast.owner)
    page = led_to_confirm(browser.get(TOKENS))
    assert parse_qs(urlsplit(page).query) == {"next": [TOKENS]}
    assert "Confirm that it is you" in text_of(browser.get(page))
    answer = confirm(browser, "password", page, password=PASSWORD)
    assert (answer.status_code, answer["Location"]) == (302, TOKENS)
    assert browser.get(TOKENS).status_code == 200
    assert events("user.confirmed") == [{"method": "password"}]


def test_within_fifteen_minutes_nobody_is_asked(cast: Cast):
    browser = signed_in(Client(), cast.owner)
    with time_machine.travel(timezone.now() + timedelta(minutes=14)):
        assert browser.get(TOKENS).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        led_to_confirm(browser.get(TOKENS))


def test_a_form_that_was_open_too_long_leads_back_to_its_page_and_does_nothing(cast: Cast):
    browser = in_the_past(cast.owner)
    answer = browser.post(TOKENS, {"name": "Mine"}, headers={"referer": f"http://testserver{TOKENS}?from=here"})
    assert parse_qs(urlsplit(led_to_confirm(answer)).query) == {"next": [f"{TOKENS}?from=here"]}
    assert not PersonalToken.objects.filter(user=cast.owner).exists()


@pytest.mark.parametrize("referer", [{}, {"Referer": "http://["}])
def test_a_form_from_nowhere_leads_home(cast: Cast, referer: dict[str, str]):
    answer = in_the_past(cast.owner).post(TOKENS, {"name": "Mine"}, headers=referer)
    assert parse_qs(urlsplit(led_to_confirm(answer)).query) == {"next": ["/"]}


def test_htmx_is_told_to_open_the_page(cast: Cast):
    answer = in_the_past(cast.owner).post(
        TOKENS,
        {"name": "Mine"},
        headers={"HX-Request": "true", "HX-Current-URL": f"http://testserver{TOKENS}"},
    )
    assert answer["HX-Redirect"] == "/confirm/?next=%2Fprofile%2Ftokens%2Fnew%2F"
    assert not answer.content
    assert not PersonalToken.objects.filter(user=cast.owner).exists()


ELSEWHERE = ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "a-name"]


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_next_never_leads_elsewhere(cast: Cast, elsewhere: str):
    browser = in_the_past(cast.owner)
    answer = browser.post(f"/confirm/?next={elsewhere}", {"how": "password", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_a_token_is_no_person_who_could_be_asked(cast: Cast, api: Any):
    program = api(cast.owner)
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert program.delete("/api/v1/orgs/acme", {"confirm": "globex"}).status_code == 400


def test_who_may_not_anyway_is_not_asked_first(cast: Cast):
    answer = in_the_past(cast.viewer).get("/orgs/acme/settings/delete/")
    assert answer.status_code == 403
    assert "delete_org" in text_of(answer)


def test_strangers_are_led_to_sign_in(cast: Cast):
    assert Client().get("/confirm/")["Location"].startswith("/login/?next=")
    assert Client().post("/confirm/", {"how": "password", "password": PASSWORD}).status_code == 302


def test_allauths_own_page_of_it_leads_to_ours(cast: Cast):
    answer = in_the_past(cast.owner).get("/reauthenticate/?next=/profile/")
    assert answer["Location"] == "/confirm/?next=%2Fprofile%2F"


# -- what counts -----------------------------------------------------------------------------------------------------
def test_a_wrong_password_proves_nothing(cast: Cast):
    browser = in_the_past(cast.owner)
    answer = confirm(browser, "password", password="wrong")
    assert answer.status_code == 422
    assert "This is not your password" in text_of(answer)
    assert "wrong" not in text_of(answer).replace("wrong too often", "")
    assert not proven(browser)
    led_to_confirm(browser.get(TOKENS))
    assert events("user.confirmation_failed") == [{"method": "password"}]


def test_a_code_of_the_authenticator_counts_once_and_is_kept_as_second_factor(cast: Cast):
    device = new_device(user=cast.owner, confirmed=True)
    browser, other = in_the_past(cast.owner), in_the_past(cast.owner)
    code = code_of(device)
    answer = confirm(browser, "factor", code=code)
    assert (answer.status_code, answer["Location"]) == (302, TOKENS)
    sign_in = browser_sessions.sign_in_of(browser.session)
    assert sign_in is not None
    assert sign_in.second_factor == SecondFactor.TOTP
    assert confirm(other, "factor", code=code).status_code in (422, 429)
    assert not proven(other)


def test_a_passkey_counts_and_somebody_elses_does_not(cast: Cast):
    devices = []
    for who in (cast.owner, cast.admin):
        device, browser = PasskeyDevice(), signed_in(Client(), who)
        answer = device.create(browser.post("/profile/security/passkeys/challenge/").json())
        form = {"name": "Laptop", "credential": json.dumps(answer)}
        assert browser.post("/profile/security/passkeys/add/", form).status_code == 200
        devices.append(device)
    browser = in_the_past(cast.owner)
    assert "Confirm with a passkey" in text_of(browser.get(f"/confirm/?next={TOKENS}"))
    for device, status in zip(reversed(devices), (422, 302), strict=True):
        options = browser.post("/login/second-factor/challenge/").json()
        options["publicKey"]["allowCredentials"] = []
        answer = confirm(browser, "factor", credential=json.dumps(device.get(options)))
        assert answer.status_code == status, answer.content
        assert proven(browser) == (status == 302)
    assert browser.get(TOKENS).status_code == 200


def test_who_has_no_second_factor_cannot_confirm_by_one(cast: Cast):
    browser = in_the_past(cast.owner)
    new_device(user=cast.admin, confirmed=True)
    assert confirm(browser, "factor", code="123456").status_code == 400
    assert not proven(browser)


@pytest.mark.parametrize("how", ["", "nothing", "sso", "mailed_code", "send"])
def test_ways_that_a_person_does_not_have_are_refused(cast: Cast, how: str, mailoutbox: list):
    browser = in_the_past(cast.owner)
    assert confirm(browser, how, mailed_code="12345678").status_code == 400
    assert not proven(browser)
    assert not mailoutbox


# -- a code by mail --------------------------------------------------------------------------------------------------
@pytest.fixture
def magician(cast: Cast) -> User:
    """Victor, who has no password and no factor."""
    cast.viewer.set_unusable_password()
    cast.viewer.save()
    return cast.viewer


def mailed(browser: Client, who: User, mailoutbox: list) -> str:
    """The code that the worker mails for this browser's session."""
    session_id = browser_sessions.id_of(browser.session)
    assert mail_confirmation_code(str(who.id), str(session_id)) == "sent"
    assert mailoutbox[-1].to == [who.email]
    found = re.search(r"^(\d{8})$", mailoutbox[-1].body, re.MULTILINE)
    assert found
    assert found[1] in mailoutbox[-1].alternatives[0][0]
    return found[1]


def test_who_has_neither_password_nor_factor_gets_a_code_by_mail(magician: User, mailoutbox: list):
    browser = in_the_past(magician, method=Method.MAGIC_LINK)
    page = led_to_confirm(browser.get(TOKENS))
    asked = text_of(browser.get(page))
    assert "Mail me a code" in asked
    assert "password" not in asked.split("<main")[1].split("</main>")[0]
    sent = browser.post(page, {"how": "send"})
    assert sent["Location"] == page
    code = mailed(browser, magician, mailoutbox)
    assert code not in str(BrowserSession.objects.values_list("session_data", flat=True))
    answer = confirm(browser, "mailed_code", page, mailed_code=f" {code[:4]} {code[4:]} ")
    assert (answer.status_code, answer["Location"]) == (302, TOKENS)
    assert browser.get(TOKENS).status_code == 200


def test_a_mailed_code_counts_once_in_its_own_session_until_the_next_one(magician: User, mailoutbox: list):
    browser, other = (in_the_past(magician, method=Method.MAGIC_LINK) for _ in range(2))
    code = mailed(browser, magician, mailoutbox)
    assert confirm(other, "mailed_code", mailed_code=code).status_code == 422
    assert not proven(other)
    newer = mailed(browser, magician, mailoutbox)
    if newer != code:
        assert confirm(browser, "mailed_code", mailed_code=code).status_code == 422
    assert confirm(browser, "mailed_code", mailed_code=newer).status_code == 302
    again = in_the_past(magician, method=Method.MAGIC_LINK)
    assert confirm(again, "mailed_code", mailed_code=newer).status_code == 422
    assert confirm(browser, "mailed_code", mailed_code=newer).status_code == 422


def test_no_code_is_mailed_for_a_session_that_is_over(magician: User, mailoutbox: list):
    browser = in_the_past(magician, method=Method.MAGIC_LINK)
    session_id = browser_sessions.id_of(browser.session)
    browser_sessions.end_all(user_id=magician.id)
    assert mail_confirmation_code(str(magician.id), str(session_id)) == "gone"
    assert not mailoutbox


def test_guessing_mailed_codes_is_slowed_down(magician: User, mailoutbox: list):
    browser = in_the_past(magician, method=Method.MAGIC_LINK)
    code = mailed(browser, magician, mailoutbox)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        wrong = "00000000" if code != "00000000" else "11111111"
        statuses = [confirm(browser, "mailed_code", mailed_code=wrong).status_code for _ in range(8)]
        assert statuses == [422] * 6 + [429] * 2
        waiting = confirm(browser, "mailed_code", mailed_code=code)
        assert waiting.status_code == 429
        assert "wait 1 seconds" in text_of(waiting)
        assert not proven(browser)
        clock.shift(2)
        assert confirm(browser, "mailed_code", mailed_code=code).status_code == 302


# -- single sign-on --------------------------------------------------------------------------------------------------
def test_who_came_by_single_sign_on_goes_there_again(cast: Cast):
    connection_id = new_id()
    browser = in_the_past(cast.owner, method=Method.SSO, organization_id=cast.acme.id, connection_id=connection_id)
    asked = text_of(browser.get(f"/confirm/?next={TOKENS}"))
    assert "/start?next=%2Fprofile%2Ftokens%2Fnew%2F&amp;prompt=login" in asked
    assert "/sso/con_" in asked


def test_where_single_sign_on_is_enforced_a_password_proves_nothing(cast: Cast):
    with tenant_scope(cast.acme.id):
        EmailDomain.objects.create(domain="acme.example", token="t", status="proven", proven_at=timezone.now())
        SignInPolicy.objects.create(
            enforcement="required",
            required_from=timezone.now() - timedelta(days=1),
            confirmed_at=timezone.now() - timedelta(days=1),
        )
    browser = in_the_past(cast.owner, method=Method.SSO, organization_id=cast.acme.id, connection_id=new_id())
    asked = text_of(browser.get(f"/confirm/?next={TOKENS}"))
    assert 'name="password"' not in asked
    assert confirm(browser, "password", password=PASSWORD).status_code == 400
    assert not proven(browser)


# -- guessing --------------------------------------------------------------------------------------------------------
def test_guessing_the_password_is_slowed_down_together_with_the_sign_in(cast: Cast):
    browser = in_the_past(cast.owner)
    with time_machine.travel(timezone.now(), tick=False):
        statuses = [confirm(browser, "password", password=f"guess {number}").status_code for number in range(7)]
        assert statuses == [422] * 6 + [429]
        assert confirm(browser, "password", password=PASSWORD).status_code == 429, "the right one must wait as well"
        assert not proven(browser)
        program = Client().post(
            "/api/v1/auth/login", {"email": cast.owner.email, "password": PASSWORD}, content_type="application/json"
        )
        assert program.status_code == 429


def test_a_disabled_person_confirms_nothing(cast: Cast):
    browser = in_the_past(cast.viewer)
    disable_user(actor=cast.staff_principal(), user=cast.viewer, reason="left")
    assert confirm(browser, "password", password=PASSWORD)["Location"].startswith("/login/")
