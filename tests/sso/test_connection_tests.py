"""Admins test a connection: the whole way, and nobody is signed in."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from config.kernel.tenancy.scope import tenant_scope
from orgs.encryption import seal
from orgs.models import User
from sso.addresses import acs_url
from sso.models import Configuration, Connection, GroupMapping
from tests.browsers import signed_in
from tests.cast import Cast
from tests.identity_providers.connecting import (
    CLIENT_SECRET,
    add_certificate,
    connect_openid,
    connect_saml,
    log_of,
    path_of,
    post_answer,
    prove_domain,
)
from tests.identity_providers.running import OpenIDProvider, SamlProvider
from tests.sso.refusals import facts

pytestmark = pytest.mark.xdist_group("identity providers")


@pytest.fixture
def connection(cast: Cast, openid: OpenIDProvider) -> Connection:
    """Not switched on yet, with a draft only."""
    prove_domain(cast.acme, "acme.example")
    connection = connect_openid(cast.acme, openid, fields={"is_enabled": False})
    with tenant_scope(cast.acme.id):
        Configuration.objects.update(state="draft")
    return connection


@pytest.fixture
def admin(cast: Cast) -> Client:
    return signed_in(Client(), cast.admin)


def page(connection: Connection) -> str:
    return f"/orgs/acme/sign-in/connections/{connection.public_id}/test/"


def leave(browser: Client, connection: Connection) -> str:
    """Presses the button. Returns where the page goes on to."""
    answer = browser.post(page(connection))
    assert answer.status_code == 200
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', answer.content.decode())
    return found[1].replace("&amp;", "&")


def run(browser: Client, connection: Connection, provider: OpenIDProvider, login: str) -> Any:
    """The whole test. Returns the page with its outcome."""
    answer = browser.get(path_of(provider.walk(leave(browser, connection), login)))
    assert answer.status_code == 303
    return browser.get(answer["Location"])


def states(cast: Cast) -> list[str]:
    with tenant_scope(cast.acme.id):
        return list(Configuration.objects.order_by("number").values_list("state", flat=True))


def test_a_test_that_passes_shows_the_claims_and_makes_the_draft_live(
    cast: Cast, openid: OpenIDProvider, connection: Connection, admin: Client
):
    openid.say(accounts={"sub-nora": {"email": "nora@acme.example", "name": "Nora", "groups": ["bosses"]}})
    with tenant_scope(cast.acme.id):
        GroupMapping.objects.create(connection=connection, group="bosses", role="admin")
    before, key = facts(cast), admin.session["_auth_user_id"]
    shown = run(admin, connection, openid, "sub-nora")
    text = shown.content.decode()
    for expected in (
        "The test passed",
        "A new account for nora@acme.example would be made",
        "Admin",
        "bosses",
        "sub-nora",
    ):
        assert expected in text
    assert facts(cast) == before
    assert admin.session["_auth_user_id"] == key
    assert not User.objects.filter(email="nora@acme.example").exists()
    assert states(cast) == ["live"]
    [entry] = log_of(cast.acme)
    assert (entry.outcome, entry.email) == ("test_passed", "nora@acme.example")
    with tenant_scope(cast.acme.id):
        assert Configuration.objects.get().tested_at is not None


def test_a_test_that_fails_says_exactly_why_and_leaves_the_draft(
    cast: Cast, openid: OpenIDProvider, connection: Connection, admin: Client
):
    openid.say(accounts={"sub-nora": {"email": "nora@other.example"}})
    before = facts(cast)
    text = run(admin, connection, openid, "sub-nora").content.decode()
    for expected in ("The test failed", "other.example is no proven e-mail domain", "domain_not_proven", "sub-nora"):
        assert expected in text
    assert facts(cast) == before
    assert states(cast) == ["draft"]
    [entry] = log_of(cast.acme)
    assert (entry.outcome, entry.code) == ("test_failed", "domain_not_proven")


def test_a_provider_that_lies_fails_the_test(cast: Cast, openid: OpenIDProvider, connection: Connection, admin: Client):
    openid.say(accounts={"sub-nora": {"email": "nora@acme.example"}}, id_token={"sign": "other"})
    text = run(admin, connection, openid, "sub-nora").content.decode()
    assert "signature_invalid" in text
    assert states(cast) == ["draft"]


def test_a_provider_that_does_not_answer_fails_the_test(
    cast: Cast, openid: OpenIDProvider, connection: Connection, admin: Client
):
    openid.say(status={"/.well-known/openid-configuration": 503})
    text = admin.post(page(connection)).content.decode()
    assert "The test failed" in text
    assert "status 503" in text


def test_the_live_configuration_stays_in_force_until_the_draft_passed(
    cast: Cast, openid: OpenIDProvider, other_openid: OpenIDProvider, admin: Client
):
    prove_domain(cast.acme, "acme.example")
    connection = connect_openid(cast.acme, openid)
    with tenant_scope(cast.acme.id):
        draft = Configuration(connection=connection, number=2, issuer=other_openid.issuer, client_id="second")
        seal(draft, "client_secret", CLIENT_SECRET)
        draft.save()
    other_openid.register("second", CLIENT_SECRET, [f"http://127.0.0.1:8000/sso/{connection.public_id}/callback"])
    other_openid.say(accounts={"sub": {"email": "nora@other.example"}})
    run(admin, connection, other_openid, "sub")
    assert states(cast) == ["live", "draft"]
    other_openid.say(accounts={"sub": {"email": "nora@acme.example"}})
    run(admin, connection, other_openid, "sub")
    assert states(cast) == ["retired", "live"]


def test_a_saml_draft_is_tested_beside_the_live_configuration(cast: Cast, saml: SamlProvider, admin: Client):
    prove_domain(cast.acme, "acme.example")
    connection = connect_saml(cast.acme, saml, entity_id="urn:the:old:provider")
    saml.say(acs=acs_url(connection), people={"dora": {"id": "dora@acme.example", "attributes": {"groups": "x"}}})
    with tenant_scope(cast.acme.id):
        draft = Configuration.objects.create(
            connection=connection, number=2, entity_id=saml.entity_id, sso_url=saml.sso_url
        )
        add_certificate(draft, saml.certificate)
    arrived = post_answer(connection, saml.walk(leave(admin, connection), "dora"))
    assert arrived.status_code == 303
    done = admin.get(arrived["Location"])
    text = admin.get(done["Location"]).content.decode()
    assert "The existing account of dora@acme.example would be linked, whose role would stay Developer." in text
    assert states(cast) == ["retired", "live"]
    assert facts(cast)["identities"] == []


def test_a_failing_saml_test_leads_to_its_outcome(cast: Cast, saml: SamlProvider, admin: Client):
    connection = connect_saml(cast.acme, saml)
    saml.say(
        acs=acs_url(connection),
        audience="urn:another",
        people={"dora": {"id": "dora@acme.example", "attributes": {"groups": "x"}}},
    )
    arrived = post_answer(connection, saml.walk(leave(admin, connection), "dora"))
    assert arrived.status_code == 303
    text = admin.get(arrived["Location"]).content.decode()
    assert "The test failed" in text
    assert "audience_mismatch" in text


def test_a_test_answers_only_whoever_began_it(
    cast: Cast, openid: OpenIDProvider, connection: Connection, admin: Client
):
    openid.say(accounts={"sub-nora": {"email": "nora@acme.example"}})
    back = path_of(openid.walk(leave(admin, connection), "sub-nora"))
    assert Client().get(back).status_code == 403
    signed_in(admin, cast.owner)
    admin.get(back)
    assert states(cast) == ["draft"]
    assert "test_passed" not in {entry.outcome for entry in log_of(cast.acme)}


def test_a_test_needs_a_fresh_proof_and_the_permission(cast: Cast, connection: Connection, admin: Client):
    developer = signed_in(Client(), cast.developer)
    assert developer.post(page(connection)).status_code == 403
    outsider = signed_in(Client(), cast.outsider)
    assert outsider.get(page(connection)).status_code == 404
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        answer = admin.post(page(connection))
    assert answer.status_code in (302, 403)
    assert "refresh" not in answer.content.decode()
