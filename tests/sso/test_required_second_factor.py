"""An organization that asks for a second factor: who is led to give one, who is refused, and who is not asked."""

from typing import Any

import pytest
from django.test import Client

from audit.models import AuditEvent
from config.kernel.sign_in import Method, SecondFactor
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys.models import TokenSession
from keys.services.sessions import open_session
from orgs.models import Passkey, SignInPolicy, TOTPDevice, User
from orgs.services.recovery_codes import make_recovery_codes
from orgs.services.second_factor import new_device
from tests.authenticators import code_of
from tests.browsers import signed_in
from tests.cast import PASSWORD, Cast
from tests.conftest import JSONClient

PAGE = "/login/second-factor/"


@pytest.fixture(autouse=True)
def _asks(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        SignInPolicy.objects.create(require_second_factor=True)


def led(answer: Any) -> bool:
    return answer.status_code == 302 and answer["Location"].startswith(PAGE)


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "viewer"])
def test_members_without_one_are_led_to_set_one_up_and_come_back(cast: Cast, role: str):
    browser = signed_in(Client(), cast.member(role))
    answer = browser.get("/orgs/acme/members/?q=ada")
    assert answer["Location"] == f"{PAGE}?next=%2Forgs%2Facme%2Fmembers%2F%3Fq%3Dada"
    page = browser.get(answer["Location"])
    text = page.content.decode()
    assert "Acme asks for a second factor" in text
    assert "/profile/security/authenticator/?next=%2Forgs%2Facme%2Fmembers%2F%3Fq%3Dada" in text
    set_up = "/profile/security/authenticator/?next=%2Forgs%2Facme%2Fmembers%2F%3Fq%3Dada"
    browser.get(set_up)
    made = browser.post(set_up, {"code": code_of(TOTPDevice.objects.get())})
    assert 'href="/orgs/acme/members/?q=ada"' in made.content.decode()
    assert browser.get("/orgs/acme/members/").status_code == 200


def test_nothing_of_the_organization_opens_before(cast: Cast):
    browser = signed_in(Client(), cast.owner)
    paths = ["/orgs/acme/", "/orgs/acme/members/", "/orgs/acme/projects/", "/orgs/acme/settings/", "/orgs/acme/audit/"]
    paths += [f"/orgs/acme/projects/{cast.project.public_id}/", "/orgs/acme/roles/", "/orgs/acme/keys/"]
    for path in paths:
        assert led(browser.get(path)), path
    assert led(browser.post("/orgs/acme/settings/", {"name": "Taken"}))
    cast.acme.refresh_from_db()
    assert cast.acme.name == "Acme"
    assert browser.get("/profile/").status_code == 200
    panel = browser.get("/orgs/acme/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/orgs/acme/"})
    assert (panel.status_code, panel["HX-Redirect"]) == (403, f"{PAGE}?next=%2Forgs%2Facme%2F")


def test_who_has_one_gives_it_in_this_session(cast: Cast):
    device = new_device(user=cast.owner, confirmed=True)
    browser = signed_in(Client(), cast.owner)
    answer = browser.get("/orgs/acme/")
    assert led(answer)
    assert browser.post(answer["Location"], {"code": code_of(device)})["Location"] == "/orgs/acme/"
    assert browser.get("/orgs/acme/").status_code == 200


@pytest.mark.parametrize("factor", list(SecondFactor))
def test_every_kind_counts(cast: Cast, factor: SecondFactor):
    browser = signed_in(Client(), cast.viewer, second_factor=factor)
    assert browser.get("/orgs/acme/").status_code == 200


def test_through_its_own_identity_provider_nobody_is_asked_through_anothers_everybody(cast: Cast):
    own = signed_in(Client(), cast.viewer, method=Method.SSO, organization_id=cast.acme.id, connection_id=new_id())
    assert own.get("/orgs/acme/").status_code == 200
    other = signed_in(Client(), cast.viewer, method=Method.SSO, organization_id=cast.globex.id, connection_id=new_id())
    assert led(other.get("/orgs/acme/"))


def test_other_organizations_and_strangers_see_no_difference(cast: Cast):
    outsider = signed_in(Client(), cast.outsider)
    assert outsider.get("/orgs/globex/").status_code == 200
    assert outsider.get("/orgs/acme/").status_code == 404
    assert JSONClient(cast.token(cast.outsider)).get("/api/v1/orgs/acme").status_code == 404


@pytest.mark.parametrize("role", ["owner", "viewer"])
def test_personal_tokens_of_whoever_has_none_are_refused(cast: Cast, role: str):
    user = cast.member(role)
    program = JSONClient(cast.token(user))
    refused = program.get("/api/v1/orgs/acme")
    assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_required")
    assert program.get("/api/v1/whoami").status_code == 200
    Passkey.objects.create(user=user, name="Laptop", credential_id=b"1", public_key=b"")
    assert program.get("/api/v1/orgs/acme").status_code == 200


def test_programs_sessions_are_refused_alike(cast: Cast):
    issued = open_session(user=cast.developer, method=Method.PASSWORD)
    program = JSONClient(issued.access_token)
    assert program.get("/api/v1/orgs/acme/projects").json()["code"] == "second_factor_required"
    new_device(user=cast.developer, confirmed=True)
    assert program.get("/api/v1/orgs/acme/projects").status_code == 200


def test_signing_a_program_in_to_the_organization_fails_like_every_sign_in(cast: Cast):
    body = {"email": cast.viewer.email, "password": PASSWORD, "organization": "acme"}
    refused = JSONClient().post("/api/v1/auth/login", body)
    wrong = JSONClient().post("/api/v1/auth/login", {**body, "password": "wrong"})
    assert refused.status_code == 401
    assert (refused.status_code, refused.content) == (wrong.status_code, wrong.content)
    assert not TokenSession.objects.exists()
    with tenant_scope(INSTALLATION_ID):
        failed = AuditEvent.objects.filter(event="user.sign_in_failed")
        assert [event.result for event in failed] == ["refused", "refused"]
    device = new_device(user=cast.viewer, confirmed=True)
    assert JSONClient().post("/api/v1/auth/login", {**body, "otp": code_of(device)}).status_code == 200


def test_keys_of_the_organization_go_on_working(cast: Cast):
    assert JSONClient(cast.secret_key).get("/api/v1/orgs/acme").status_code == 200


def login(user: User, **body: str) -> Any:
    return JSONClient().post("/api/v1/auth/login", {"email": user.email, "password": PASSWORD, **body})


def test_programs_sign_in_with_a_recovery_code(cast: Cast):
    Passkey.objects.create(user=cast.owner, name="Laptop", credential_id=b"1", public_key=b"")
    code = make_recovery_codes(actor=cast.principal(cast.owner), user=cast.owner)[0]
    assert login(cast.owner).status_code == 401, "in without the second factor"
    assert login(cast.owner, otp="123456").status_code == 401
    assert login(cast.owner, otp=code).status_code == 200
    assert login(cast.owner, otp=code).status_code == 401, "used twice"


def test_admins_see_who_has_one(cast: Cast):
    new_device(user=cast.admin, confirmed=True)
    admin = signed_in(Client(), cast.admin, second_factor=SecondFactor.TOTP)
    text = admin.get("/orgs/acme/members/").content.decode()
    assert text.count("Set up</span>") == 1
    assert text.count("Missing</span>") == 3
    viewer = signed_in(Client(), cast.viewer, second_factor=SecondFactor.TOTP)
    assert "Second factor</th>" not in viewer.get("/orgs/acme/members/").content.decode()
