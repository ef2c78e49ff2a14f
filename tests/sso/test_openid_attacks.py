"""Answers of an OpenID provider that nobody should believe: each refused, with its cause in the log."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import time_machine
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from config.kernel.tenancy.scope import tenant_scope
from orgs.encryption import seal
from orgs.models import User
from sso.models import Configuration, Connection
from tests.cast import Cast
from tests.identity_providers.connecting import come_by_openid, connect_openid, log_of, path_of, prove_domain, start
from tests.identity_providers.running import OpenIDProvider
from tests.sso.refusals import facts, require_refused

pytestmark = pytest.mark.xdist_group("identity providers")

NORA = {"email": "nora@acme.example", "name": "Nora"}


@pytest.fixture
def connection(cast: Cast, openid: OpenIDProvider) -> Connection:
    prove_domain(cast.acme, "acme.example")
    openid.say(accounts={"sub-nora": NORA})
    return connect_openid(cast.acme, openid)


LIES: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"id_token": {"claims": {"nonce": "another"}}}, "nonce_mismatch"),
    "no nonce": ({"id_token": {"claims": {"nonce": None}}}, "nonce_mismatch"),
    "another audience": ({"id_token": {"claims": {"aud": "another"}}}, "audience_mismatch"),
    "several audiences": ({"id_token": {"claims": {"aud": ["tenantry", "another"]}}}, "audience_mismatch"),
    "another party": ({"id_token": {"claims": {"azp": "another"}}}, "audience_mismatch"),
    "another issuer": ({"id_token": {"claims": {"iss": "https://evil.example"}}}, "issuer_mismatch"),
    "an end in the past": ({"id_token": {"claims": {"exp": 1_700_000_000}}}, "expired"),
    "a begin in the future": ({"id_token": {"claims": {"nbf": 4_000_000_000}}}, "not_yet_valid"),
    "no end": ({"id_token": {"claims": {"exp": None}}}, "claim_missing"),
    "no subject": ({"id_token": {"claims": {"sub": None}}}, "claim_missing"),
    "another access token": ({"id_token": {"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}}}, "token_mismatch"),
    "another key": ({"id_token": {"sign": "other"}}, "signature_invalid"),
    "a broken signature": ({"id_token": {"sign": "broken"}}, "signature_invalid"),
    "no signature": ({"id_token": {"sign": "none"}}, "algorithm_refused"),
    "our secret's algorithm": ({"id_token": {"sign": "hs256"}}, "algorithm_refused"),
    "userinfo of somebody else": ({"userinfo": {"sub": "sub-adam"}}, "subject_mismatch"),
    "a nonce that is no text": ({"id_token": {"claims": {"nonce": "\ud800"}}}, "nonce_mismatch"),
    "an address with NUL": ({"id_token": {"claims": {"email": "nora\0@acme.example"}}}, "email_missing"),
    "a subject with NUL": (
        {"id_token": {"claims": {"sub": "sub\0"}}, "userinfo": {"sub": "sub\0"}},
        "subject_missing",
    ),
    "a subject that is no text": (
        {"id_token": {"claims": {"sub": "\ud800"}}, "userinfo": {"sub": "\ud800"}},
        "subject_missing",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_provider_that_lies(cast: Cast, openid: OpenIDProvider, connection: Connection, lie: str):
    knobs, code = LIES[lie]
    browser = Client()
    asked = start(browser, connection)
    openid.say(**knobs)
    before = facts(cast)
    answer = browser.get(path_of(openid.walk(asked, "sub-nora")))
    require_refused(cast, answer, code, before, status=(403, 502))


def answer_of(openid: OpenIDProvider, asked: str, **changes: str | None) -> str:
    """Our path that the provider leads back to, with these parameters changed, or left out by None."""
    parts = urlsplit(openid.walk(asked, "sub-nora"))
    query = {**dict(parse_qsl(parts.query)), **changes}
    return f"{parts.path}?{urlencode({name: value for name, value in query.items() if value is not None})}"


@pytest.mark.parametrize("state", ["another", "", None])
def test_another_state(cast: Cast, openid: OpenIDProvider, connection: Connection, state: str | None):
    browser = Client()
    path = answer_of(openid, start(browser, connection), state=state)
    require_refused(cast, browser.get(path), "state_unknown", facts(cast))


def test_a_state_works_in_its_own_browser_once_and_for_ten_minutes(
    cast: Cast, openid: OpenIDProvider, connection: Connection
):
    browser, other = Client(), Client()
    path, before = answer_of(openid, start(browser, connection)), facts(cast)
    start(other, connection)
    require_refused(cast, other.get(path), "state_unknown", before)
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        require_refused(cast, browser.get(path), "state_unknown", before)
    path = answer_of(openid, start(browser, connection))
    assert browser.get(path).status_code == 302
    require_refused(cast, browser.get(path), "state_unknown", facts(cast))


def test_a_code_of_another_browser_fits_no_other_sign_in(cast: Cast, openid: OpenIDProvider, connection: Connection):
    """Code injection: PKCE binds the code to the browser that asked."""
    victim, thief = Client(), Client()
    stolen = dict(parse_qsl(urlsplit(openid.walk(start(victim, connection), "sub-nora")).query))["code"]
    path = answer_of(openid, start(thief, connection), code=stolen)
    require_refused(cast, thief.get(path), "code_refused", facts(cast))


@pytest.mark.parametrize("issuer", ["https://evil.example", None])
def test_an_answer_in_the_name_of_another_issuer_or_of_none(
    cast: Cast, openid: OpenIDProvider, connection: Connection, issuer: str | None
):
    browser = Client()
    path = answer_of(openid, start(browser, connection), iss=issuer)
    require_refused(cast, browser.get(path), "issuer_mismatch", facts(cast))


def test_an_answer_of_one_connection_is_none_of_another(
    cast: Cast, openid: OpenIDProvider, other_openid: OpenIDProvider, connection: Connection
):
    """Mix-up: what one provider sent is not taken to another."""
    second = connect_openid(cast.acme, other_openid, name="Second")
    browser = Client()
    path = answer_of(openid, start(browser, connection)).replace(connection.public_id, second.public_id)
    start(browser, second)
    require_refused(cast, browser.get(path), "state_unknown", facts(cast))


def test_two_organizations_with_one_client_id_and_one_subject_stay_apart(
    cast: Cast, openid: OpenIDProvider, other_openid: OpenIDProvider, connection: Connection
):
    prove_domain(cast.globex, "globex.example")
    other_openid.say(accounts={"sub-nora": {"email": "nils@globex.example", "name": "Nils"}})
    foreign = connect_openid(cast.globex, other_openid)
    here, there = Client(), Client()
    assert come_by_openid(here, connection, openid, "sub-nora").status_code == 302
    assert come_by_openid(there, foreign, other_openid, "sub-nora").status_code == 302
    assert here.session["_auth_user_id"] == str(User.objects.get(email="nora@acme.example").id)
    assert there.session["_auth_user_id"] == str(User.objects.get(email="nils@globex.example").id)
    assert there.get("/orgs/acme/").status_code == 404
    assert len(log_of(cast.acme)) == len(log_of(cast.globex)) == 1


def test_a_provider_of_another_organization_speaks_for_nobody_here(
    cast: Cast, other_openid: OpenIDProvider, connection: Connection
):
    """Globex's provider says that somebody has an address of Acme's."""
    prove_domain(cast.globex, "globex.example")
    other_openid.say(accounts={"sub-thief": {"email": "olivia@acme.example", "email_verified": True}})
    foreign = connect_openid(cast.globex, other_openid)
    before = facts(cast)
    assert come_by_openid(Client(), foreign, other_openid, "sub-thief").status_code == 403
    assert log_of(cast.globex)[0].code == "domain_not_proven"
    assert facts(cast) == before


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:x"])
def test_next_leads_nowhere_else(cast: Cast, openid: OpenIDProvider, connection: Connection, elsewhere: str):
    query = f"?{urlencode({'next': elsewhere})}"
    answer = come_by_openid(Client(), connection, openid, "sub-nora", query)
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_parameters_of_the_start_do_not_reach_the_provider(cast: Cast, openid: OpenIDProvider, connection: Connection):
    address = start(Client(), connection, "?client_id=x&redirect_uri=https://evil.example&state=known&scope=all")
    asked = dict(parse_qsl(urlsplit(address).query))
    assert asked["client_id"] == "tenantry"
    assert asked["redirect_uri"] == f"{settings.TENANTRY_URL}/sso/{connection.public_id}/callback"
    assert asked["state"] != "known"
    assert len(asked["state"]) == len(asked["nonce"]) == len(asked["code_challenge"]) == 43
    assert asked["code_challenge_method"] == "S256"


def test_the_person_cancels(cast: Cast, openid: OpenIDProvider, connection: Connection):
    browser = Client()
    path = path_of(openid.walk(start(browser, connection), "sub-nora", cancel=True))
    require_refused(cast, browser.get(path), "provider_refused", facts(cast))
    assert "access_denied" in log_of(cast.acme)[0].detail


def test_an_error_that_no_log_can_keep(cast: Cast, openid: OpenIDProvider, connection: Connection):
    browser = Client()
    path = answer_of(openid, start(browser, connection), code=None, error="a\0b", error_description="\0")
    require_refused(cast, browser.get(path), "provider_refused", facts(cast))


def test_a_provider_out_of_order(cast: Cast, openid: OpenIDProvider, connection: Connection):
    openid.say(status={"/.well-known/openid-configuration": 503})
    browser, before = Client(), facts(cast)
    answer = browser.get(f"/sso/{connection.public_id}/start")
    require_refused(cast, answer, "provider_unreachable", before, status=(502,))
    openid.say()
    asked = start(browser, connection)
    path = path_of(openid.walk(asked, "sub-nora"))
    openid.say(status={"/token": 500})
    require_refused(cast, browser.get(path), "provider_unreachable", before, status=(502,))


def test_a_provider_that_is_not_there(cast: Cast, openid: OpenIDProvider, connection: Connection):
    with tenant_scope(cast.acme.id):
        Configuration.objects.update(issuer="http://localhost:9")
    answer = Client().get(f"/sso/{connection.public_id}/start")
    require_refused(cast, answer, "provider_unreachable", facts(cast), status=(502,))


def test_a_provider_that_calls_itself_otherwise(cast: Cast, openid: OpenIDProvider, connection: Connection):
    openid.say(discovery={"issuer": "https://evil.example"})
    answer = Client().get(f"/sso/{connection.public_id}/start")
    require_refused(cast, answer, "provider_unusable", facts(cast), status=(502,))


def test_a_wrong_client_secret_is_named(cast: Cast, openid: OpenIDProvider, connection: Connection):
    with tenant_scope(cast.acme.id):
        configuration = Configuration.objects.get()
        seal(configuration, "client_secret", "wrong")
        configuration.save()
    answer = come_by_openid(Client(), connection, openid, "sub-nora")
    require_refused(cast, answer, "client_refused", facts(cast), status=(502,))


def test_a_configuration_that_was_replaced_meanwhile(cast: Cast, openid: OpenIDProvider, connection: Connection):
    browser = Client()
    asked = start(browser, connection)
    with tenant_scope(cast.acme.id):
        Configuration.objects.update(state="retired")
        row = Configuration(connection=connection, number=2, state="live", issuer=openid.issuer, client_id="tenantry")
        row.save()
    answer = browser.get(path_of(openid.walk(asked, "sub-nora")))
    require_refused(cast, answer, "configuration_changed", facts(cast))


def test_what_the_provider_publishes_is_fetched_once_in_a_while(
    cast: Cast, openid: OpenIDProvider, connection: Connection
):
    assert come_by_openid(Client(), connection, openid, "sub-nora").status_code == 302
    openid.say(status={"/.well-known/openid-configuration": 503, "/jwks": 503})
    assert come_by_openid(Client(), connection, openid, "sub-nora").status_code == 302
    cache.clear()
    openid.say()


def test_a_saml_step_is_none_of_an_openid_connection(cast: Cast, connection: Connection):
    for step in ("acs", "finish", "metadata"):
        method = Client().post if step == "acs" else Client().get
        assert method(f"/sso/{connection.public_id}/{step}").status_code == 404
    assert Client().get("/sso/con_01h455vb4pex5vsknk084sn02q/start").status_code == 404
    assert log_of(cast.acme) == []
