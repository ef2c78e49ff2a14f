"""Signing up and in with e-mail and password, through allauth's pages and our adapter."""

import re
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs.models import User
from orgs.services.users import disable_user, reset_password
from tests.cast import PASSWORD, Cast
from tests.texts import without_what_varies


def sign_in(email: str, password: str) -> tuple[Client, Any]:
    client = Client()
    return client, client.post("/login/", {"login": email, "password": password})


def installation_events(name: str) -> int:
    with tenant_scope(INSTALLATION_ID):
        return AuditEvent.objects.filter(event=name).count()


def test_a_stranger_signs_up_proves_the_address_and_is_in(db: None, mailoutbox: list, delivering: Any):
    before = installation_events("user.created")
    client = Client()
    with delivering():
        answer = client.post("/signup/", {"name": "Nora", "email": "Nora@New.example", "password1": PASSWORD})
    assert answer.status_code == 302
    user = User.objects.get(email="nora@new.example")
    assert user.name == "Nora"
    assert sign_in("nora@new.example", PASSWORD)[1].status_code == 302
    assert client.get("/profile/").status_code == 302, "in before the address was proven"
    link = re.search(r"http://\S+/confirm-email/\S+", mailoutbox[0].body)
    assert link
    path = link[0].removeprefix("http://testserver").removeprefix("http://127.0.0.1:8000")
    assert client.get(path).status_code == 200
    assert client.post(path).status_code == 302
    assert client.get("/profile/").status_code == 200
    assert installation_events("user.created") == before + 1
    assert installation_events("user.signed_in") == 1


def test_a_known_address_looks_to_others_as_if_it_were_new(cast: Cast, mailoutbox: list, delivering: Any):
    with delivering():
        known = Client().post("/signup/", {"name": "X", "email": cast.owner.email, "password1": PASSWORD})
        fresh = Client().post("/signup/", {"name": "X", "email": "fresh@new.example", "password1": PASSWORD})
    assert (known.status_code, known["Location"]) == (fresh.status_code, fresh["Location"])
    assert User.objects.filter(email=cast.owner.email).count() == 1
    assert {mail.to[0] for mail in mailoutbox} == {cast.owner.email, "fresh@new.example"}


@pytest.mark.parametrize("password", ["short", "password1234", "123456789012345", "x" * 5000])
def test_weak_passwords_are_refused(empty_installation: None, password: str):
    answer = Client().post("/signup/", {"name": "N", "email": "n@new.example", "password1": password})
    if len(password) < 100:
        assert answer.status_code == 200
        assert not User.objects.exists()


def test_a_wrong_password_an_unknown_address_and_a_disabled_person_get_the_same_page(cast: Cast):
    disable_user(actor=cast.staff_principal(), user=cast.viewer, reason="test")
    pages = []
    for email, password in ((cast.owner.email, "wrong"), ("nobody@x.example", PASSWORD), (cast.viewer.email, PASSWORD)):
        client, answer = sign_in(email, password)
        assert client.get("/profile/").status_code == 302
        text = answer.content.decode().replace(email, "ADDRESS")
        pages.append((answer.status_code, without_what_varies(text)))
    assert pages[0] == pages[1]
    assert installation_events("user.sign_in_failed") >= 2


def test_signing_in_ignores_case_and_is_recorded(cast: Cast):
    client, answer = sign_in(cast.owner.email.upper(), PASSWORD)
    assert answer.status_code == 302
    assert client.get("/profile/").status_code == 200
    assert installation_events("user.signed_in") == 1


def test_guessing_is_slowed_down_whether_the_account_exists_or_not(cast: Cast):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        pages = []
        for email in (cast.owner.email, "nobody@x.example"):
            for number in range(6):
                sign_in(email, f"guess {number}")
            client, answer = sign_in(email, PASSWORD)
            assert client.get("/profile/").status_code == 302, "the right password must wait as well"
            text = answer.content.decode().replace(email, "ADDRESS")
            assert "wait 1 seconds and try again" in text
            pages.append((answer.status_code, without_what_varies(text)))
        assert pages[0] == pages[1]
        clock.shift(1)
        assert sign_in(cast.owner.email, PASSWORD)[0].get("/profile/").status_code == 200


def test_guesses_from_elsewhere_do_not_keep_the_owner_from_a_browser_that_they_use(cast: Cast):
    browser, _ = sign_in(cast.owner.email, PASSWORD)
    browser.post("/logout/")
    with time_machine.travel(timezone.now(), tick=False):
        for number in range(25):
            Client().post(
                "/login/", {"login": cast.owner.email, "password": "guess"}, REMOTE_ADDR=f"198.51.100.{number}"
            )
        stranger = Client()
        form = {"login": cast.owner.email, "password": PASSWORD}
        stranger.post("/login/", form, REMOTE_ADDR="203.0.113.9")
        assert stranger.get("/profile/").status_code == 302
        browser.post("/login/", form, REMOTE_ADDR="203.0.113.9")
        assert browser.get("/profile/").status_code == 200


def test_asking_for_reset_mails_is_slowed_down_for_every_address_alike(cast: Cast):
    with time_machine.travel(timezone.now(), tick=False):
        for email in (cast.owner.email, "nobody@x.example"):
            answers = [Client().post("/password/reset/", {"email": email}) for _ in range(7)]
            assert [answer.status_code for answer in answers] == [302] * 6 + [429]
            assert "Too many mails were asked for" in answers[-1].content.decode()


def test_disabling_a_person_ends_their_session_on_the_next_request(cast: Cast):
    client, _ = sign_in(cast.admin.email, PASSWORD)
    assert client.get("/profile/").status_code == 200
    disable_user(actor=cast.staff_principal(), user=cast.admin, reason="left")
    assert client.get("/profile/").status_code == 302


def test_a_temporary_password_opens_nothing_but_its_own_change(cast: Cast):
    old_session, _ = sign_in(cast.admin.email, PASSWORD)
    temporary = reset_password(actor=SYSTEM, user=cast.admin)
    assert old_session.get("/profile/").status_code == 302, "a session from before the reset lived on"
    client, _ = sign_in(cast.admin.email, temporary)
    for path in ("/", "/profile/", "/orgs/acme/", "/orgs/acme/members/"):
        answer = client.get(path)
        assert (answer.status_code, answer["Location"]) == (302, "/password/change/")
    chosen = "a new phrase of my own 42"
    client.post("/password/change/", {"oldpassword": temporary, "password1": chosen, "password2": chosen})
    assert client.get("/profile/").status_code == 200
    assert sign_in(cast.admin.email, temporary)[0].get("/profile/").status_code == 302


def test_next_never_leads_elsewhere(cast: Cast):
    client = Client()
    answer = client.post("/login/?next=https://evil.example/", {"login": cast.owner.email, "password": PASSWORD})
    assert answer["Location"] == "/"


def test_signing_up_can_be_switched_off(empty_installation: None, settings: Any):
    settings.TENANTRY_SIGN_UP = False
    Client().post("/signup/", {"name": "N", "email": "n@new.example", "password1": PASSWORD})
    assert not User.objects.exists()
