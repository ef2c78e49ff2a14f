"""Guards of the whole project: layers, declared access, the places that cross tenants."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from django.core import checks
from django.core.management import call_command
from django.test import override_settings
from django.urls import path

from config.kernel.access import Access
from config.kernel.events import EventType, declared_events
from config.kernel.permissions import (
    DESCRIPTIONS,
    KEY_PERMISSIONS,
    KEY_PRESETS,
    PERSONAL_PERMISSIONS,
    ROLE_PERMISSIONS,
    Permission,
    Role,
)
from config.kernel.routes import all_routes

ROOT = Path(__file__).resolve().parent.parent
APPS = ("audit", "config", "keys", "orgs", "projects", "sso", "webhooks")

# Every way across tenants, by its reason. Whoever adds one must be able to defend it here.
SYSTEM_SCOPES = {
    ("audit/checkpoints.py", "the organizations whose logs are sealed"),
    ("audit/indexing.py", "index the records of every organization"),
    ("audit/indexing.py", "make the blocks of the ledger again"),
    ("audit/exporting.py", "exports of the audit log that stand still, and what others left"),
    ("audit/retention.py", "the organizations that have records of a month"),
    ("audit/retention.py", "what is known of records that are dropped"),
    ("audit/sealing.py", "seal the records of every organization"),
    ("audit/services/records.py", "one event in the ledgers of several organizations"),
    ("audit/services/staff_reads.py", "what a member of staff has looked at lately in several organizations"),
    ("config/admin.py", "staff pages"),
    ("config/kernel/api/idempotency.py", "idempotency key"),
    ("keys/authentication.py", "key look-up"),
    ("keys/services/agents.py", "agent by its enrolment token"),
    ("keys/services/sessions.py", "the end of a session, whichever organization its program works in"),
    ("keys/signing.py", "the first signing keys, whoever is at work"),
    ("keys/facts.py", "project look-up"),
    ("keys/uses.py", "uses of keys"),
    ("keys/verification.py", "grants of one service account"),
    ("keys/tracking/writing.py", "usage of several organizations in one commit"),
    ("keys/notices.py", "keys to give notice of"),
    ("keys/services/leaks.py", "leak reports"),
    ("orgs/access.py", "the organizations of one person"),
    ("orgs/access.py", "the organizations of one service account"),
    ("orgs/encryption.py", "the installation's data key, whoever is at work"),
    ("orgs/encryption.py", "the master keys of every data key"),
    ("orgs/selectors.py", "the invitations to one person"),
    ("orgs/selectors.py", "the organizations of one person"),
    ("orgs/services/data_keys.py", "wrap the data keys of every organization anew"),
    ("orgs/rechecking.py", "e-mail domains whose record is due to be looked up"),
    ("orgs/services/email_domains.py", "whether another organization has proven an e-mail domain"),
    ("orgs/services/invitations.py", "invitation by its token"),
    ("orgs/services/invitations.py", "invitation by its verified address"),
    ("orgs/services/second_factor.py", "who asks for a second factor of a person"),
    ("orgs/enforcing.py", "enforcement of single sign-on that is due"),
    ("orgs/services/break_glass.py", "break-glass code by its digest"),
    ("orgs/services/break_glass.py", "organizations whose break-glass codes a person holds"),
    ("orgs/sign_in.py", "who governs the sign-in of a person"),
    ("orgs/sign_in.py", "who governs the sign-in of a domain"),
    ("orgs/sign_in.py", "when a person last came in by single sign-on"),
    ("sso/selectors.py", "the connections by which a person gets in"),
    ("sso/selectors.py", "whose e-mail domain it is"),
    ("orgs/exporting.py", "data exports that stand still"),
    ("orgs/management/audit_evidence.py", "whose logs there are"),
    ("orgs/tidying.py", "forget old idempotency keys"),
    ("projects/mail.py", "usage warnings to mail"),
    ("sso/access.py", "connection by its address"),
    ("projects/services/denials.py", "whose project somebody named who may not know of it"),
    ("projects/tidying.py", "forget old tracked events"),
    ("sso/views/handover.py", "whose project a person is to be handed over for"),
    ("sso/services/handovers.py", "the session of a person whom a product takes over"),
    ("sso/tidying.py", "forget old handovers"),
    ("sso/notices.py", "certificates of identity providers that end soon"),
    ("sso/rechecking.py", "metadata of identity providers that are due to be read"),
    ("webhooks/claiming.py", "deliveries that are due of every organization"),
    ("webhooks/claiming.py", "deliveries that a worker does not get to"),
    ("webhooks/fan_out.py", "events to deliver of every organization"),
    ("webhooks/mail.py", "endpoints that were disabled by themselves, to mail"),
    ("webhooks/recording.py", "deliveries of records that are gone"),
    ("webhooks/recording.py", "what became of deliveries of every organization"),
    ("webhooks/replaying.py", "replays of webhooks that stand still"),
    ("sso/tidying.py", "forget old lines of connections' logs and assertions that have ended"),
    ("webhooks/tidying.py", "webhook deliveries and secrets that have served their time"),
}


def test_the_layers_hold():
    ended = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_services_know_no_request_and_no_template():
    forbidden = ("rest_framework", "django.http", "django.shortcuts", "django.template", "django.views")
    sources = [file for app in APPS for file in [*(ROOT / app).glob("services/*.py"), ROOT / app / "services.py"]]
    for source in [file for file in sources if file.exists()]:
        for node in ast.walk(ast.parse(source.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name.startswith(forbidden)], f"{source} imports {names}"


def test_every_route_declares_its_access():
    for route in all_routes():
        assert route.methods(), f"{route.path} ({route.view}) declares no access"
        assert all(isinstance(access, Access) for access in route.methods().values())


def undeclared(request):
    """A view that somebody forgot to declare."""


urlpatterns = [path("forgotten", undeclared)]


@override_settings(ROOT_URLCONF=__name__)
def test_a_view_without_declared_access_stops_the_program():
    found = [message for message in checks.run_checks(tags=["access"]) if message.id == "access.E001"]
    assert [message.level for message in found] == [checks.ERROR]
    with pytest.raises(SystemExit) as ended:
        call_command_as_program("check")
    assert ended.value.code == 1


def call_command_as_program(name: str) -> None:
    try:
        call_command(name, tags=["access"])
    except Exception as error:
        raise SystemExit(1) from error


def system_scopes() -> set[tuple[str, str]]:
    found = set()
    for source in [file for app in APPS for file in (ROOT / app).rglob("*.py")]:
        for node in ast.walk(ast.parse(source.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", getattr(node.func, "attr", "")) == "system_scope"
            ):
                reason = node.args[0]
                text = reason.value if isinstance(reason, ast.Constant) else ast.unparse(reason)
                found.add((str(source.relative_to(ROOT)), text))
    return found


def test_only_these_places_cross_tenants():
    assert system_scopes() == SYSTEM_SCOPES


def test_the_role_matrix_is_the_specified_one():
    rows = {
        "delete_org": "o",
        "manage_billing": "oa",
        "manage_members": "oa",
        "manage_sso": "oa",
        "manage_webhooks": "oa",
        "manage_apps": "oad",
        "manage_schemas": "oad",
        "run_engines": "oad",
        "manage_keys": "oad",
        "manage_env": "oad",
        "view_org": "oadv",
        "view_usage": "oadv",
        "view_audit": "oadv",
    }
    letters = {"o": Role.OWNER, "a": Role.ADMIN, "d": Role.DEVELOPER, "v": Role.VIEWER}
    for letter, role in letters.items():
        assert {str(p) for p in ROLE_PERMISSIONS[role]} == {name for name, who in rows.items() if letter in who}
    assert {str(permission) for permission in PERSONAL_PERMISSIONS} == set(rows)


def test_every_permission_is_described_and_no_key_governs_an_organization():
    assert set(DESCRIPTIONS) == set(Permission)
    governing = {Permission.DELETE_ORG, Permission.MANAGE_MEMBERS, Permission.MANAGE_BILLING, Permission.MANAGE_SSO}
    assert not KEY_PERMISSIONS & governing
    assert KEY_PRESETS["runner"] < KEY_PRESETS["admin"] == KEY_PERMISSIONS


def test_every_event_has_a_description_and_describes_its_data():
    for event_type in declared_events():
        assert event_type.description.endswith(".")
        assert all(event_type.meanings.values())


def test_every_declared_event_is_recorded_somewhere():
    """Its name is given to a call, by the code of an app."""
    declared = {
        name: value.name
        for app in APPS
        if (ROOT / app / "events.py").exists()
        for name, value in vars(import_module(f"{app}.events")).items()
        if isinstance(value, EventType)
    }
    assert set(declared.values()) == {event_type.name for event_type in declared_events()}
    given = {
        argument.attr if isinstance(argument, ast.Attribute) else argument.id
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if "demo" not in path.parts
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
        if isinstance(argument, ast.Attribute | ast.Name)
    }
    assert [event for name, event in declared.items() if name not in given] == []
