"""Answers that nobody should believe, made of the real provider's own: each refused, with its cause in the log."""

import base64
import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from lxml import etree

from config.kernel.tenancy.scope import tenant_scope
from sso.addresses import acs_url, sp_entity_id
from sso.models import Connection, UsedAssertion
from tests.cast import Cast
from tests.identity_providers.connecting import (
    connect_saml,
    log_of,
    path_of,
    post_answer,
    prove_domain,
    start,
)
from tests.identity_providers.running import SamlProvider, key_and_certificate
from tests.sso.refusals import facts, require_refused

pytestmark = pytest.mark.xdist_group("identity providers")

SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
SIGNATURE = "{http://www.w3.org/2000/09/xmldsig#}Signature"
NORA = {"id": "nora@acme.example", "attributes": {"email": "nora@acme.example"}}
ADAM = {"id": "adam@acme.example", "attributes": {"email": "adam@acme.example"}}
PEOPLE = {"nora": NORA, "adam": ADAM}


@pytest.fixture
def connection(cast: Cast, saml: SamlProvider) -> Connection:
    prove_domain(cast.acme, "acme.example")
    connection = connect_saml(cast.acme, saml)
    saml.say(acs=acs_url(connection), people=PEOPLE)
    return connection


def edit(posted: dict[str, str], change: Callable[[Any], None]) -> dict[str, str]:
    """The same answer after `change` has been at its XML."""
    root = etree.fromstring(base64.b64decode(posted["SAMLResponse"]))
    change(root)
    return {**posted, "SAMLResponse": base64.b64encode(etree.tostring(root)).decode()}


def assertion_of(root: Any) -> Any:
    return root.find(f"{SAML}Assertion")


def as_adam(assertion: Any) -> Any:
    """A forged copy that is about Adam."""
    forged = copy.deepcopy(assertion)
    forged.set("ID", "_forged")
    for signature in forged.findall(SIGNATURE):
        forged.remove(signature)
    for element in forged.iter(f"{SAML}NameID", f"{SAML}AttributeValue"):
        element.text = "adam@acme.example"
    return forged


def other_name(root: Any) -> None:
    next(root.iter(f"{SAML}NameID")).text = "adam@acme.example"


def other_address(root: Any) -> None:
    next(root.iter(f"{SAML}AttributeValue")).text = "adam@acme.example"


def signature_removed(root: Any) -> None:
    assertion = assertion_of(root)
    assertion.remove(assertion.find(SIGNATURE))


def wrapped_before(root: Any) -> None:
    root.insert(list(root).index(assertion_of(root)), as_adam(assertion_of(root)))


def wrapped_after(root: Any) -> None:
    root.append(as_adam(assertion_of(root)))


def wrapped_around(root: Any) -> None:
    """The signed assertion moves into the signature of the forged one (XSW 7)."""
    signed = assertion_of(root)
    forged = as_adam(signed)
    root.replace(signed, forged)
    signature = copy.deepcopy(signed.find(SIGNATURE))
    keeper = etree.SubElement(signature, "{http://www.w3.org/2000/09/xmldsig#}Object")
    keeper.append(signed)
    forged.insert(1, signature)


def wrapped_in_extensions(root: Any) -> None:
    """The signed assertion is hidden beside the forged one, under the same ID (XSW 8)."""
    signed = assertion_of(root)
    forged = as_adam(signed)
    forged.set("ID", signed.get("ID"))
    root.replace(signed, forged)
    extensions = etree.Element("{urn:oasis:names:tc:SAML:2.0:protocol}Extensions")
    extensions.append(signed)
    root.insert(1, extensions)


def comment_in_name(root: Any) -> None:
    name = next(root.iter(f"{SAML}NameID"))
    name.text = "adam@acme.example"
    comment = etree.Comment("")
    comment.tail = ".evil.example"
    name.append(comment)


ALTERED = {
    "another name": (other_name, "signature_invalid"),
    "another address": (other_address, "signature_invalid"),
    "no signature": (signature_removed, "signature_missing"),
    "wrapped before": (wrapped_before, "assertion_ambiguous"),
    "wrapped after": (wrapped_after, "assertion_ambiguous"),
    "wrapped around": (wrapped_around, "assertion_ambiguous"),
    "wrapped in extensions": (wrapped_in_extensions, "assertion_ambiguous"),
    "a comment in the name": (comment_in_name, "signature_invalid"),
}


@pytest.mark.parametrize("attack", ALTERED)
def test_an_altered_answer(cast: Cast, saml: SamlProvider, connection: Connection, attack: str):
    change, code = ALTERED[attack]
    posted = saml.walk(start(Client(), connection), "nora")
    before = facts(cast)
    require_refused(cast, post_answer(connection, edit(posted, change)), code, before)
    with tenant_scope(cast.acme.id):
        assert not UsedAssertion.objects.exists()


LIES = {
    "another audience": ({"audience": "https://elsewhere.example"}, "audience_mismatch"),
    "another recipient": ({"recipient": "https://elsewhere.example/acs"}, "recipient_mismatch"),
    "a longer recipient": ({"recipient": "{acs}/more"}, "recipient_mismatch"),
    "another destination": ({"destination": "https://elsewhere.example/acs"}, "recipient_mismatch"),
    "a longer destination": ({"destination": "{acs}/more"}, "recipient_mismatch"),
    "another issuer": ({"issuer": "urn:another:provider"}, "issuer_mismatch"),
    "another request": ({"inResponseTo": "_0123456789"}, "state_unknown"),
    "a weak algorithm": ({"signatureAlgorithm": "rsa-sha1", "digestAlgorithm": "sha1"}, "algorithm_refused"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_is_signed_and_wrong(cast: Cast, saml: SamlProvider, connection: Connection, lie: str):
    options, code = LIES[lie]
    options = {name: value.format(acs=acs_url(connection)) for name, value in options.items()}
    saml.say(**{"acs": acs_url(connection), "people": PEOPLE, **options})
    browser = Client()
    posted = saml.walk(start(browser, connection), "nora")
    before = facts(cast)
    answer = post_answer(connection, posted)
    if answer.status_code == 303:
        answer = browser.get(answer["Location"])
    require_refused(cast, answer, code, before)


def test_an_answer_signed_by_another_key(cast: Cast, saml: SamlProvider, connection: Connection):
    key, certificate = key_and_certificate("An attacker")
    saml.say(acs=acs_url(connection), people=PEOPLE, key=key, cert=certificate)
    posted = saml.walk(start(Client(), connection), "nora")
    require_refused(cast, post_answer(connection, posted), "signature_invalid", facts(cast))


def test_an_answer_that_is_too_old_and_one_from_the_future(cast: Cast, saml: SamlProvider, connection: Connection):
    posted = saml.walk(start(Client(), connection), "nora")
    before = facts(cast)
    with time_machine.travel(timezone.now() + timedelta(minutes=5, seconds=90)):
        require_refused(cast, post_answer(connection, posted), "expired", before)
    with time_machine.travel(timezone.now() - timedelta(seconds=90)):
        require_refused(cast, post_answer(connection, posted), "not_yet_valid", before)


def test_an_answer_that_says_it_is_good_for_a_day_is_not(cast: Cast, saml: SamlProvider, connection: Connection):
    saml.say(acs=acs_url(connection), people=PEOPLE, lifetimeInSeconds=24 * 3600)
    posted = saml.walk(start(Client(), connection), "nora")
    with time_machine.travel(timezone.now() + timedelta(minutes=62)):
        require_refused(cast, post_answer(connection, posted), "expired", facts(cast))


def test_an_answer_used_twice(cast: Cast, saml: SamlProvider, connection: Connection):
    browser = Client()
    posted = saml.walk(start(browser, connection), "nora")
    arrived = post_answer(connection, posted)
    assert browser.get(arrived["Location"]).status_code == 302
    before = facts(cast)
    require_refused(cast, post_answer(connection, posted), "replayed", before)
    require_refused(cast, Client().get(arrived["Location"]), "state_unknown", before)


def test_the_same_assertion_in_another_response(cast: Cast, saml: SamlProvider, connection: Connection):
    posted = saml.walk(start(Client(), connection), "nora")
    assert post_answer(connection, posted).status_code == 303

    def renamed(root: Any) -> None:
        root.set("ID", "_another")

    require_refused(cast, post_answer(connection, edit(posted, renamed)), "replayed", facts(cast))


def test_somebody_elses_answer_in_another_browser(cast: Cast, saml: SamlProvider, connection: Connection):
    posted = saml.walk(start(Client(), connection), "adam")
    arrived = post_answer(connection, posted)
    thief = Client()
    start(thief, connection)
    require_refused(cast, thief.get(arrived["Location"]), "state_unknown", facts(cast))


def test_an_unasked_assertion_under_the_id_of_an_own_request(cast: Cast, saml: SamlProvider, connection: Connection):
    """Where only the assertion is signed, the response around it says what its bearer likes."""
    saml.say(acs=acs_url(connection), people=PEOPLE, audience=sp_entity_id(connection))
    unasked = saml.walk(saml.sso_url, "adam")
    thief = Client()
    request_id = next(iter(asked_by(thief, connection)))

    def answering(root: Any) -> None:
        root.set("InResponseTo", request_id)

    require_refused(cast, post_answer(connection, edit(unasked, answering)), "assertion_ambiguous", facts(cast))


def asked_by(browser: Client, connection: Connection) -> list[str]:
    """The ids of the requests that a browser sent."""
    start(browser, connection)
    return [each["name"] for each in browser.session["pending_sign_ins"]]


def test_an_asked_answer_made_to_look_unasked(cast: Cast, saml: SamlProvider, connection: Connection):
    with tenant_scope(cast.acme.id):
        Connection.objects.update(allow_idp_initiated=True)
    posted = saml.walk(start(Client(), connection), "adam")

    def stripped(root: Any) -> None:
        del root.attrib["InResponseTo"]

    require_refused(cast, post_answer(connection, edit(posted, stripped)), "assertion_ambiguous", facts(cast))


def test_an_answer_for_another_connection_of_the_same_provider(cast: Cast, saml: SamlProvider, connection: Connection):
    """Globex uses the same provider, whose people must not come in at Acme."""
    prove_domain(cast.globex, "globex.example")
    foreign = connect_saml(cast.globex, saml)
    saml.say(acs=acs_url(foreign), people=PEOPLE)
    posted = saml.walk(start(Client(), foreign), "adam")
    before = facts(cast)
    require_refused(cast, post_answer(connection, posted), "recipient_mismatch", before)
    saml.say(acs=acs_url(connection), people=PEOPLE)
    posted = saml.walk(start(Client(), foreign), "adam")
    require_refused(cast, post_answer(connection, posted), "audience_mismatch", before)
    saml.say(acs=acs_url(foreign), people=PEOPLE)
    posted = saml.walk(start(Client(), foreign), "adam")
    assert post_answer(foreign, posted).status_code == 303


BROKEN = {
    "no XML": b"hello",
    "a document type": b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>',
    "a document type in UTF-16": '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE r><r/>'.encode("utf-16"),
    "another root": b"<Response/>",
    "nothing": b"",
    "too much": b"x" * 300_000,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_answer_at_all(cast: Cast, saml: SamlProvider, connection: Connection, kind: str):
    posted = {"SAMLResponse": base64.b64encode(BROKEN[kind]).decode()}
    require_refused(cast, post_answer(connection, posted), "malformed", facts(cast))


def test_what_is_not_in_base64(cast: Cast, saml: SamlProvider, connection: Connection):
    require_refused(cast, post_answer(connection, {"SAMLResponse": "%%%"}), "malformed", facts(cast))


def test_the_provider_says_no(cast: Cast, saml: SamlProvider, connection: Connection):
    saml.say(acs=acs_url(connection), people=PEOPLE, error={"description": "No licence for this application"})
    posted = saml.walk(start(Client(), connection), "nora")
    require_refused(cast, post_answer(connection, posted), "provider_refused", facts(cast))
    assert "No licence for this application" in log_of(cast.acme)[0].detail


def test_a_name_that_changes_each_time(cast: Cast, saml: SamlProvider, connection: Connection):
    transient = {**NORA, "id": "xyz", "format": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"}
    saml.say(acs=acs_url(connection), people={"nora": transient})
    posted = saml.walk(start(Client(), connection), "nora")
    require_refused(cast, post_answer(connection, posted), "subject_missing", facts(cast))


def test_a_disabled_connection_takes_no_answers(cast: Cast, saml: SamlProvider, connection: Connection):
    browser = Client()
    posted = saml.walk(start(browser, connection), "nora")
    with tenant_scope(cast.acme.id):
        Connection.objects.update(is_enabled=False)
    before = facts(cast)
    require_refused(cast, post_answer(connection, posted), "connection_disabled", before)
    require_refused(cast, browser.get(path_of(f"/sso/{connection.public_id}/start")), "connection_disabled", before)


def test_a_flood_of_refusals_does_not_flood_the_log(cast: Cast, saml: SamlProvider, connection: Connection):
    for _ in range(70):
        assert post_answer(connection, {"SAMLResponse": "%%%"}).status_code == 400
    assert len(log_of(cast.acme)) == 60
