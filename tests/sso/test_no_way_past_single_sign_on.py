"""Every way in, with single sign-on required: refused, written down where the organization looks, and telling nothing.

The ways are found by walking the routes and the source: whoever adds one must give it a row here, or a reason why it
lets nobody in.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.test import Client

from audit.models import AuditEvent
from config.kernel.access import AccessKind
from config.kernel.routes import all_routes
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from config.social import SocialSettings
from keys.models import TokenSession
from keys.services.sessions import open_session
from keys.services.tokens import create_token
from orgs.models import BrowserSession, User
from orgs.services.invitations import invite, issue_token
from orgs.services.second_factor import new_device
from sso.services.development import EMAIL as DEVELOPER
from tests.authenticators import PasskeyDevice, code_of
from tests.browsers import signed_in
from tests.cast import PASSWORD, Cast
from tests.conftest import JSONClient
from tests.social_providers import BROWSER, BROWSER_SECRET, CLI, CLI_SECRET, Person, Provider, running
from tests.sso.enforcing import connect, enforce
from tests.texts import without_what_varies

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class World:
    """Acme with a proven domain and a connection, not enforcing yet. Dora is one of its people."""

    cast: Cast
    settings: Any
    delivering: Callable[[], AbstractContextManager[None]]
    mails: list
    provider: Provider
    browsers: list[Client] = field(default_factory=list)
    began: bool = False

    @property
    def dora(self) -> User:
        return self.cast.developer

    def switch_on(self) -> None:
        """From now on single sign-on is required of everybody in acme.example."""
        enforce(self.cast.acme)
        self.began = True

    def browser(self, who: User | None = None) -> Client:
        """A browser, which must not be signed in at the end."""
        found = signed_in(Client(), who) if who else Client()
        self.browsers.append(found)
        return found


@pytest.fixture
def world(cast: Cast, settings: Any, delivering: Any, mailoutbox: list) -> Iterator[World]:
    connect(cast.acme)
    with running() as provider:
        clients = SocialSettings(
            url=provider.url, client_id=BROWSER, client_secret=BROWSER_SECRET, cli_client_id=CLI,
            cli_client_secret=CLI_SECRET,
        )  # fmt: skip
        settings.TENANTRY_SOCIAL = {"google": clients, "github": clients}
        provider.person = Person(email=cast.developer.email)
        yield World(cast, settings, delivering, mailoutbox, provider)


# -- the ways --------------------------------------------------------------------------------------------------------
def password(world: World) -> list[Any]:
    world.switch_on()
    return [
        world.browser().post("/login/", {"login": world.dora.email, "password": text}) for text in (PASSWORD, "wrong")
    ]


def password_at_the_bare_address(world: World) -> list[Any]:
    world.switch_on()
    return [
        world.browser().post("/login", {"login": world.dora.email, "password": text}) for text in (PASSWORD, "wrong")
    ]


def mail(world: World) -> list[Any]:
    world.switch_on()
    with world.delivering():
        answers = [
            world.browser().post("/login/mail/", {"login": login})
            for login in (world.dora.email, "nobody.there@acme.example")
        ]
    assert not world.mails
    return answers


def mailed_before(world: World) -> tuple[Client, str]:
    browser = world.browser()
    with world.delivering():
        browser.post("/login/mail/", {"login": world.dora.email})
    return browser, world.mails[-1].body


def mailed_code(world: World) -> list[Any]:
    browser, body = mailed_before(world)
    world.switch_on()
    return [browser.post("/login/code/", {"code": re.search(r"^([B-Z]{4}-[B-Z]{4})$", body, re.MULTILINE)[1]})]


def mailed_link(world: World) -> list[Any]:
    _, body = mailed_before(world)
    world.switch_on()
    return [world.browser().post(re.search(r"(/login/link/\S+/)", body)[1])]


def passkey(world: World) -> list[Any]:
    device, setting_up = PasskeyDevice(), signed_in(Client(), world.dora)
    options = setting_up.post("/profile/security/passkeys/challenge/").json()
    setting_up.post(
        "/profile/security/passkeys/add/", {"name": "Laptop", "credential": json.dumps(device.create(options))}
    )
    setting_up.post("/logout/")
    world.switch_on()
    browser = world.browser()
    answer = device.get(browser.post("/login/passkey/challenge/").json())
    return [browser.post("/login/passkey/", {"credential": json.dumps(answer)})]


def second_factor_of_a_sign_in_that_had_begun(world: World) -> list[Any]:
    device = new_device(user=world.dora, confirmed=True)
    browser = world.browser()
    begun = browser.post("/login/", {"login": world.dora.email, "password": PASSWORD})
    assert begun["Location"].startswith("/login/second-factor/"), begun["Location"]
    world.switch_on()
    return [browser.post("/login/second-factor/", {"code": code_of(device)})]


def social(name: str) -> Callable[[World], list[Any]]:
    def attempt(world: World) -> list[Any]:
        world.switch_on()
        browser = world.browser()
        back = requests.get(browser.get(f"/login/{name}/start")["Location"], allow_redirects=False, timeout=5)
        split = urlsplit(back.headers["Location"])
        return [browser.get(f"{split.path}?{split.query}")]

    return attempt


def social_of_programs(world: World) -> list[Any]:
    world.switch_on()
    return [
        JSONClient().post("/api/v1/auth/social", {"provider": "google", "token": token})
        for token in (world.provider.id_token(CLI), "nonsense")
    ]


def sign_up(world: World) -> list[Any]:
    world.switch_on()
    with world.delivering():
        answers = [
            world.browser().post("/signup/", {"name": "N", "email": email, "password1": PASSWORD})
            for email in (world.dora.email, "nobody.there@acme.example")
        ]
    assert not world.mails
    assert not User.objects.filter(email="nobody.there@acme.example").exists()
    return answers


def confirmation_of_an_address(world: World) -> list[Any]:
    browser = world.browser()
    browser.post("/signup/", {"name": "N", "email": "newcomer@acme.example", "password1": PASSWORD})
    world.switch_on()
    key = EmailConfirmationHMAC(EmailAddress.objects.get(email="newcomer@acme.example")).key
    return [browser.post(f"/confirm-email/{key}/")]


def password_reset(world: World) -> list[Any]:
    world.switch_on()
    with world.delivering():
        answers = [
            world.browser().post("/password/reset/", {"email": email})
            for email in (world.dora.email, "nobody.there@acme.example")
        ]
    assert not world.mails
    return answers


def new_password_by_an_older_link(world: World) -> list[Any]:
    with world.delivering():
        Client().post("/password/reset/", {"email": world.dora.email})
    link = re.search(r"(/password/reset/key/\S+/)", world.mails[-1].body)[1]
    browser = world.browser()
    form = browser.get(link)["Location"]
    world.switch_on()
    before = User.objects.get(id=world.dora.id).password
    answer = browser.post(form, {"password1": "another phrase 17 of mine", "password2": "another phrase 17 of mine"})
    assert User.objects.get(id=world.dora.id).password == before
    return [answer]


def development(world: World) -> list[Any]:
    world.settings.DEBUG = world.settings.TENANTRY_DEV_AUTH = True
    connect(world.cast.acme, domain=DEVELOPER.rpartition("@")[2], name="For developers")
    world.switch_on()
    return [world.browser().post("/login/development/")]


def program(world: World) -> list[Any]:
    world.switch_on()
    return [
        JSONClient().post("/api/v1/auth/login", {"email": world.dora.email, "password": text})
        for text in (PASSWORD, "wrong")
    ]


def refreshing_a_program(world: World) -> list[Any]:
    issued = open_session(user=world.dora, method=Method.PASSWORD)
    world.switch_on()
    answers = [
        JSONClient().post("/api/v1/auth/refresh", {"refresh_token": token})
        for token in (issued.refresh_token, "rft_nonsense")
    ]
    assert not TokenSession.objects.living().exists()
    return answers


def device_that_was_approved(world: World) -> list[Any]:
    begun = JSONClient().post("/api/v1/auth/device", {"client_name": "x"}).json()
    form = {"user_code": begun["user_code"], "decision": "approve", "organization": "all"}
    signed_in(Client(), world.dora).post("/device/", form)
    BrowserSession.objects.all().delete()
    world.switch_on()
    return [JSONClient().post("/api/v1/auth/device/token", {"device_code": begun["device_code"]})]


def approving_a_device(world: World) -> list[Any]:
    begun = JSONClient().post("/api/v1/auth/device", {"client_name": "x"}).json()
    browser = world.browser(world.dora)
    world.switch_on()
    return [browser.post("/device/", {"user_code": begun["user_code"], "decision": "approve", "organization": "all"})]


def invitation_token(world: World) -> str:
    with tenant_scope(world.cast.globex.id):
        row = invite(actor=world.cast.principal(world.cast.outsider), email=world.dora.email, role="viewer")
        issued = issue_token(invitation_id=row.id)
    assert issued is not None
    return issued[1]


def invitation_in_a_password_session(world: World) -> list[Any]:
    token, browser = invitation_token(world), world.browser(world.dora)
    world.switch_on()
    return [browser.post(f"/invitations/{token}/")]


def invitation_by_a_personal_token(world: World) -> list[Any]:
    token, personal = invitation_token(world), world.cast.token(world.dora)
    world.switch_on()
    return [JSONClient(personal).post("/api/v1/invitations/accept", {"token": token})]


def personal_token(world: World) -> list[Any]:
    personal = world.cast.token(world.dora)
    world.switch_on()
    return [JSONClient(personal).get(path) for path in ("/api/v1/whoami", "/api/v1/orgs/acme/members")]


def personal_token_of_one_organization(world: World) -> list[Any]:
    _, personal = create_token(
        actor=world.cast.principal(world.dora), user=world.dora, name="x", organization=world.cast.acme
    )
    world.switch_on()
    return [JSONClient(personal).get("/api/v1/whoami")]


def access_token_from_before(world: World) -> list[Any]:
    issued = open_session(user=world.dora, method=Method.PASSWORD)
    world.switch_on()
    return [JSONClient(issued.access_token).get("/api/v1/whoami")]


def session_from_before(world: World) -> list[Any]:
    browser = world.browser(world.dora)
    world.switch_on()
    return [browser.get("/orgs/acme/projects/")]


def staff_by_password(world: World) -> list[Any]:
    User.objects.filter(id=world.dora.id).update(is_staff=True)
    world.switch_on()
    browser = world.browser()
    browser.post("/login/", {"login": world.dora.email, "password": PASSWORD})
    return [browser.get("/admin/", follow=False)]


def staff_session_from_before(world: World) -> list[Any]:
    User.objects.filter(id=world.dora.id).update(is_staff=True)
    browser = world.browser(world.dora)
    world.switch_on()
    return [browser.get("/admin/")]


# Each public route that signs somebody in, or goes on with a sign-in, and more ways that need a session or a token.
WAYS: dict[str, Callable[[World], list[Any]]] = {
    "sso:sign-in POST": password,
    "sso:sign-in-bare POST": password_at_the_bare_address,
    "sso:mail-sign-in POST": mail,
    "sso:mailed-code POST": mailed_code,
    "sso:mailed-link POST": mailed_link,
    "sso:passkey-login POST": passkey,
    "sso:second-factor POST": second_factor_of_a_sign_in_that_had_begun,
    "sso:social-callback GET (google)": social("google"),
    "sso:social-callback GET (github)": social("github"),
    "sso:development-sign-in POST": development,
    "sso:password-reset POST": password_reset,
    "account_reset_password_from_key POST": new_password_by_an_older_link,
    "account_signup POST": sign_up,
    "account_confirm_email POST": confirmation_of_an_address,
    "orgs:invitation POST": invitation_in_a_password_session,
    "api-login POST": program,
    "api-refresh POST": refreshing_a_program,
    "api-device-token POST": device_that_was_approved,
    "api-social-login POST": social_of_programs,
    "sso:device POST": approving_a_device,
    "api-invitation-accept POST": invitation_by_a_personal_token,
    "a personal token": personal_token,
    "a personal token of the organization": personal_token_of_one_organization,
    "an access token from before": access_token_from_before,
    "a session from before": session_from_before,
    "admin:login, by password": staff_by_password,
    "admin, a session from before": staff_session_from_before,
}
# Ways past the password and its likes on purpose; they have their own tests.
OWN_WAYS = {
    "sso:start": "leads to the organization's identity provider (test_openid_sign_in, test_saml_sign_in)",
    "sso:callback": "single sign-on itself",
    "sso:acs": "single sign-on itself",
    "sso:finish": "single sign-on itself",
    "sso:break-glass": "for owners with a code (test_break_glass)",
}
# Public routes that sign nobody in.
NO_WAYS = {
    "orgs:theme": "keeps a cookie",
    "keys:key-set": "public keys",
    "keys:github-leaks": "takes reports",
    "sso:sign-in-ways": "shows what there is",
    "sso:handover-start": "needs a session, which is judged at each request",
    "sso:handover-continue": "a page with a link",
    "sso:passkey-challenge": "the first half of sso:passkey-login",
    "sso:second-factor-challenge": "the first half of sso:second-factor",
    "sso:social-start": "the first half of sso:social-callback",
    "sso:provider-logout": "ends sessions",
    "sso:metadata": "public metadata",
    "account_login": "lies behind sso:sign-in, which answers first",
    "account_logout": "ends sessions",
    "account_inactive": "a page of words",
    "account_email_verification_sent": "a page of words",
    "account_reset_password": "lies behind sso:password-reset, which answers first",
    "account_confirm_login_code": "allauth's own codes, which nothing here issues (test_a_code_of_allauths_own)",
    "account_reset_password_from_key_done": "a page of words",
    "account_reset_password_done": "a page of words",
    "api-bootstrap": "works while there is nobody",
    "api-bootstrap-status": "says whether there is somebody",
    "api-keys-report-leak": "takes reports",
    "api-agents-enroll": "agents are no people",
    "api-event-types": "a list",
    "api-device": "the first half of api-device-token",
    "access-configuration": "a list",
    "api-schema": "documentation",
    "api-docs": "documentation",
    "api-nothing": "nothing",
    "health-live": "a word",
    "health-ready": "a word",
}
# Every place in the source that begins a session or issues tokens to somebody, by what it calls.
SESSIONS_BEGIN_IN = {
    ("keys/demo/programs.py", "open_session"): "the demo seed, for nobody",
    ("keys/services/sessions.py", "open_session"): "api-login POST",
    ("sso/adapter.py", "begin"): "the last gate of every browser",
    ("sso/second_factor.py", "enter"): "sso:second-factor POST",
    ("sso/services/devices.py", "open_session"): "api-device-token POST",
    ("sso/services/handovers.py", "open_session"): "tests/sso/test_handover.py",
    ("sso/services/program_sign_ins.py", "open_session"): "api-social-login POST",
    ("sso/views/development.py", "enter"): "sso:development-sign-in POST",
    ("sso/views/enforced.py", "enter"): "own way",
    ("sso/views/entering.py", "perform_login"): "what the others call",
    ("sso/views/flow.py", "enter"): "own way",
    ("sso/views/mailed.py", "enter"): "sso:mailed-code POST",
    ("sso/views/passkeys.py", "enter"): "sso:passkey-login POST",
    ("sso/views/social.py", "enter"): "sso:social-callback GET (google)",
}
OPENERS = {"begin", "open_session", "enter", "perform_login", "resume_login", "login", "django_login", "force_login"}


def public_routes() -> set[str]:
    found = set()
    for route in all_routes():
        if route.path.startswith("/admin/"):
            continue  # staff's pages ask for a session first
        if any(access.kind == AccessKind.PUBLIC for access in route.methods().values()):
            found.add(route.name)
    return found


def test_every_public_route_is_a_way_in_that_is_tried_or_none_at_all():
    tried = {name.split(" ")[0] for name in WAYS}
    unknown = public_routes() - tried - set(OWN_WAYS) - set(NO_WAYS)
    assert not unknown, f"Give {sorted(unknown)} a row in WAYS, or a reason why nobody gets in that way."
    assert not (set(OWN_WAYS) | set(NO_WAYS)) - public_routes(), "a row of a route that is gone"
    assert tried & set(NO_WAYS) == set()


def calls_that_begin_sessions() -> set[tuple[str, str]]:
    found = set()
    for app in ("audit", "orgs", "projects", "keys", "sso", "webhooks", "config"):
        for source in (ROOT / app).rglob("*.py"):
            tree = ast.parse(source.read_text())
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call):
                    continue
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                owner = getattr(getattr(node.func, "value", None), "id", "")
                if name in OPENERS and not (name == "begin" and owner != "browser_sessions"):
                    found.add((str(source.relative_to(ROOT)), name))
    return found


def test_every_place_that_begins_a_session_is_known():
    known = set(SESSIONS_BEGIN_IN) | BESIDES
    assert calls_that_begin_sessions() == known
    assert {row for row in SESSIONS_BEGIN_IN.values() if " POST" in row or " GET" in row} <= set(WAYS)


# What is only called alike.
BESIDES = {
    ("config/admin.py", "login"),
    ("sso/adapter.py", "login"),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_past_single_sign_on(world: World, way: str):
    answers = WAYS[way](world)
    assert world.began
    # Refused.
    for browser in world.browsers:
        assert browser.get("/profile/").status_code in (302, 403), "somebody is in"
        assert browser.get("/profile/").status_code == 302, "the session outlived its end"
    assert not BrowserSession.objects.filter(user__isnull=False).exists()
    assert not TokenSession.objects.living().exists()
    for answer in answers:
        assert "access_token" not in answer.content.decode()
        assert answer.status_code != 200 or "/login/" in answer.request["PATH_INFO"] or is_page(answer)
    # Unrevealing: the same for the right credential and a wrong one, and nowhere whose rule it is.
    for answer in answers[1:]:
        assert picture(answer) == picture(answers[0])
    # Audited, where the organization looks and where the operator does.
    for organization_id in (world.cast.acme.id, INSTALLATION_ID):
        with tenant_scope(organization_id):
            events = AuditEvent.objects.filter(event="user.sign_in_refused", result="refused")
            assert events.exists(), f"not in the log of {organization_id}"


def is_page(answer: Any) -> bool:
    return answer["Content-Type"].startswith("text/html")


def picture(answer: Any) -> tuple[int, str, str]:
    """An answer without what differs between two that are alike."""
    text = re.sub(r"[\w.]+@acme\.example", "ADDRESS", answer.content.decode())
    return answer.status_code, answer.get("Location", ""), without_what_varies(text)


def test_a_code_of_allauths_own_is_never_issued(world: World):
    world.switch_on()
    browser = world.browser()
    with world.delivering():
        answer = browser.post("/login/code/confirm/", {"code": "123456"})
    assert answer.status_code == 302
    assert not world.mails
    assert browser.get("/profile/").status_code == 302


def test_keys_of_the_organization_go_on_working(world: World):
    world.switch_on()
    assert JSONClient(world.cast.secret_key).get("/api/v1/whoami").status_code == 200
