"""A product behind Tenantry, which signs its requests, asks about others where it was granted to."""

import pytest

from config.kernel.tenancy.scope import tenant_scope
from keys.services.service_grants import withdraw_grant
from tests.api.rows import everything
from tests.cast import Cast
from tests.gateway import Gateway, make_gateway

EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
PLAIN = {"decision": False}


@pytest.fixture
def gateway(cast: Cast) -> Gateway:
    return make_gateway(cast)


@pytest.fixture
def question(cast: Cast) -> dict:
    return {
        "subject": {"type": "user", "id": cast.developer.public_id},
        "action": {"name": "manage_keys"},
        "resource": {"type": "project", "id": cast.project.public_id},
    }


def test_it_asks_about_anybody_of_an_organization_that_granted_it(cast, gateway, question):
    gateway.grant(cast.acme, "access:evaluate")
    answer = gateway.ask("POST", EVALUATION, question, X_Organization_Id=cast.acme.public_id).json()
    assert answer["decision"] is True
    assert "role developer" in answer["context"]["reason"]
    search = {**question, "subject": {"type": "user"}}
    found = gateway.ask("POST", "/access/v1/search/subject", search, X_Organization_Id=cast.acme.public_id).json()[
        "results"
    ]
    assert [item["id"] for item in found] == [u.public_id for u in (cast.owner, cast.admin, cast.developer)]


def test_it_names_the_organization_or_is_nobody(cast, gateway, question):
    gateway.grant(cast.acme, "access:evaluate")
    assert gateway.ask("POST", EVALUATION, question).status_code == 401


def test_without_a_grant_every_organization_is_alike(cast, gateway, question):
    gateway.grant(cast.globex, "access:evaluate")
    before = everything()["projects_project"]
    for name in (cast.acme.public_id, cast.acme.public_id[:-1] + "0", "org_x", "nothing"):
        assert gateway.ask("POST", EVALUATION, question, X_Organization_Id=name).json() == PLAIN
        batch = {**question, "evaluations": [{}, {}]}
        assert gateway.ask("POST", EVALUATIONS, batch, X_Organization_Id=name).json() == {"evaluations": [PLAIN, PLAIN]}
        found = gateway.ask("POST", "/access/v1/search/action", question, X_Organization_Id=name).json()
        assert found == {"page": {"next_token": "", "count": 0}, "results": []}
        assert gateway.ask("POST", EVALUATION, {}, X_Organization_Id=name).status_code == 400
    assert everything()["projects_project"] == before


def test_a_grant_of_something_else_lets_it_ask_about_itself_alone(cast, gateway, question):
    gateway.grant(cast.acme, "view_org")
    assert gateway.ask("POST", EVALUATION, question, X_Organization_Id=cast.acme.public_id).json() == PLAIN
    own = {
        "subject": {"type": "service_account", "id": gateway.account.public_id},
        "action": {"name": "view_org"},
        "resource": {"type": "organization", "id": cast.acme.public_id},
    }
    assert gateway.ask("POST", EVALUATION, own, X_Organization_Id=cast.acme.public_id).json()["decision"] is True


def test_a_withdrawn_grant_ends_its_answers_at_once(cast, gateway, question):
    grant = gateway.grant(cast.acme, "access:evaluate")
    assert gateway.ask("POST", EVALUATION, question, X_Organization_Id=cast.acme.public_id).json()["decision"] is True
    with tenant_scope(cast.acme.id):
        withdraw_grant(actor=cast.principal(cast.owner), grant_id=grant.id)
    assert gateway.ask("POST", EVALUATION, question, X_Organization_Id=cast.acme.public_id).json() == PLAIN


def test_of_a_disabled_organization_it_learns_nothing_but_no(cast, gateway, question):
    gateway.grant(cast.acme, "access:evaluate")
    cast.acme.status = "disabled"
    cast.acme.save()
    assert gateway.ask("POST", EVALUATION, question, X_Organization_Id=cast.acme.public_id).json() == PLAIN
