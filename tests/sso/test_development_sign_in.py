"""Development sign-in: a button and a token without any proof, where the operator asked for it and nowhere else."""

import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from audit.models import AuditEvent
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from config.production import problems_of_sign_in
from keys.models import PersonalToken
from orgs.models import BrowserSession, User
from orgs.sign_in import MethodRefused, validate_auth_method
from sso.services.development import EMAIL
from tests.cast import Cast
from tests.conftest import JSONClient

PATH = "/login/development/"


@pytest.fixture
def allowed(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """It is on, and the home folder is an empty one; where the token will be."""
    settings.DEBUG = settings.TENANTRY_DEV_AUTH = True
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".tenantry" / "dev-token"


def test_the_button_signs_in_and_keeps_where_one_wanted_to_go(allowed: Path, cast: Cast):
    browser = Client()
    assert PATH in browser.get("/login/").content.decode()
    assert browser.post(PATH, {"next": "/profile/"})["Location"] == "/profile/"
    assert EMAIL in browser.get("/profile/").content.decode()
    session = BrowserSession.objects.get(user__email=EMAIL)
    assert session.method == "development"
    with tenant_scope(INSTALLATION_ID):
        assert AuditEvent.objects.get(event="user.signed_in").data["method"] == "development"
    assert Client().post(PATH, {"next": "https://evil.example/"})["Location"] == "/"
    assert User.objects.filter(email=EMAIL).count() == 1


def test_looking_at_its_address_signs_nobody_in(allowed: Path, cast: Cast):
    browser = Client()
    assert browser.get(PATH).status_code == 405
    assert browser.get("/profile/").status_code == 302


@pytest.mark.parametrize(("debug", "wanted"), [(True, False), (False, True), (False, False)])
def test_elsewhere_there_is_no_such_thing(
    allowed: Path, cast: Cast, settings: Any, *, debug: bool, wanted: bool
):  # fmt: skip
    settings.DEBUG, settings.TENANTRY_DEV_AUTH = debug, wanted
    browser = Client()
    assert browser.post(PATH).status_code == 404
    assert browser.get("/profile/").status_code == 302
    with pytest.raises(CommandError):
        call_command("dev_sign_in")
    call_command("dev_sign_in", "--if-on")
    assert not allowed.exists()
    assert not User.objects.filter(email=EMAIL).exists()
    if not wanted:
        assert PATH not in browser.get("/login/").content.decode()


def test_the_token_is_in_a_file_of_its_owner_alone_and_works(allowed: Path, cast: Cast):
    call_command("dev_sign_in")
    assert stat.S_IMODE(allowed.stat().st_mode) == 0o600
    token = allowed.read_text().strip()
    assert JSONClient(token).get("/api/v1/whoami").json()["user"]["email"] == EMAIL
    allowed.chmod(0o644)
    call_command("dev_sign_in")
    assert stat.S_IMODE(allowed.stat().st_mode) == 0o600
    assert allowed.read_text().strip() != token
    assert JSONClient(token).get("/api/v1/whoami").status_code == 401
    assert PersonalToken.objects.filter(user__email=EMAIL, revoked_at=None).count() == 1
    assert [path.name for path in allowed.parent.iterdir()] == ["dev-token"]


def test_its_method_is_asked_like_every_other(allowed: Path, cast: Cast, settings: Any):
    settings.TENANTRY_AUTHORIZED_DOMAINS = ["acme.example"]
    browser = Client()
    browser.post(PATH)
    assert browser.get("/profile/").status_code == 302
    with pytest.raises(MethodRefused):
        validate_auth_method(method="development", user=User.objects.get(email=EMAIL))


def test_the_program_refuses_to_start_with_it_outside_of_development():
    found = problems_of_sign_in(debug=False, development_sign_in=True, authorized_domains=[])
    assert found == ["TENANTRY_DEV_AUTH: only for development; switch it off."]
    assert problems_of_sign_in(debug=True, development_sign_in=True, authorized_domains=[]) == []
