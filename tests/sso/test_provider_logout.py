"""The provider tells us that somebody signed out there (OpenID Connect Back-Channel Logout 1.0)."""

import base64
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
import requests
import time_machine
from django.test import Client
from django.utils import timezone
from lxml import html

from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import tenant_scope
from keys.models import TokenSession
from keys.services.sessions import open_session
from orgs.models import BrowserSession, User
from sso.models import Connection, HandoverToken
from tests.cast import Cast
from tests.identity_providers.connecting import (
    CLIENT_ID,
    CLIENT_SECRET,
    connect_openid,
    log_of,
    path_of,
    prove_domain,
    start,
)
from tests.identity_providers.running import OpenIDProvider, fields_of

pytestmark = pytest.mark.xdist_group("identity providers")


@pytest.fixture
def told() -> Iterator[tuple[str, list[str]]]:
    """Where a provider's logout tokens arrive, and those that did."""
    tokens: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            tokens.extend(parse_qs(body)["logout_token"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", tokens
    server.shutdown()
    server.server_close()


@pytest.fixture
def connection(cast: Cast, openid: OpenIDProvider, told: tuple[str, list[str]]) -> Connection:
    prove_domain(cast.acme, "acme.example")
    openid.say(accounts={"sub-dora": {"email": "dora@acme.example"}, "sub-adam": {"email": "adam@acme.example"}})
    connection = connect_openid(cast.acme, openid)
    openid.register(
        CLIENT_ID, CLIENT_SECRET, [f"http://127.0.0.1:8000/sso/{connection.public_id}/callback"],
        backchannel_logout_uri=told[0], backchannel_logout_session_required=True,
    )  # fmt: skip
    return connection


def come(connection: Connection, openid: OpenIDProvider, login: str) -> tuple[Client, requests.Session]:
    """Our browser and the provider's cookies of somebody who is signed in at both."""
    browser, there = Client(), requests.Session()
    answer = browser.get(path_of(openid.walk(start(browser, connection), login, session=there)))
    assert answer.status_code == 302
    return browser, there


def sign_out_there(openid: OpenIDProvider, there: requests.Session) -> None:
    """By the provider's own page, which tells every client."""
    page = there.get(f"{openid.issuer}/session/end")
    form = html.fromstring(page.text).forms[0]
    there.post(form.action, data={**fields_of(form), "logout": "yes"}).raise_for_status()


def logout(connection: Connection, token: str) -> Any:
    return Client().post(f"/sso/{connection.public_id}/logout", {"logout_token": token})


def test_signing_out_there_ends_that_session_here_at_once(
    cast: Cast, openid: OpenIDProvider, connection: Connection, told: tuple[str, list[str]]
):
    first, there = come(connection, openid, "sub-dora")
    second, _ = come(connection, openid, "sub-dora")
    adam, _ = come(connection, openid, "sub-adam")
    sign_out_there(openid, there)
    [token] = told[1]
    answer = logout(connection, token)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert first.get("/orgs/acme/").status_code == 302
    assert second.get("/orgs/acme/").status_code == 200
    assert adam.get("/orgs/acme/").status_code == 200
    entry = log_of(cast.acme)[0]
    assert (entry.outcome, entry.subject) == ("signed_out", "sub-dora")
    again = logout(connection, token)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_request")
    assert log_of(cast.acme)[0].code == "replayed"


def test_a_logout_of_the_subject_ends_everything_of_theirs(
    cast: Cast, openid: OpenIDProvider, connection: Connection, told: tuple[str, list[str]]
):
    dora, there = come(connection, openid, "sub-dora")
    other, _ = come(connection, openid, "sub-dora")
    adam, _ = come(connection, openid, "sub-adam")
    programs = [
        open_session(user=user, method=Method.SSO, organization="acme", sso_organization_id=cast.acme.id)
        for user in (cast.developer, cast.admin)
    ]
    assert len(programs) == 2
    sign_out_there(openid, there)
    openid.say(id_token={"claims": {}})
    claims = jwt.decode(told[1][0], options={"verify_signature": False})
    del claims["sid"]
    token = resigned(openid, claims | {"jti": "another"})
    assert logout(connection, token).status_code == 200
    assert not BrowserSession.objects.filter(user=cast.developer).exists()
    assert adam.get("/orgs/acme/").status_code == 200
    living = TokenSession.objects.living().values_list("user_id", flat=True)
    assert set(living) == {cast.admin.id}
    assert {dora.get("/orgs/acme/").status_code, other.get("/orgs/acme/").status_code} == {302}


def resigned(openid: OpenIDProvider, claims: dict[str, Any], **header: Any) -> str:
    """What the provider's own key signs."""
    answer = requests.post(f"{openid.issuer}/_sign", json={"claims": claims, "header": header})
    answer.raise_for_status()
    return answer.text


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "for another client": ({"aud": "another"}, {}, "audience_mismatch"),
    "by another issuer": ({"iss": "https://evil.example"}, {}, "issuer_mismatch"),
    "with a nonce": ({"nonce": "n"}, {}, "malformed"),
    "an ID token": ({"events": None}, {}, "claim_missing"),
    "about another event": ({"events": {"http://schemas.openid.net/event/other": {}}}, {}, "claim_missing"),
    "about nobody": ({"sub": None, "sid": None}, {}, "claim_missing"),
    "without an id": ({"jti": None}, {}, "claim_missing"),
    "too old": ({"iat": 1_700_000_000}, {}, "expired"),
    "of a time that is a text": ({"iat": "1700000000"}, {}, "malformed"),
    "of a time before all times": ({"iat": -1e20}, {}, "malformed"),
    "about a session with NUL": ({"sub": None, "sid": "\0"}, {}, "claim_missing"),
    "over": ({"exp": 1_700_000_000}, {}, "expired"),
    "of another type": ({}, {"typ": "at+jwt"}, "malformed"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_logout_token_ends_nothing(
    cast: Cast, openid: OpenIDProvider, connection: Connection, told: tuple[str, list[str]], case: str
):
    browser, there = come(connection, openid, "sub-dora")
    sign_out_there(openid, there)
    claims = jwt.decode(told[1][0], options={"verify_signature": False})
    changes, header, code = WRONG[case]
    changed = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    answer = logout(connection, resigned(openid, changed, **header))
    assert answer.status_code == 400
    entry = log_of(cast.acme)[0]
    assert (entry.outcome, entry.code) == ("refused", code), entry.detail
    assert entry.detail not in answer.content.decode()
    assert browser.get("/orgs/acme/").status_code == 200
    # The very same token as the provider wrote it is taken.
    assert logout(connection, told[1][0]).status_code == 200


def test_an_unsigned_logout_and_one_for_another_connection_end_nothing(
    cast: Cast,
    openid: OpenIDProvider,
    other_openid: OpenIDProvider,
    connection: Connection,
    told: tuple[str, list[str]],
):
    browser, there = come(connection, openid, "sub-dora")
    second = connect_openid(cast.acme, other_openid, name="Second")
    sign_out_there(openid, there)
    claims = jwt.decode(told[1][0], options={"verify_signature": False})
    assert logout(connection, jwt.encode(claims, "", algorithm="none")).status_code == 400
    assert logout(second, told[1][0]).status_code == 400
    assert logout(connection, "").status_code == 400
    listed = base64.urlsafe_b64encode(b'{"alg": ["RS256"], "typ": "logout+jwt"}').decode()
    assert logout(connection, f"{listed}.e30.AA").status_code == 400
    assert browser.get("/orgs/acme/").status_code == 200
    assert User.objects.get(id=cast.developer.id).is_active
    with time_machine.travel(timezone.now() + timedelta(minutes=12)):
        assert logout(connection, told[1][0]).status_code == 400
    with tenant_scope(cast.acme.id):
        assert Connection.objects.count() == 2


def test_with_a_session_go_the_programs_that_were_handed_it(
    cast: Cast, openid: OpenIDProvider, connection: Connection, told: tuple[str, list[str]]
):
    _, there = come(connection, openid, "sub-dora")
    for _ in range(2):
        open_session(user=cast.developer, method=Method.SSO, organization="acme", sso_organization_id=cast.acme.id)
    handed, other = TokenSession.objects.filter(user=cast.developer).order_by("id")
    session = BrowserSession.objects.get(user=cast.developer)
    with tenant_scope(cast.acme.id):
        HandoverToken.objects.create(
            project=cast.project, user=cast.developer, digest=b"d" * 32, address="https://app.acme.example/",
            sign_in={}, browser_session_id=session.id, expires_at=timezone.now(), token_session_id=handed.id,
        )  # fmt: skip
    sign_out_there(openid, there)
    assert logout(connection, told[1][0]).status_code == 200
    assert [row.id for row in TokenSession.objects.living().filter(user=cast.developer)] == [other.id]
