"""Proving oneself again at the identity provider, for what needs a fresh proof."""

import base64
import zlib
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.test import Client
from django.utils import timezone
from lxml import etree

from config.kernel.sign_in import SignIn
from orgs.models import BrowserSession
from sso.addresses import acs_url
from sso.models import Connection
from tests.cast import Cast
from tests.identity_providers.connecting import (
    come_by_openid,
    come_by_saml,
    connect_openid,
    connect_saml,
    log_of,
    path_of,
    prove_domain,
    start,
)
from tests.identity_providers.running import OpenIDProvider, SamlProvider
from tests.sso.refusals import facts, require_refused

pytestmark = pytest.mark.xdist_group("identity providers")

AGAIN = "?prompt=login&next=/profile/"


@pytest.fixture
def connection(cast: Cast, openid: OpenIDProvider) -> Connection:
    prove_domain(cast.acme, "acme.example")
    openid.say(accounts={"sub-dora": {"email": "dora@acme.example"}, "sub-adam": {"email": "adam@acme.example"}})
    return connect_openid(cast.acme, openid)


def proven_at(browser: Client) -> object:
    return SignIn.of_data(browser.session["sign_in"]).proven_at


def test_a_new_proof_is_noted_and_the_session_stays(cast: Cast, openid: OpenIDProvider, connection: Connection):
    browser = Client()
    assert come_by_openid(browser, connection, openid, "sub-dora").status_code == 302
    before, session = proven_at(browser), BrowserSession.objects.get(user=cast.developer).id
    address = start(browser, connection, AGAIN)
    asked = parse_qs(urlsplit(address).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    answer = browser.get(path_of(openid.walk(address, "sub-dora")))
    assert (answer.status_code, answer["Location"]) == (302, "/profile/")
    assert proven_at(browser) > before
    assert BrowserSession.objects.get(user=cast.developer).id == session


def test_somebody_else_does_not_prove_for_the_person(cast: Cast, openid: OpenIDProvider, connection: Connection):
    browser = Client()
    assert come_by_openid(browser, connection, openid, "sub-dora").status_code == 302
    before, proven = facts(cast), proven_at(browser)
    answer = browser.get(path_of(openid.walk(start(browser, connection, AGAIN), "sub-adam")))
    require_refused(cast, answer, "someone_else", before)
    assert proven_at(browser) == proven
    assert browser.session["_auth_user_id"] == str(cast.developer.id)


def test_an_old_proof_is_none(cast: Cast, openid: OpenIDProvider, connection: Connection):
    """The provider ignores what it was asked, and says when the person proved themselves."""
    browser = Client()
    assert come_by_openid(browser, connection, openid, "sub-dora").status_code == 302
    long_ago = int((timezone.now() - timedelta(minutes=5)).timestamp())
    for auth_time in (long_ago, None):
        address = start(browser, connection, AGAIN)
        openid.say(id_token={"claims": {"auth_time": auth_time}})
        before = facts(cast)
        answer = browser.get(path_of(openid.walk(address, "sub-dora")))
        require_refused(cast, answer, "proof_stale", before)
        openid.say()


def test_without_a_session_it_is_a_sign_in(cast: Cast, openid: OpenIDProvider, connection: Connection):
    browser = Client()
    assert come_by_openid(browser, connection, openid, "sub-dora", AGAIN)["Location"] == "/profile/"
    assert browser.session["_auth_user_id"] == str(cast.developer.id)


def test_a_provider_that_still_knows_the_person_needs_no_new_sign_in(
    cast: Cast, openid: OpenIDProvider, connection: Connection
):
    there = requests.Session()
    for _ in range(2):
        browser = Client()
        assert (
            browser.get(path_of(openid.walk(start(browser, connection), "sub-dora", session=there))).status_code == 302
        )
    assert len(log_of(cast.acme)) == 2


def test_saml_asks_for_a_new_proof_too(cast: Cast, saml: SamlProvider):
    prove_domain(cast.acme, "acme.example")
    connection = connect_saml(cast.acme, saml)
    people = {"dora": {"id": "dora@acme.example", "attributes": {"groups": "x"}}}
    saml.say(acs=acs_url(connection), people=people)
    browser = Client()
    assert come_by_saml(browser, connection, saml, "dora").status_code == 302
    before = proven_at(browser)
    address = start(browser, connection, AGAIN)
    assert request_in(address).get("ForceAuthn") == "true"
    assert come_by_saml(browser, connection, saml, "dora", AGAIN)["Location"] == "/profile/"
    assert proven_at(browser) > before


def request_in(address: str) -> etree._Element:
    [encoded] = parse_qs(urlsplit(address).query)["SAMLRequest"]
    return etree.fromstring(zlib.decompress(base64.b64decode(encoded), -15))
