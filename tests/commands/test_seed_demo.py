"""The demo: believable, made once, with a file of credentials that work."""

import base64
import io
import json
import re
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.test import Client, override_settings
from django_otp.oath import TOTP

from audit.models import AuditEvent
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from keys.models import Agent, Key, PersonalToken, TokenSession
from keys.services.keys import revoke_key
from keys.services.service_grants import withdraw_grant
from orgs.models import (
    CustomRole,
    Invitation,
    Membership,
    Organization,
    ServiceAccount,
    ServiceAccountSecret,
    ServiceGrant,
    User,
)
from projects.models import Domain, Project, SeenDomain
from tests.conftest import JSONClient
from tests.gateway import Gateway
from webhooks.models import Attempt, Delivery, Endpoint, EndpointHour

MODELS: list[type[Model]] = [
    Agent, Attempt, AuditEvent, CustomRole, Delivery, Domain, Endpoint, EndpointHour, Invitation, Key, Membership,
    Organization, PersonalToken, Project, SeenDomain, ServiceAccount, ServiceAccountSecret, ServiceGrant, TokenSession,
    User,
]  # fmt: skip


@pytest.fixture
def file(db: None) -> Path:
    """Where the seed writes."""
    path = Path(settings.TENANTRY_HOME) / "demo.json"
    path.unlink(missing_ok=True)
    return path


def seed() -> None:
    call_command("seed_demo", "--force", stderr=io.StringIO())


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def gateway_of(content: dict[str, Any]) -> Gateway:
    """The product whose secret is in the file."""
    given = content["service_account"]
    secret = ServiceAccountSecret.objects.by_key_id(given["key_id"])
    return Gateway(None, secret.account, given["key_id"], given["secret"])


def counts() -> dict[str, int]:
    with system_scope("a test counts"):
        return {model.__name__: model.objects.count() for model in MODELS}  # type: ignore[attr-defined]


def people(content: dict[str, Any]) -> list[dict[str, str]]:
    return [person for organization in content["organizations"] for person in organization["users"].values()]


def test_the_file_has_the_shape_that_others_rely_on(file: Path):
    seed()
    content = read(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert content["url"] == settings.TENANTRY_URL
    assert len(content["organizations"]) == 2
    for organization in content["organizations"]:
        assert set(organization) == {"id", "slug", "users", "projects"}
        assert list(organization["users"]) == ["owner", "admin", "developer", "viewer"]
        assert len(organization["projects"]) >= 2
        for project in organization["projects"]:
            assert set(project) == {"id", "slug", "publishable_key", "secret_key", "domains"}
            assert re.match("pk_live_", project["publishable_key"])
            assert re.match("sk_live_", project["secret_key"])
    assert set(content["staff"]) == {"email", "password", "totp_secret"}
    assert set(content["service_account"]) == {"key_id", "secret"}


def test_everything_in_the_file_works(file: Path):
    seed()
    content = read(file)
    for organization in content["organizations"]:
        for role, person in organization["users"].items():
            assert User.objects.get(email=person["email"]).check_password(person["password"])
            answer = JSONClient(person["personal_token"]).get(f"/api/v1/orgs/{organization['slug']}").json()
            assert (answer["id"], answer["role"]) == (organization["id"], role)
        for project in organization["projects"]:
            client = JSONClient(project["secret_key"])
            for name in ("secret_key", "publishable_key"):
                answer = client.post("/api/v1/keys/verify", {"key": project[name]}).json()
                assert (answer["valid"], answer["project_id"]) == (True, project["id"])
        assert gateway_of(content).ask("GET", f"/api/v1/orgs/{organization['slug']}").status_code == 200
    guest = JSONClient(content["guest"]["personal_token"]).get("/api/v1/orgs").json()
    assert {row["slug"] for row in guest["data"]} == {row["slug"] for row in content["organizations"]}


def test_publishable_keys_work_on_the_domains_of_the_file(file: Path):
    seed()
    for organization in read(file)["organizations"]:
        for project in organization["projects"]:
            assert project["domains"], project["slug"]
            for domain in project["domains"]:
                page = JSONClient(project["publishable_key"])
                answer = page.post("/api/v1/licenses/verify", {}, HTTP_ORIGIN=f"https://{domain}")
                assert (answer.status_code, answer.json()["downgraded"]) == (200, False)
    other = page.post("/api/v1/licenses/verify", {}, HTTP_ORIGIN="https://other.example")
    assert other.json()["downgraded"] is True


def test_everybody_signs_in_and_staff_pass_the_second_factor(file: Path):
    seed()
    content = read(file)
    owner = people(content)[0]
    answer = Client().post("/login/", {"login": owner["email"], "password": owner["password"]})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    staff, browser = content["staff"], Client()
    browser.post("/login/", {"login": staff["email"], "password": staff["password"]})
    totp = TOTP(base64.b32decode(staff["totp_secret"]))
    totp.time = time.time()
    assert browser.post("/login/second-factor/", {"code": f"{totp.token():06d}"}).status_code == 302
    assert browser.get("/admin/orgs/organization/").status_code == 200


def test_a_second_run_changes_nothing(file: Path):
    seed()
    before, rows, changed = file.read_bytes(), counts(), file.stat().st_mtime_ns
    assert all(rows.values()), rows
    seed()
    assert file.read_bytes() == before
    assert file.stat().st_mtime_ns == changed
    assert counts() == rows


@pytest.mark.parametrize(
    "damage", ["missing", "nonsense", "[]", '{"organizations": []}', '{"organizations": [{"id": 1}]}']
)
def test_a_lost_file_is_written_again_with_credentials_that_work(file: Path, damage: str):
    seed()
    before, rows = read(file), counts()
    if damage == "missing":
        file.unlink()
    else:
        file.write_text(damage)
    seed()
    content = read(file)
    assert counts()["Organization"] == rows["Organization"]
    assert counts()["User"] == rows["User"]
    assert content["staff"]["totp_secret"] == before["staff"]["totp_secret"]
    for old, new in zip(people(before), people(content), strict=True):
        user = User.objects.get(email=new["email"])
        assert user.check_password(new["password"])
        assert not user.check_password(old["password"])
        assert JSONClient(new["personal_token"]).get("/api/v1/whoami").status_code == 200
        assert JSONClient(old["personal_token"]).get("/api/v1/whoami").status_code == 401
    assert gateway_of(content).ask("GET", "/api/v1/orgs/acme-robotics").status_code == 200
    assert gateway_of(before).ask("GET", "/api/v1/orgs/acme-robotics").status_code == 401
    for old, new in zip(before["organizations"], content["organizations"], strict=True):
        for project_before, project in zip(old["projects"], new["projects"], strict=True):
            assert project["publishable_key"] == project_before["publishable_key"]
            assert JSONClient(project["secret_key"]).get("/api/v1/whoami").status_code == 200
            assert JSONClient(project_before["secret_key"]).get("/api/v1/whoami").status_code == 401


def test_a_key_that_was_revoked_is_replaced_and_nothing_else(file: Path):
    seed()
    before = read(file)
    organization = Organization.objects.get(slug=before["organizations"][0]["slug"])
    with tenant_scope(organization.id):
        project = Project.objects.by_reference(before["organizations"][0]["projects"][0]["id"])
        key = Key.objects.usable().get(project=project, name="Server")
    with tenant_scope(organization.id):
        revoke_key(actor=SYSTEM, project_id=project.id, key=key.public_id)
    seed()
    after = read(file)
    new = after["organizations"][0]["projects"][0].pop("secret_key")
    old = before["organizations"][0]["projects"][0].pop("secret_key")
    assert after == before
    assert new != old
    assert JSONClient(new).get("/api/v1/whoami").status_code == 200


def test_there_is_something_on_every_page(file: Path, mailoutbox: list):
    seed()
    assert mailoutbox == []
    seeded = [organization["slug"] for organization in read(file)["organizations"]]
    for organization in Organization.objects.filter(slug__in=seeded):
        with tenant_scope(organization.id):
            assert {invitation.state for invitation in Invitation.objects.all()} == {
                "pending", "expired", "revoked", "accepted"
            }  # fmt: skip
            assert {key.state for key in Key.objects.all()} == {"active", "quarantined", "revoked"}
            assert {(key.kind, key.mode) for key in Key.objects.all()} == {
                ("publishable", "live"), ("publishable", "test"), ("secret", "live"), ("secret", "test")
            }  # fmt: skip
            assert Key.objects.exclude(replaces=None).exists()
            assert Key.objects.exclude(expires_at=None).exists()
            assert {project.status for project in Project.objects.all()} == {"active", "archived"}
            assert {m.role for m in Membership.objects.all()} == {"owner", "admin", "developer", "viewer", "custom"}
            events = AuditEvent.objects.all()
            assert events.count() > 30
            assert events.values("actor_id").distinct().count() >= 5
            assert not events.filter(ip=None, actor_kind="user").filter(event="invitation.accepted").exists()
    with tenant_scope(INSTALLATION_ID):
        assert AuditEvent.objects.filter(event="user.created").count() == User.objects.count()


def test_the_slug_of_somebody_else_is_left_alone(file: Path, cast: Any):
    Organization.objects.filter(id=cast.acme.id).update(slug="acme-robotics")
    with pytest.raises(CommandError, match="is not the demo's"):
        seed()
    assert not file.exists()
    assert not User.objects.filter(email="olivia.hart@acme.example").exists()


def test_it_is_for_development(file: Path):
    with override_settings(DEBUG=False), pytest.raises(CommandError, match="development"):
        call_command("seed_demo")
    assert not file.exists()
    assert not User.objects.filter(email="olivia.hart@acme.example").exists()


def test_a_grant_that_was_withdrawn_stays_withdrawn(file: Path):
    seed()
    organization = Organization.objects.get(slug="acme-robotics")
    with tenant_scope(organization.id):
        for grant in ServiceGrant.objects.all():
            withdraw_grant(actor=SYSTEM, grant_id=grant.id)
    before = file.read_bytes()
    seed()
    assert file.read_bytes() == before
    with tenant_scope(organization.id):
        assert not ServiceGrant.objects.in_force().exists()
