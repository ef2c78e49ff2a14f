"""TENANTRY_AUTHORIZED_DOMAINS: people of other domains neither sign up nor in, by any method."""

import re
from typing import Any

import pytest
from django.test import Client

from config.kernel.sign_in import Method
from keys.services.sessions import open_session
from orgs.models import User
from orgs.sign_in import MethodRefused, is_authorized, validate_auth_method
from sso.services.social_sign_ins import person_of
from sso.social import Identity
from tests.cast import PASSWORD, Cast
from tests.conftest import JSONClient
from tests.texts import without_what_varies


@pytest.fixture(autouse=True)
def _only_acme(settings: Any) -> None:
    settings.TENANTRY_AUTHORIZED_DOMAINS = ["acme.example"]


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("a@acme.example", True),
        ("a@ACME.Example", True),
        ("a@sub.acme.example", False),
        ("a@notacme.example", False),
        ("a@acme.example.evil.example", False),
        ("a@example", False),
        ("a@acme.example@evil.example", False),
        ("a@аcme.example", False),  # noqa: RUF001 - a Cyrillic letter, on purpose
    ],
)
def test_exactly_the_named_domains_count_in_any_case(email: str, *, expected: bool):
    assert is_authorized(email) is expected


@pytest.mark.parametrize("method", list(Method))
def test_every_method_is_refused_to_others(cast: Cast, method: Method):
    validate_auth_method(method=method, user=cast.owner, email=cast.owner.email)
    for who in (
        {"user": cast.outsider},
        {"email": "nobody@globex.example"},
        {"user": cast.owner, "email": "o@x.example"},
    ):
        with pytest.raises(MethodRefused):
            validate_auth_method(method=method, **who)


def test_a_right_password_of_another_domain_is_answered_like_a_wrong_one(cast: Cast):
    pages = set()
    for password in (PASSWORD, "wrong"):
        browser = Client()
        answer = browser.post("/login/", {"login": cast.outsider.email, "password": password})
        pages.add((answer.status_code, without_what_varies(answer.content.decode())))
        assert browser.get("/profile/").status_code == 302
    assert len(pages) == 1
    assert Client().post("/login/", {"login": cast.owner.email, "password": PASSWORD}).status_code == 302


def test_programs_are_refused_too_and_their_sessions_end_with_the_next_refresh(cast: Cast, settings: Any):
    body = {"email": cast.outsider.email, "password": PASSWORD}
    assert JSONClient().post("/api/v1/auth/login", body).status_code == 401
    settings.TENANTRY_AUTHORIZED_DOMAINS = []
    issued = open_session(user=cast.outsider, method=Method.PASSWORD)
    settings.TENANTRY_AUTHORIZED_DOMAINS = ["acme.example"]
    assert JSONClient().post("/api/v1/auth/refresh", {"refresh_token": issued.refresh_token}).status_code == 401


def test_nobody_of_another_domain_is_mailed_anything(cast: Cast, mailoutbox: list, delivering: Any):
    with delivering():
        assert Client().post("/login/mail/", {"login": cast.outsider.email}).status_code == 302
        assert Client().post("/password/reset/", {"email": cast.outsider.email}).status_code == 302
    assert mailoutbox == []


def test_nobody_of_another_domain_signs_up(cast: Cast):
    form = {"name": "N", "email": "n@new.example", "password1": PASSWORD}
    answer = Client().post("/signup/", form)
    assert answer.status_code == 200
    assert re.search("Nobody signs up here with an address of this domain", answer.content.decode())
    assert not User.objects.filter(email="n@new.example").exists()
    with pytest.raises(MethodRefused):
        person_of(Identity("google", "1", "n@new.example", "N"))
    assert not User.objects.filter(email="n@new.example").exists()
    assert Client().post("/signup/", {**form, "email": "n@acme.example"}).status_code == 302
    assert User.objects.filter(email="n@acme.example").exists()


def test_the_sign_in_page_says_so_by_the_domain_alone(cast: Cast):
    pages = set()
    for email in (cast.outsider.email, "nobody@globex.example"):
        browser = Client()
        browser.post("/login/", {"login": email})
        pages.add(without_what_varies(browser.get("/login/ways/").content.decode().replace(email, "ADDRESS")))
    assert len(pages) == 1
    assert 'name="password"' not in pages.pop()
