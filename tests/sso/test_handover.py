"""Handing a person over to a product: the way through the browser, and the exchange behind it."""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.principals import SYSTEM
from config.kernel.sign_in import Method, SecondFactor
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import tenant_scope
from keys.models import TokenSession
from keys.services.keys import create_key
from orgs.models import EmailDomain, Membership, SignInPolicy, SsoSignIn, User
from orgs.services.browser_sessions import end_all
from orgs.services.members import remove_member
from orgs.services.users import disable_user
from projects.services.projects import archive_project, create_project
from sso.models import HandoverAddress, HandoverToken
from sso.services.handover_addresses import remove_handover_address
from sso.tidying import tidy
from tests.api.rows import everything
from tests.at_once import at_once
from tests.browsers import signed_in
from tests.cast import Cast
from tests.conftest import JSONClient
from tests.gateway import make_gateway
from tests.texts import without_what_varies

START, EXCHANGE = "/sso/handover/", "/api/v1/sso/handover/exchange"
ADDRESS = "https://app.acme.example/signed-in"
REFUSED = {
    "type": "about:blank",
    "title": "Handover refused",
    "status": 400,
    "code": "handover_refused",
    "detail": "Send the person through the handover once more: this code, for this project and address, is not good.",
}


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Product:
    """The product behind a project: what it sends people with, and its server."""

    project: str
    secret_key: str
    address: str = ADDRESS
    verifier: str = "v" * 43

    def question(self, **changes: str | None) -> str:
        """The query with which it sends somebody; None leaves a parameter out."""
        asked = {
            "project": self.project,
            "redirect_uri": self.address,
            "state": "s 1&2",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
            **changes,
        }
        return urlencode({name: value for name, value in asked.items() if value is not None})

    def start(self, browser: Client, **changes: str | None) -> Any:
        return browser.get(f"{START}?{self.question(**changes)}")

    def code(self, browser: Client, **changes: str | None) -> str:
        """What a browser that is signed in brings."""
        answer = self.start(browser, **changes)
        assert answer.status_code == 302, answer.content
        return parse_qs(urlsplit(answer["Location"]).query)["code"][0]

    def exchange(self, code: str, **changes: Any) -> Any:
        headers = changes.pop("headers", {})
        key = changes.pop("key", self.secret_key)
        body = {"code": code, "redirect_uri": self.address, "code_verifier": self.verifier, **changes}
        body = {name: value for name, value in body.items() if value is not None}
        return JSONClient(key).post(EXCHANGE, body, **headers)


def product_of(cast: Cast) -> Product:
    with tenant_scope(cast.acme.id):
        HandoverAddress.objects.create(project=cast.project, address=ADDRESS, created_by=cast.owner.public_id)
    return Product(cast.project.public_id, cast.secret_key)


@pytest.fixture
def product(cast: Cast) -> Product:
    return product_of(cast)


def refusals(cast: Cast) -> list[str]:
    """The causes on record, the oldest first."""
    with tenant_scope(cast.acme.id):
        rows = AuditEvent.objects.filter(event="handover.refused", result="refused").order_by("id")
        return [row.data["cause"] for row in rows]


def is_refused(answer: Any) -> bool:
    return (answer.status_code, answer.json()) == (400, REFUSED)


# -- the way through the browser -------------------------------------------------------------------------------------
def test_a_member_comes_back_to_the_product_with_a_code_and_the_state(cast, browse, product):
    answer = product.start(browse(cast.viewer))
    assert answer.status_code == 302
    address, _, query = answer["Location"].partition("?")
    assert address == ADDRESS
    brought = dict(parse_qsl(query))
    assert set(brought) == {"code", "state"}
    assert brought["state"] == "s 1&2"
    assert len(brought["code"]) >= 43
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer["Cache-Control"]
    with tenant_scope(cast.acme.id):
        row = HandoverToken.objects.get()
    assert bytes(row.digest) == hashlib.sha256(brought["code"].encode()).digest()
    assert timedelta(seconds=55) < row.expires_at - timezone.now() <= timedelta(seconds=60)


def test_what_an_address_asks_for_already_is_kept_and_a_state_that_was_not_sent_is_not_made_up(cast, browse, product):
    with tenant_scope(cast.acme.id):
        HandoverAddress.objects.create(project=cast.project, address=f"{ADDRESS}?a=b", created_by="usr_x")
    answer = product.start(browse(cast.viewer), redirect_uri=f"{ADDRESS}?a=b", state=None)
    assert answer["Location"].startswith(f"{ADDRESS}?a=b&code=")
    assert "state" not in answer["Location"]


@pytest.mark.parametrize("address", [
    "https://evil.example/", "", f"{ADDRESS}/", f"{ADDRESS}?", ADDRESS.upper(), f"{ADDRESS}#x", "https://app.acme.example",
    "https://app.acme.example/signed-in@evil.example", "https://app.acme.example/other", "http://app.acme.example/signed-in",
    "//evil.example", "/profile/", "javascript:alert(1)", f"{ADDRESS}\x00", f" {ADDRESS}", "https://app.acme.example./signed-in",
])  # fmt: skip
def test_an_address_that_is_not_registered_is_an_error_page_and_never_a_redirect(cast, browse, product, address):
    browser = browse(cast.viewer)
    before = everything()
    answer = product.start(browser, redirect_uri=address)
    assert (answer.status_code, "Location" in answer) == (400, False)
    assert "not registered for its project" in answer.content.decode()
    assert not re.findall(r"(?:href|action|src)=\S*evil", answer.content.decode())
    assert everything() == before
    assert not token_rows(cast)


def token_rows(cast: Cast) -> int:
    with tenant_scope(cast.acme.id):
        return HandoverToken.objects.count()


def test_another_projects_address_counts_for_that_project_alone(cast, browse, product):
    with tenant_scope(cast.acme.id):
        other = create_project(actor=SYSTEM, name="Other", slug="other")
    assert product.start(browse(cast.viewer), project=other.public_id).status_code == 400


@pytest.mark.parametrize("changes", [
    {"code_challenge": "short"}, {"code_challenge": "ä" * 43}, {"code_challenge": "=" * 43},
    {"code_challenge": "v" * 44},
    {"code_challenge_method": "plain"}, {"code_challenge_method": ""}, {"state": "x" * 5000},
])  # fmt: skip
def test_a_question_that_makes_no_sense_is_an_error_page(cast, browse, product, changes):
    answer = product.start(browse(cast.viewer), **changes)
    assert (answer.status_code, "Location" in answer) == (400, False)
    assert not token_rows(cast)


def test_a_parameter_that_comes_twice_is_an_error_page(cast, browse, product):
    answer = browse(cast.viewer).get(f"{START}?{product.question()}&redirect_uri=https://evil.example/")
    assert (answer.status_code, "Location" in answer) == (400, False)


def test_to_somebody_else_a_project_looks_as_if_it_did_not_exist(cast, browse, product):
    with tenant_scope(cast.acme.id):
        archived = create_project(actor=SYSTEM, name="Old", slug="old")
        archive_project(actor=SYSTEM, project_id=archived.id)
    outsider = browse(cast.outsider)
    answers = [
        product.start(outsider),
        product.start(outsider, redirect_uri="https://evil.example/"),
        product.start(outsider, project="prj_01h455vb4pex5vsknk084sn02q"),
        product.start(outsider, project="x"),
        product.start(outsider, project=None),
        product.start(browse(cast.viewer), project=archived.public_id),
    ]
    assert {answer.status_code for answer in answers} == {404}
    texts = {without_request(answer) for answer in answers[:5]}
    assert len(texts) == 1
    assert not token_rows(cast)


def without_request(answer: Any) -> str:
    text = without_what_varies(answer.content.decode())
    return re.sub(r'name="next" value="[^"]*"', "", text)  # of the form that changes the colours


def test_a_stranger_is_led_to_sign_in_and_comes_back(cast, product):
    browser = Client()
    answer = product.start(browser)
    assert answer.status_code == 302
    path, _, query = answer["Location"].partition("?")
    assert path == "/login/"
    back = parse_qs(query)["next"][0]
    assert back == f"/sso/handover/continue/?{product.question()}"
    signed_in(browser, cast.viewer)
    page = browser.get(back)
    assert page.status_code == 200
    assert page["Refresh"] == f"0; url={START}?{product.question()}"
    assert "Rocket" in page.content.decode()
    assert browser.get(page["Refresh"].removeprefix("0; url=")).status_code == 302


def test_a_stranger_is_led_through_the_connection_that_the_product_names(cast, product):
    connection_id = "con_01h455vb4pex5vsknk084sn02q"
    answer = product.start(Client(), connection=connection_id)
    path, _, query = answer["Location"].partition("?")
    assert path == f"/sso/{connection_id}/start"
    assert parse_qs(query)["next"][0].startswith("/sso/handover/continue/?project=prj_")
    for strange in ("//evil.example", "x", "../admin", "con_x"):
        assert product.start(Client(), connection=strange).status_code == 404


def test_a_stranger_learns_nothing_of_projects_and_addresses(cast, product):
    for changes in ({"project": "prj_01h455vb4pex5vsknk084sn02q"}, {"redirect_uri": "https://evil.example/"}):
        answer = product.start(Client(), **changes)
        assert answer["Location"].startswith("/login/?next=%2Fsso%2Fhandover%2Fcontinue%2F")
    outsider = signed_in(Client(), cast.outsider)
    assert outsider.get(f"/sso/handover/continue/?{product.question()}").status_code == 404


def test_a_disabled_person_is_a_stranger(cast, browse, product):
    browser = browse(cast.viewer)
    disable_user(actor=SYSTEM, user=cast.viewer, reason="Gone")
    assert product.start(browser)["Location"].startswith("/login/")


def test_handovers_are_limited(cast, browse, product):
    browser = browse(cast.viewer)
    assert [product.start(browser).status_code for _ in range(31)] == [302] * 30 + [429]


# -- the exchange ----------------------------------------------------------------------------------------------------
def test_the_product_gets_who_it_is_how_they_signed_in_and_a_session(cast, browse, product):
    code = product.code(browse(cast.viewer))
    answer = product.exchange(code)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert body["user"] == {"id": cast.viewer.public_id, "email": "victor@acme.example", "name": "Victor"}
    assert body["organization"] == {"id": cast.acme.public_id, "slug": "acme", "name": "Acme"}
    assert body["project_id"] == cast.project.public_id
    assert body["sign_in"]["method"] == "password"
    assert body["sign_in"]["second_factor"] is None
    assert body["sign_in"]["connection_id"] is None
    assert datetime.now(UTC) - datetime.fromisoformat(body["sign_in"]["at"]) < timedelta(minutes=1)
    assert set(body["tokens"]) == {"access_token", "refresh_token", "expires_in", "token_type"}
    session = TokenSession.objects.get()
    assert (session.user_id, session.organization_id, session.method) == (cast.viewer.id, cast.acme.id, "password")
    assert body["session_id"] == session.public_id
    assert answer["Cache-Control"] == "no-store"
    with tenant_scope(cast.acme.id):
        (event,) = AuditEvent.objects.filter(event="handover.completed")
    assert (event.actor_id, event.target_id) == (cast.key.public_id, cast.viewer.public_id)
    assert event.data == {
        "project": cast.project.public_id, "address": ADDRESS, "method": "password", "session": session.public_id
    }  # fmt: skip
    assert code not in str(everything())


def test_the_session_works_in_this_organization_alone_and_is_refreshed(cast, browse, product):
    with tenant_scope(cast.globex.id):
        Membership.objects.create(user=cast.viewer, role="viewer")
    tokens = product.exchange(product.code(browse(cast.viewer))).json()["tokens"]
    program = JSONClient(tokens["access_token"])
    assert program.get("/api/v1/orgs/acme").json()["role"] == "viewer"
    assert program.get("/api/v1/orgs/globex").status_code == 404
    again = JSONClient().post("/api/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    assert again.status_code == 200


def test_the_identity_is_signed_for_the_project_and_verified_with_the_published_keys(cast, browse, product):
    token = product.exchange(product.code(browse(cast.viewer))).json()["identity_token"]
    keys = jwt.PyJWKSet.from_dict(Client().get("/.well-known/jwks.json").json())
    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"]) == ("handover+jwt", "EdDSA")
    options = {"require": ["exp", "iat", "sub", "jti"], "strict_aud": True}
    claims = jwt.decode(
        token, keys[header["kid"]], algorithms=["EdDSA"], audience=cast.project.public_id,
        issuer="http://127.0.0.1:8000", options=options,
    )  # fmt: skip
    assert claims["exp"] - claims["iat"] == 60
    expected = {
        "sub": cast.viewer.public_id, "email": "victor@acme.example", "name": "Victor", "org": cast.acme.public_id,
        "prj": cast.project.public_id, "sid": TokenSession.objects.get().public_id, "amr": ["password"],
        "purpose": "SSO_HANDOVER",
    }  # fmt: skip
    assert claims | expected == claims
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, keys[header["kid"]], algorithms=["EdDSA"], audience="prj_other", options=options)
    assert JSONClient(token).get("/api/v1/whoami").status_code == 401, "it is no credential"


def test_single_sign_on_and_a_second_factor_are_told(cast, product):
    connection_id = new_id()
    browser = signed_in(
        Client(), cast.viewer, method=Method.SSO, organization_id=cast.acme.id, connection_id=connection_id,
        second_factor=SecondFactor.TOTP,
    )  # fmt: skip
    body = product.exchange(product.code(browser)).json()
    assert body["sign_in"]["method"] == "sso"
    assert body["sign_in"]["second_factor"] == "totp"
    assert body["sign_in"]["connection_id"].startswith("con_")
    claims = jwt.decode(body["identity_token"], options={"verify_signature": False})
    assert claims["amr"] == ["sso", "totp"]
    session = TokenSession.objects.get()
    assert (session.method, session.sso_organization_id) == ("sso", cast.acme.id)


def test_a_handover_without_a_challenge_needs_no_verifier_and_takes_none(cast, browse, product):
    browser = browse(cast.viewer)
    plain = {"code_challenge": None, "code_challenge_method": None}
    assert is_refused(product.exchange(product.code(browser, **plain)))
    assert product.exchange(product.code(browser, **plain), code_verifier=None).status_code == 200


def test_a_code_that_comes_again_is_refused_and_ends_the_session(cast, browse, product):
    code = product.code(browse(cast.viewer))
    tokens = product.exchange(code).json()["tokens"]
    assert JSONClient(tokens["access_token"]).get("/api/v1/whoami").status_code == 200
    assert is_refused(product.exchange(code))
    assert JSONClient(tokens["access_token"]).get("/api/v1/whoami").status_code == 401
    refreshed = JSONClient().post("/api/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 401
    assert refusals(cast) == ["used"]


def test_a_used_code_ends_its_session_whatever_else_is_wrong_with_it(cast, browse, product):
    code = product.code(browse(cast.viewer))
    assert product.exchange(code).status_code == 200
    assert is_refused(product.exchange(code, code_verifier="w" * 43, redirect_uri="https://other.example/"))
    assert TokenSession.objects.get().ended_at is not None


def test_each_mistake_gets_the_very_same_refusal_and_uses_nothing_up(cast, browse, product):
    code = product.code(browse(cast.viewer))
    for changes, cause in (
        ({"redirect_uri": f"{ADDRESS}/"}, "other_address"),
        ({"code_verifier": "w" * 43}, "wrong_verifier"),
        ({"code_verifier": None}, "wrong_verifier"),
    ):
        assert is_refused(product.exchange(code, **changes)), cause
        assert refusals(cast)[-1] == cause
    for unknown in ("x", code[:-1], f"{code} ", code.swapcase()):
        assert is_refused(product.exchange(unknown))
        assert refusals(cast)[-1] == "unknown"
    assert not TokenSession.objects.exists()
    assert product.exchange(code).status_code == 200, "the code was good all the time"


def secret_key_of(cast: Cast, project: Any, permissions: list[str]) -> str:
    with tenant_scope(cast.acme.id):
        return create_key(
            actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=project.id, kind="secret",
            mode="live", name="Another", permissions=permissions,
        )[1]  # fmt: skip


def test_another_projects_key_and_another_organizations_are_refused(cast, browse, product):
    with tenant_scope(cast.acme.id):
        other = create_project(actor=SYSTEM, name="Other", slug="other")
    key = secret_key_of(cast, other, ["access:evaluate"])
    code = product.code(browse(cast.viewer))
    assert is_refused(product.exchange(code, key=key))
    assert refusals(cast) == ["other_project"]
    assert is_refused(product.exchange(code, key=cast.foreign_secret_key))
    assert refusals(cast) == ["other_project"], "the other organization has it on its own record"
    assert product.exchange(code).status_code == 200


def test_the_credential_must_carry_the_permission(cast, browse, product):
    code = product.code(browse(cast.viewer))
    lacking = product.exchange(code, key=secret_key_of(cast, cast.project, ["view_org"]))
    assert (lacking.status_code, lacking.json()["permission"]) == (403, "access:evaluate")
    assert product.exchange(code, key=cast.token(cast.owner)).status_code == 403
    for key in (None, cast.publishable_key, "sk_live_" + "0" * 32):
        assert product.exchange(code, key=key).status_code == 401
    assert product.exchange(code, key=secret_key_of(cast, cast.project, ["access:evaluate"])).status_code == 200


@pytest.mark.parametrize(("where", "status"), [("all", 200), ("project", 200), ("other project", 400), ("other", 403)])
def test_a_service_account_takes_people_over_where_it_was_granted_to(cast, browse, product, where, status):
    gateway = make_gateway(cast)
    with tenant_scope(cast.acme.id):
        other = create_project(actor=SYSTEM, name="Other", slug="other")
    project = {"project": cast.project, "other project": other}.get(where)
    gateway.grant(cast.acme, "view_org" if where == "other" else "access:evaluate", project=project)
    body = {"code": product.code(browse(cast.viewer)), "redirect_uri": ADDRESS, "code_verifier": product.verifier}
    assert gateway.ask("POST", EXCHANGE, body).status_code == 401, "it names no organization"
    answer = gateway.ask("POST", EXCHANGE, body, X_Organization_Id=cast.acme.public_id)
    assert answer.status_code == status, answer.content


def test_a_minute_later_a_code_is_no_longer_good(cast, browse, product):
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        early, late = product.code(browse(cast.viewer)), product.code(browse(cast.viewer))
        clock.shift(timedelta(seconds=59))
        assert product.exchange(early).status_code == 200
        clock.shift(timedelta(seconds=1))
        assert is_refused(product.exchange(late))
    assert refusals(cast) == ["late"]


def ended(cast: Cast) -> None:
    end_all(user_id=cast.viewer.id)


def removed(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        remove_member(actor=SYSTEM, user_id=cast.viewer.id)


def disabled(cast: Cast) -> None:
    disable_user(actor=SYSTEM, user=User.objects.get(id=cast.viewer.id), reason="Gone")


def enforced(cast: Cast) -> None:
    now = timezone.now()
    with tenant_scope(cast.acme.id):
        EmailDomain.objects.create(domain="acme.example", token="t", status="proven", proven_at=now)
        SignInPolicy.objects.create(
            enforcement="required", required_from=now - timedelta(days=2), confirmed_at=now - timedelta(days=1)
        )


def address_removed(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        row = HandoverAddress.objects.get()
        remove_handover_address(
            actor=cast.principal(cast.owner), project_id=cast.project.id, handover_address=row.public_id
        )


def unverified(cast: Cast) -> None:
    EmailAddress.objects.filter(user=cast.viewer).update(verified=False)


@pytest.mark.parametrize(
    "happens", [ended, removed, disabled, enforced, address_removed, unverified], ids=lambda function: function.__name__
)
def test_what_happens_between_the_code_and_the_exchange_counts(cast, browse, product, happens):
    code = product.code(browse(cast.viewer))
    happens(cast)
    assert is_refused(product.exchange(code))
    assert not TokenSession.objects.filter(ended_at=None).exists()
    assert len(refusals(cast)) == 1
    assert refusals(cast)[0] not in ("unknown", "used")
    assert is_refused(product.exchange(code)), "and it is used up"


def test_what_comes_from_single_sign_on_passes_where_that_is_required(cast, product):
    browser = signed_in(Client(), cast.viewer, method=Method.SSO, organization_id=cast.acme.id, connection_id=new_id())
    enforced(cast)
    with tenant_scope(cast.acme.id):  # what a sign-in through the connection notes
        SsoSignIn.objects.create(user=cast.viewer, connection_id=new_id(), last_at=timezone.now())
    code = product.code(browser)
    assert product.exchange(code).status_code == 200


def test_two_exchanges_at_once_open_one_session_which_the_second_ends(committed_cast):
    cast = committed_cast
    product = product_of(cast)
    code = product.code(signed_in(Client(), cast.viewer))
    answers = at_once([lambda: product.exchange(code) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    session = TokenSession.objects.get()
    assert session.ended_at is not None
    with tenant_scope(cast.acme.id):
        assert HandoverToken.objects.filter(used_at=None).count() == 0
        assert AuditEvent.objects.filter(event="handover.completed").count() == 1


def test_old_handovers_are_forgotten(cast, browse, product):
    product.code(browse(cast.viewer))
    tidy()
    assert token_rows(cast) == 1
    with time_machine.travel(datetime.now(UTC) + timedelta(days=1, minutes=2)):
        tidy()
    assert token_rows(cast) == 0
