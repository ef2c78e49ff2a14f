"""The operator's commands: they call services, say words on standard error, and print nothing but secrets and data."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys.models import Key
from orgs.models import Organization, TOTPDevice, User
from orgs.services.second_factor import new_device
from tests.cast import PASSWORD, Cast

ROOT = Path(__file__).resolve().parents[2]


def run(name: str, *arguments: str) -> tuple[str, str]:
    """Standard output and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    call_command(name, *arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


def answer(name: str, *arguments: str) -> Any:
    out, err = run(name, *arguments, "--json")
    assert err == "", "words beside JSON"
    return json.loads(out)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What comes on standard input."""

    def lines(*texts: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{text}\n" for text in texts)))

    return lines


def recorded(name: str, org_id: Any) -> AuditEvent:
    with tenant_scope(org_id):
        row = AuditEvent.objects.filter(event=name).order_by("-id").first()
    assert row is not None
    assert (row.actor_kind, row.actor_id) == ("staff", "command_line")
    assert row.actor_label.startswith("Command line (")
    return row


def test_a_user_is_made_with_the_password_from_standard_input(db: None, typed: Callable[..., None]):
    typed(PASSWORD)
    out, err = run("create_user", "New@acme.example", "--name", "New", "--verified")
    user = User.objects.get(email="new@acme.example")
    assert (out, err) == ("", "new@acme.example is made.\n")
    assert user.check_password(PASSWORD)
    assert not user.is_staff
    assert user.emailaddress_set.get().verified
    recorded("user.created", INSTALLATION_ID)


def test_a_temporary_password_is_all_that_is_printed(db: None):
    out, err = run("create_user", "new@acme.example", "--temporary", "--staff")
    user = User.objects.get(email="new@acme.example")
    assert user.check_password(out.strip())
    assert out.strip() not in err
    assert user.must_change_password
    assert user.is_staff
    assert not user.emailaddress_set.exists()


@pytest.mark.parametrize("password", ["", "short", "12345678901234"])
def test_a_weak_password_makes_no_user(empty_installation: None, typed: Callable[..., None], password: str):
    typed(password)
    with pytest.raises(CommandError):
        run("create_user", "new@acme.example")
    assert not User.objects.exists()


def test_an_address_that_is_none_or_taken_is_refused_in_a_sentence(cast: Cast, typed: Callable[..., None]):
    typed(PASSWORD, PASSWORD)
    with pytest.raises(CommandError, match="complete e-mail address"):
        run("create_user", "nobody")
    with pytest.raises(CommandError, match="A user with this address exists"):
        run("create_user", cast.owner.email.upper())


def test_a_user_is_disabled_and_enabled(cast: Cast, browse: Callable[..., Client]):
    browser = browse(cast.viewer)
    assert answer("disable_user", cast.viewer.email, "--reason", "left") == {
        "id": cast.viewer.public_id,
        "enabled": False,
    }
    assert browser.get("/admin/")["Location"].startswith("/login/")
    assert recorded("user.disabled", INSTALLATION_ID).data == {"reason": "left"}
    assert answer("enable_user", cast.viewer.email)["enabled"]
    with pytest.raises(CommandError, match="No user has the address"):
        run("disable_user", "nobody@acme.example", "--reason", "x")
    with pytest.raises(CommandError, match="--reason"):
        run("disable_user", cast.viewer.email)


def test_passwords_and_second_factors_are_reset(cast: Cast):
    out, err = run("reset_password", cast.owner.email)
    assert User.objects.get(id=cast.owner.id).check_password(out.strip())
    assert out.strip() not in err
    new_device(user=cast.staff, name="Phone", confirmed=True)
    assert answer("reset_second_factor", cast.staff.email) == {"id": cast.staff.public_id, "removed": 1}
    assert answer("reset_second_factor", cast.staff.email)["removed"] == 0
    assert not TOTPDevice.objects.exists()


def test_organizations_are_made_listed_disabled_and_enabled(cast: Cast):
    made = answer("create_organization", "initech", "--name", "Initech", "--owner", cast.owner.email, "--plan", "pro")
    assert made["slug"] == "initech"
    assert [row["slug"] for row in answer("list_organizations")["data"]] == ["acme", "globex", "initech"]
    assert answer("disable_organization", "initech", "--reason", "unpaid")["status"] == "disabled"
    assert [row["slug"] for row in answer("list_organizations", "--status", "disabled")["data"]] == ["initech"]
    out, _ = run("list_organizations", "--status", "disabled")
    assert out == f"{made['id']}\tinitech\tdisabled\tpro\tInitech\n"
    assert answer("enable_organization", made["id"])["status"] == "active"
    recorded("organization.enabled", Organization.objects.get(slug="initech").id)
    with pytest.raises(CommandError, match="This slug is taken"):
        run("create_organization", "acme", "--name", "Acme", "--owner", cast.owner.email)
    with pytest.raises(CommandError, match="There is no organization"):
        run("enable_organization", "nowhere")


def test_a_key_is_printed_alone_works_and_is_revoked(cast: Cast, api: Callable[..., Any]):
    out, err = run("create_key", "acme", "rocket", "CI", "--mode", "live", "--days", "7")
    plaintext = out.strip()
    assert plaintext.startswith("sk_live_")
    assert plaintext not in err
    whoami = api(plaintext).get("/api/v1/whoami")
    assert whoami.status_code == 200
    key_id = whoami.json()["id"]
    assert recorded("key.created", cast.acme.id).target_id == key_id
    assert answer("revoke_key", "acme", key_id) == {"id": key_id, "state": "revoked"}
    assert api(plaintext).get("/api/v1/whoami").status_code == 401
    with pytest.raises(CommandError, match="has no key"):
        run("revoke_key", "globex", key_id)
    with pytest.raises(CommandError, match="has no project"):
        run("create_key", "globex", "rocket", "CI")


def test_a_key_is_released_from_quarantine(cast: Cast, api: Callable[..., Any]):
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(quarantined_at=timezone.now())
    assert api(cast.secret_key).get("/api/v1/whoami").status_code == 401
    assert answer("release_key", "acme", cast.key.public_id) == {"id": cast.key.public_id, "state": "active"}
    assert api(cast.secret_key).get("/api/v1/whoami").status_code == 200
    recorded("key.released", cast.acme.id)
    with pytest.raises(CommandError, match="has no key"):
        run("release_key", "globex", cast.key.public_id)


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999", "٣", "1.5"])
def test_times_that_are_none_are_refused(cast: Cast, days: str):
    with pytest.raises(CommandError, match="whole number of days"):
        run("create_key", "acme", "rocket", "CI", f"--days={days}")
    with tenant_scope(cast.acme.id):
        assert Key.objects.count() == 2


def test_a_personal_token_is_printed_alone_and_works(cast: Cast, api: Callable[..., Any]):
    out, err = run("create_token", cast.viewer.email, "script", "--organization", "acme", "--permission", "view_org")
    token = out.strip()
    assert token.startswith("pat_")
    assert token not in err
    assert api(token).get("/api/v1/orgs/acme").status_code == 200
    with pytest.raises(CommandError, match="no member of"):
        run("create_token", cast.viewer.email, "script", "--organization", "globex")


def test_a_real_process_says_words_and_data_apart(db: None):
    """A process of its own sees what is committed: the standing cast."""
    ended = subprocess.run(
        [sys.executable, "manage.py", "list_organizations", "--json"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "DATABASE_URL": database_url()},
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {row["slug"] for row in json.loads(ended.stdout)["data"]} == {"acme", "globex"}
    refused = subprocess.run(
        [sys.executable, "manage.py", "enable_user", "nobody@acme.example", "--no-color"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "DATABASE_URL": database_url()},
    )
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith("CommandError: No user has the address nobody@acme.example")


def database_url() -> str:
    """This worker's test database, as a program of its own would be told."""
    from tests.database import APP_URL, named

    return named(APP_URL, settings.DATABASES["default"]["NAME"])
