"""The first start, through both doors: who may, once, and what everybody else is told."""

import io
import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client, override_settings

from audit.models import AuditEvent
from config.kernel.errors import AuthFailure
from config.kernel.principals import ANONYMOUS, SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys.services.bootstrap import bootstrap
from orgs.models import Membership, Organization, User
from orgs.services.users import create_user
from tests.cast import PASSWORD, Cast
from tests.conftest import JSONClient

TOKEN = "t" * 40
PATH = "/api/v1/auth/bootstrap"
REFUSED = {"type": "about:blank", "title": "auth failure", "status": 401}
BODY: dict[str, Any] = {
    "email": "First@acme.example",
    "password": PASSWORD,
    "name": "First",
    "organization": {"name": "Acme", "slug": "acme"},
}

Door = Callable[[str], str | None]


def mode(name: str, token: str = "") -> Any:
    return override_settings(TENANTRY_BOOTSTRAP_MODE=name, TENANTRY_BOOTSTRAP_TOKEN=token)


def available() -> bool:
    answer = Client().get("/api/v1/auth/bootstrap-status")
    assert answer.status_code == 200
    return answer.json()["bootstrap_available"]


def refusals() -> int:
    with tenant_scope(INSTALLATION_ID):
        return AuditEvent.objects.filter(event="bootstrap.refused", result="refused").count()


def by_http(token: str) -> str | None:
    """The personal token, or None when refused."""
    answer = JSONClient().post(PATH, {**BODY, "token": token})
    if answer.status_code == 201:
        return answer.json()["token"]
    assert (answer.status_code, answer.json()) == (401, REFUSED)
    assert answer["Content-Type"] == "application/problem+json"
    return None


@pytest.fixture(params=["http", "command"])
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Door:
    """Both ways in, which do the same work."""

    def by_command(token: str) -> str | None:
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n{token or 'no token'}\n"))
        out, err = io.StringIO(), io.StringIO()
        arguments = ["First@acme.example", "acme", "--organization", "Acme", "--name", "First"]
        try:
            call_command("bootstrap", *arguments, stdout=out, stderr=err)
        except CommandError as error:
            if str(error).startswith("The first start was refused"):
                return None
            raise
        return out.getvalue().strip()

    return by_http if request.param == "http" else by_command


def assert_started(token: str | None, name: str) -> None:
    assert token
    user = User.objects.get()
    assert (user.email, user.name, user.is_staff) == ("first@acme.example", "First", True)
    assert user.check_password(PASSWORD)
    address = EmailAddress.objects.get()
    assert (address.email, address.verified, address.primary) == (user.email, True, True)
    organization = Organization.objects.get()
    with tenant_scope(organization.id):
        assert Membership.objects.get().role == "owner"
    whoami = JSONClient(token).get("/api/v1/whoami").json()
    assert whoami["id"] == user.public_id
    assert [row["slug"] for row in whoami["organizations"]] == ["acme"]
    with tenant_scope(INSTALLATION_ID):
        event = AuditEvent.objects.get(event="installation.bootstrapped")
    assert event.data == {"mode": name}


def assert_nothing_made() -> None:
    assert not User.objects.filter(email="first@acme.example").exists()
    assert not Organization.objects.filter(slug="acme", name="Acme", plan="free").exists()


def test_the_first_caller_wins_in_open_mode_and_the_second_is_refused(empty_installation: None, door: Door):
    with mode("open"):
        assert available()
        assert_started(door(""), "open")
        assert not available()
        assert door("") is None
    assert User.objects.count() == Organization.objects.count() == 1
    assert refusals() == 1


def test_open_mode_is_over_once_anybody_is_there(empty_installation: None, door: Door):
    create_user(actor=SYSTEM, email="somebody@acme.example", password=None)
    with mode("open"):
        assert not available()
        assert door("") is None
    assert_nothing_made()


def test_token_mode_takes_the_operators_token_only(empty_installation: None, door: Door):
    create_user(actor=SYSTEM, email="early@acme.example", password=None).delete()
    with mode("token", TOKEN):
        assert available()
        for wrong in ("", "t" * 39, "T" * 40, TOKEN + "x", "é" * 40):
            assert door(wrong) is None
        assert_nothing_made()
        assert refusals() == 5
        assert_started(door(TOKEN), "token")
        assert not available()
        assert door(TOKEN) is None
    assert User.objects.count() == 1


def test_token_mode_goes_with_people_but_not_with_staff(empty_installation: None, door: Door):
    create_user(actor=SYSTEM, email="somebody@acme.example", password=None)
    with mode("token", TOKEN):
        assert available()
        create_user(actor=SYSTEM, email="staff@acme.example", password=None, is_staff=True)
        assert not available()
        assert door(TOKEN) is None
    assert_nothing_made()


def test_off_is_off(empty_installation: None, door: Door):
    with mode("off", TOKEN):
        assert not available()
        assert door("") is None
        assert door(TOKEN) is None
    assert_nothing_made()
    assert refusals() == 2


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"password": "short"}, 400, "invalid"),
        ({"email": "nobody"}, 400, "invalid"),
        ({"email": "taken@acme.example"}, 409, "email_taken"),
        ({"organization": {"name": "A", "slug": "admin"}}, 400, "invalid"),
        ({"organization": {"name": "A", "slug": "A B"}}, 400, "invalid"),
        ({"organization": "acme"}, 400, "invalid"),
        ({"staff": True}, 400, "invalid"),
        ({"password": 123456789012}, 400, "invalid"),
    ],
)
def test_bad_input_is_told_to_whoever_may_and_changes_nothing(
    empty_installation: None, change: dict, status: int, code: str
):
    create_user(actor=SYSTEM, email="taken@acme.example", password=None)
    with mode("token", TOKEN):
        answer = JSONClient().post(PATH, {**BODY, "token": TOKEN, **change})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert available()
    assert User.objects.count() == 1
    assert not Organization.objects.exists()
    assert refusals() == 0


def test_input_is_not_judged_for_strangers(empty_installation: None):
    create_user(actor=SYSTEM, email="taken@acme.example", password=None)
    with mode("token", TOKEN):
        for change in ({"password": "short"}, {"email": "taken@acme.example"}, {"email": "nobody"}):
            answer = JSONClient().post(PATH, {**BODY, "token": "wrong", **change})
            assert (answer.status_code, answer.json()) == (401, REFUSED)


def test_after_ten_tries_a_minute_even_the_right_token_is_refused_and_the_log_is_not_flooded(empty_installation: None):
    with mode("token", TOKEN):
        for _ in range(13):
            assert by_http("wrong") is None
        assert by_http(TOKEN) is None
        assert refusals() == 10
        assert JSONClient().post(PATH, {**BODY, "token": TOKEN}, REMOTE_ADDR="203.0.113.9").status_code == 201


def test_the_status_tells_nothing_else_and_changes_nothing(cast: Cast):
    answer = Client().get("/api/v1/auth/bootstrap-status")
    assert answer.json() == {"bootstrap_available": False}
    assert Client().post("/api/v1/auth/bootstrap-status").status_code == 405


def test_no_secret_is_in_the_log(empty_installation: None):
    with mode("token", TOKEN):
        by_http("a wrong token of somebody")
        token = by_http(TOKEN)
    assert token
    organization = Organization.objects.get()
    for org_id in (INSTALLATION_ID, organization.id):
        with tenant_scope(org_id):
            text = json.dumps(list(AuditEvent.objects.values("data", "target_label", "actor_label")))
        assert not [secret for secret in (token, TOKEN, PASSWORD, "a wrong token") if secret in text]


@pytest.mark.usefixtures("empty_installation")
def test_of_two_callers_at_once_one_wins():
    starting = threading.Barrier(2)
    outcomes: list[str] = []

    def call(number: int) -> None:
        try:
            starting.wait()
            bootstrap(
                actor=ANONYMOUS,
                email=f"first{number}@acme.example",
                password=PASSWORD,
                organization_name=f"Acme {number}",
                organization_slug=f"acme-{number}",
            )
            outcomes.append("made")
        except AuthFailure:
            outcomes.append("refused")
        finally:
            connections.close_all()

    with mode("open"):
        threads = [threading.Thread(target=call, args=(number,)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(outcomes) == ["made", "refused"]
    assert User.objects.count() == Organization.objects.count() == 1
    assert refusals() == 1
