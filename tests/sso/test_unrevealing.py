"""No door tells whether an account exists: same status, same bytes, the same work of hashing and asking, same time.

Who is there: an owner, a disabled person (with the right password), a pilot of enforced single sign-on (with the right
password), and nobody. Hashing is Argon2; where time is taken, at its full cost.
"""

import re
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import EmailDomain, Membership, PilotMember, SignInPolicy, User
from orgs.services.users import disable_user
from tests.cast import PASSWORD, Cast
from tests.conftest import JSONClient
from tests.texts import without_what_varies


class LightHasher(Argon2PasswordHasher):
    """Argon2 with little to do, where nobody looks at the clock."""

    time_cost = 1
    memory_cost = 64
    parallelism = 1


class CountingHasher(LightHasher):
    """Counts how often it worked."""

    hashed = 0

    def encode(self, *arguments: Any, **named: Any) -> str:
        CountingHasher.hashed += 1
        return super().encode(*arguments, **named)

    def verify(self, *arguments: Any, **named: Any) -> bool:
        CountingHasher.hashed += 1
        return super().verify(*arguments, **named)


NOBODY = "nobody@acme.example"
ROUNDS = 5
VARYING = ("X-Request-Id", "Content-Length", "Expires", "Last-Modified")


@pytest.fixture
def people(cast: Cast, settings: Any) -> dict[str, str]:
    """Addresses of one domain, by who has them."""
    settings.PASSWORD_HASHERS = [f"{__name__}.LightHasher"]
    return make_people(cast)


@pytest.fixture
def people_as_in_life(cast: Cast, settings: Any) -> dict[str, str]:
    """The same, hashed at its full cost."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    return make_people(cast)


def make_people(cast: Cast) -> dict[str, str]:
    for user in (cast.owner, cast.admin, cast.viewer):
        user.set_password(PASSWORD)
        user.save()
    disable_user(actor=cast.staff_principal(), user=cast.viewer, reason="left")
    with tenant_scope(cast.acme.id):
        EmailDomain.objects.create(domain="acme.example", status="proven", token="t")
        SignInPolicy.objects.update_or_create(defaults={"enforcement": "pilot"})
        PilotMember.objects.create(membership=Membership.objects.get(user=cast.admin))
    return {"owner": cast.owner.email, "pilot": cast.admin.email, "disabled": cast.viewer.email, "nobody": NOBODY}


def program(path: str, body: dict[str, str]) -> Any:
    return JSONClient().post(f"/api/v1/{path}", body)


# Each door with an address of which it does not know the secret; a disabled person's and a pilot's are right.
DOORS: dict[str, Callable[[str], Any]] = {
    "the first step": lambda email: Client().post("/login/", {"login": email}),
    "a password": lambda email: Client().post("/login/", {"login": email, "password": secret_of(email)}),
    "a password reset": lambda email: Client().post("/password/reset/", {"email": email}),
    "a mail to sign in by": lambda email: Client().post("/login/mail/", {"login": email}),
    "signing up": lambda email: Client().post("/signup/", {"name": "N", "email": email, "password1": PASSWORD}),
    "a program's password": lambda email: program("auth/login", {"email": email, "password": secret_of(email)}),
}


def secret_of(email: str) -> str:
    return "wrong" if email.startswith("olivia") else PASSWORD


def seen(answer: Any, email: str) -> tuple[Any, ...]:
    """All of an answer that somebody at the door sees."""
    text = without_what_varies(answer.content.decode().replace(email, "ADDRESS"))
    headers = {name: value for name, value in answer.headers.items() if name not in VARYING}
    headers["Content-Security-Policy"] = re.sub(r"nonce-[^']+", "nonce", headers.get("Content-Security-Policy", ""))
    cookies = {
        name: (morsel["max-age"], morsel["path"], morsel["httponly"], len(morsel.value) > 0)
        for name, morsel in answer.cookies.items()
    }
    return answer.status_code, text, tuple(sorted(headers.items())), tuple(sorted(cookies.items()))


@pytest.mark.parametrize("door", DOORS)
def test_status_bytes_headers_and_cookies_are_the_same(people: dict[str, str], door: str):
    answers = set()
    for email in people.values():
        cache.clear()
        answers.add(seen(DOORS[door](email), email))
    assert len(answers) == 1, answers


@pytest.mark.parametrize("door", DOORS)
def test_as_many_passwords_are_hashed(people: dict[str, str], settings: Any, door: str):
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    counts = {}
    for name, email in people.items():
        cache.clear()
        CountingHasher.hashed = 0
        DOORS[door](email)
        counts[name] = CountingHasher.hashed
    expected = 1 if door in ("a password", "signing up", "a program's password") else 0
    assert counts == dict.fromkeys(people, expected)


@pytest.mark.parametrize("door", ["the first step", "a password reset", "a mail to sign in by"])
def test_where_nothing_is_compared_nobody_is_looked_up(people: dict[str, str], door: str):
    asked = set()
    for email in people.values():
        cache.clear()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            DOORS[door](email)
        texts = tuple(query["sql"] for query in queries.captured_queries)
        assert not any("orgs_user" in text or "account_emailaddress" in text for text in texts), texts
        asked.add(len(texts))
    assert len(asked) == 1


def test_a_sign_in_of_the_same_secret_differs_by_a_few_milliseconds_at_most(people_as_in_life: dict[str, str]):
    """The median of interleaved tries, so that a busy machine hits all alike; a hash takes tens of milliseconds."""
    for door in ("a password", "a program's password", "signing up"):
        times: dict[str, list[float]] = {name: [] for name in people_as_in_life}
        for number in range(ROUNDS):
            for name, email in people_as_in_life.items():
                cache.clear()
                began = time.process_time()
                DOORS[door](f"nobody{number}@acme.example" if name == "nobody" else email)
                times[name].append(time.process_time() - began)
        medians = {name: statistics.median(taken) for name, taken in times.items()}
        hashing = time.process_time()
        User().set_password(PASSWORD)
        hashing = time.process_time() - hashing
        assert max(medians.values()) - min(medians.values()) < hashing * 0.75, (door, medians, hashing)
