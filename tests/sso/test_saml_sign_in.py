"""Complete sign-ins at a real SAML 2.0 identity provider."""

import pytest
from django.test import Client
from django.utils import timezone
from lxml import etree

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import BrowserSession, Membership, User
from sso.addresses import acs_url, sp_entity_id
from sso.models import Configuration, Connection, FederatedIdentity, UsedAssertion
from tests.cast import Cast
from tests.identity_providers.connecting import (
    come_by_saml,
    connect_saml,
    log_of,
    post_answer,
    prove_domain,
    start,
)
from tests.identity_providers.running import SamlProvider, key_and_certificate

pytestmark = pytest.mark.xdist_group("identity providers")

EMAIL = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
NORA = {
    "id": "name-id-nora",
    "format": PERSISTENT,
    "attributes": {EMAIL: "nora@acme.example", "displayName": "Nora", "groups": ["staff", "admins"]},
}
PEOPLE = {"nora": NORA, "mail": {"id": "max@acme.example", "attributes": {"department": "sales"}}}


@pytest.fixture
def connection(cast: Cast, saml: SamlProvider) -> Connection:
    prove_domain(cast.acme, "acme.example")
    connection = connect_saml(cast.acme, saml)
    saml.say(acs=acs_url(connection), people=PEOPLE)
    return connection


def test_a_newcomer_comes_in(cast: Cast, saml: SamlProvider, connection: Connection):
    browser = Client()
    answer = come_by_saml(browser, connection, saml, "nora", "?next=/orgs/acme/")
    assert (answer.status_code, answer["Location"]) == (302, "/orgs/acme/")
    user = User.objects.get(email="nora@acme.example")
    with tenant_scope(cast.acme.id):
        assert Membership.objects.get(user=user).role == "viewer"
        identity = FederatedIdentity.objects.get(user=user)
        assert (identity.issuer, identity.subject) == (saml.entity_id, "name-id-nora")
    session = BrowserSession.objects.get(user=user)
    assert (session.method, session.connection_id) == ("sso", connection.id)
    assert browser.get("/orgs/acme/").status_code == 200
    [entry] = log_of(cast.acme)
    assert (entry.outcome, entry.subject) == ("signed_in", "name-id-nora")
    assert entry.claims["groups"] == ["staff", "admins"]


def test_an_address_as_name_id_is_enough(cast: Cast, saml: SamlProvider, connection: Connection):
    assert come_by_saml(Client(), connection, saml, "mail").status_code == 302
    assert User.objects.filter(email="max@acme.example").exists()


def test_a_signed_response_around_an_unsigned_assertion_comes_in_where_the_connection_says_so(
    cast: Cast, saml: SamlProvider, connection: Connection
):
    saml.say(acs=acs_url(connection), people=PEOPLE, signResponse=True, signAssertion=False)
    assert come_by_saml(Client(), connection, saml, "nora").status_code == 403
    assert log_of(cast.acme)[0].code == "signature_missing"
    with tenant_scope(cast.acme.id):
        Configuration.objects.update(signs_response_only=True)
    assert come_by_saml(Client(), connection, saml, "nora").status_code == 302


def test_an_encrypted_assertion_is_opened_with_the_key_of_the_connection(cast: Cast, saml: SamlProvider):
    prove_domain(cast.acme, "acme.example")
    key, certificate = key_and_certificate("Tenantry")
    connection = connect_saml(cast.acme, saml, sp_key=key, fields={"sp_certificate": certificate})
    encryption = {
        "encryptionCert": certificate,
        "encryptionPublicKey": certificate,
        "encryptionAlgorithm": "http://www.w3.org/2009/xmlenc11#aes256-gcm",
    }
    saml.say(acs=acs_url(connection), people=PEOPLE, **encryption)
    assert come_by_saml(Client(), connection, saml, "nora").status_code == 302
    _, wrong = key_and_certificate("Somebody else")
    saml.say(
        acs=acs_url(connection), people=PEOPLE, **{**encryption, "encryptionCert": wrong, "encryptionPublicKey": wrong}
    )
    assert come_by_saml(Client(), connection, saml, "nora").status_code == 403
    assert log_of(cast.acme)[0].code == "decryption_failed"


def test_either_of_two_certificates_may_sign(cast: Cast, saml: SamlProvider):
    prove_domain(cast.acme, "acme.example")
    _, coming = key_and_certificate("The next one", days=400)
    connection = connect_saml(cast.acme, saml, certificates=[coming, saml.certificate])
    saml.say(acs=acs_url(connection), people=PEOPLE)
    assert come_by_saml(Client(), connection, saml, "nora").status_code == 302


def test_an_expired_certificate_is_named(cast: Cast, saml: SamlProvider, connection: Connection):
    with tenant_scope(cast.acme.id):
        configuration = Configuration.objects.get()
        configuration.certificates.update(not_after=timezone.now())
    assert come_by_saml(Client(), connection, saml, "nora").status_code == 403
    entry = log_of(cast.acme)[0]
    assert entry.code == "certificate_expired"
    assert f"{timezone.now():%Y-%m-%d}" in entry.detail
    with tenant_scope(cast.acme.id):
        configuration.certificates.update(not_after="2100-01-01T00:00:00Z")
    assert come_by_saml(Client(), connection, saml, "nora").status_code == 302


def unasked(saml: SamlProvider, connection: Connection, relay_state: str = "", login: str = "nora") -> dict[str, str]:
    saml.say(acs=acs_url(connection), people=PEOPLE, audience=sp_entity_id(connection))
    return {**saml.walk(saml.sso_url, login), "RelayState": relay_state}


def test_an_answer_that_nobody_asked_for_is_refused(cast: Cast, saml: SamlProvider, connection: Connection):
    answer = post_answer(connection, unasked(saml, connection))
    assert answer.status_code == 403
    assert "Start the sign-in here" in answer.content.decode()
    [entry] = log_of(cast.acme)
    assert (entry.outcome, entry.code, entry.subject) == ("refused", "unsolicited", "name-id-nora")
    assert not User.objects.filter(email="nora@acme.example").exists()


def test_where_it_is_allowed_the_person_is_asked_and_then_comes_in(
    cast: Cast, saml: SamlProvider, connection: Connection
):
    with tenant_scope(cast.acme.id):
        Connection.objects.update(allow_idp_initiated=True)
    browser = Client(enforce_csrf_checks=True)
    arrived = post_answer(connection, unasked(saml, connection, "/orgs/acme/members/"))
    page = browser.get(arrived["Location"])
    assert page.status_code == 200
    assert "Sign in as nora@acme.example?" in page.content.decode()
    assert "_auth_user_id" not in browser.session
    handle = arrived["Location"].partition("answer=")[2]
    assert browser.post(arrived["Location"], {"answer": handle}).status_code == 403  # without the form's token
    token = browser.cookies["csrf"].value
    answer = browser.post(arrived["Location"], {"answer": handle, "csrfmiddlewaretoken": token})
    assert (answer.status_code, answer["Location"]) == (302, "/orgs/acme/members/")
    assert browser.post(arrived["Location"], {"answer": handle, "csrfmiddlewaretoken": token}).status_code == 403


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_relay_state_leads_nowhere_else(cast: Cast, saml: SamlProvider, connection: Connection, elsewhere: str):
    with tenant_scope(cast.acme.id):
        Connection.objects.update(allow_idp_initiated=True)
    browser = Client()
    arrived = post_answer(connection, unasked(saml, connection, elsewhere))
    answer = browser.post(arrived["Location"], {"answer": arrived["Location"].partition("answer=")[2]})
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_the_post_makes_no_session_and_used_assertions_are_kept_until_they_end(
    cast: Cast, saml: SamlProvider, connection: Connection
):
    browser = Client()
    posted = saml.walk(start(browser, connection), "nora")
    before = BrowserSession.objects.count()
    answer = post_answer(connection, posted)
    assert answer.status_code == 303
    assert not answer.cookies
    assert BrowserSession.objects.count() == before
    with tenant_scope(cast.acme.id):
        [used] = UsedAssertion.objects.all()
        assert used.expires_at > timezone.now()
    unknown = Client().post("/sso/con_01h455vb4pex5vsknk084sn02q/acs", {"SAMLResponse": posted["SAMLResponse"]})
    assert unknown.status_code == 404
    assert BrowserSession.objects.count() == before


def test_our_metadata_say_where_and_as_whom_we_are_reached(cast: Cast, saml: SamlProvider):
    _, certificate = key_and_certificate("Tenantry")
    connection = connect_saml(cast.acme, saml, fields={"sp_certificate": certificate})
    answer = Client().get(f"/sso/{connection.public_id}/metadata")
    assert answer["Content-Type"] == "application/samlmetadata+xml"
    root = etree.fromstring(answer.content)
    assert root.get("entityID") == sp_entity_id(connection)
    [service] = root.iter("{*}AssertionConsumerService")
    assert service.get("Location") == acs_url(connection)
    assert [each.get("use") for each in root.iter("{*}KeyDescriptor")] == ["encryption"]
