"""Pages of service grants: the list, granting, withdrawing."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.kernel.tenancy.scope import tenant_scope
from orgs.models import CustomRole, Membership, ServiceGrant
from projects.services.projects import create_project
from tests.cast import Cast
from tests.gateway import Gateway, make_gateway

GRANTS = "/orgs/acme/service-grants/"


@pytest.fixture
def gateway(cast: Cast) -> Gateway:
    return make_gateway(cast)


def text_of(answer: Any) -> str:
    return answer.content.decode()


def wanted(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    return {"service_account": gateway.account.public_id, "permissions": ["keys:verify", "view_org"], **fields}


def grants(cast: Cast) -> list[ServiceGrant]:
    with tenant_scope(cast.acme.id):
        return list(ServiceGrant.objects.order_by("id"))


def test_an_admin_grants_and_the_list_tells_of_it(cast: Cast, browse: Any, gateway: Gateway):
    browser = browse(cast.admin)
    assert "No product may act here" in text_of(browser.get(GRANTS))
    form = text_of(browser.get(f"{GRANTS}new/"))
    assert "Gateway: In front of all" in form
    assert browser.post(f"{GRANTS}new/", wanted(gateway, project="rocket"))["Location"] == GRANTS
    page = text_of(browser.get(GRANTS))
    for words in ("Gateway", "In front of all", "Rocket", "keys:verify", "by Adam", "Withdraw…"):
        assert words in page
    assert "No request noted" in page
    assert gateway.ask("GET", "/api/v1/orgs/acme/projects/rocket").status_code == 200
    assert "Last request" in text_of(browser.get(GRANTS))


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_others_see_who_may_act_here_and_change_nothing(cast: Cast, browse: Any, gateway: Gateway, role: str):
    grant = gateway.grant(cast.acme, "view_org")
    browser = browse(cast.member(role))
    page = text_of(browser.get(GRANTS))
    assert "Gateway" in page
    assert "by the operator" in page
    assert "withdraw/" not in page
    assert "service-grants/new/" not in page
    for path in (f"{GRANTS}new/", f"{GRANTS}{grant.public_id}/withdraw/"):
        assert browser.get(path).status_code == 403
        assert browser.post(path, wanted(gateway)).status_code == 403
    assert [row.withdrawn_at for row in grants(cast)] == [None]


def test_only_what_the_viewer_may_do_is_offered_and_accepted(cast: Cast, browse: Any, gateway: Gateway):
    with tenant_scope(cast.acme.id):
        role = CustomRole.objects.create(name="People", permissions=["manage_members", "view_org"])
        Membership.objects.filter(user=cast.viewer).update(role="custom", custom_role=role)
    browser = browse(cast.viewer)
    form = text_of(browser.get(f"{GRANTS}new/"))
    assert 'value="keys:verify"' in form
    assert 'value="manage_keys"' not in form
    refused = browser.post(f"{GRANTS}new/", wanted(gateway, permissions=["manage_keys"]))
    assert refused.status_code == 403
    assert "You may not grant what you may not do yourself" in text_of(refused)
    assert grants(cast) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"project": "nowhere"}, "No project of this organization"),
        ({"project": "freight"}, "No project of this organization"),
        ({"permissions": []}, "This field is required"),
        ({"permissions": ["manage_members"]}, "Select a valid choice"),
        ({"service_account": "svc_x"}, "Select a valid choice"),
    ],
)
def test_a_wrong_form_is_shown_again_and_grants_nothing(
    cast: Cast, browse: Any, gateway: Gateway, fields: dict[str, Any], words: str
):
    answer = browse(cast.owner).post(f"{GRANTS}new/", wanted(gateway, **fields))
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert grants(cast) == []


def test_a_second_grant_for_the_same_place_is_explained(cast: Cast, browse: Any, gateway: Gateway):
    gateway.grant(cast.acme, "view_org")
    answer = browse(cast.owner).post(f"{GRANTS}new/", wanted(gateway))
    assert answer.status_code == 409
    assert "withdraw that one first" in text_of(answer)
    assert len(grants(cast)) == 1


def test_without_a_registered_product_the_form_says_whom_to_ask(cast: Cast, browse: Any):
    page = text_of(browse(cast.owner).get(f"{GRANTS}new/"))
    assert "Ask the operator" in page
    assert "<form" not in page.split("<main")[1]


def test_withdrawing_says_what_stops_and_ends_the_grant(cast: Cast, browse: Any, gateway: Gateway):
    everywhere = gateway.grant(cast.acme, "keys:verify", "view_org")
    gateway.grant(cast.acme, "view_org", project=cast.project)
    browser, path = browse(cast.admin), f"{GRANTS}{everywhere.public_id}/withdraw/"
    page = text_of(browser.get(path))
    for words in ("can no longer do this in the organization", "Verify keys", "It keeps these grants", "Rocket"):
        assert words in page
    assert grants(cast)[0].withdrawn_at is None
    assert browser.post(path)["Location"] == GRANTS
    assert gateway.ask("GET", "/api/v1/orgs/acme").status_code == 403  # the grant for the project is left
    assert "Withdrawn" in text_of(browser.get(GRANTS))
    assert "There is nothing to withdraw" in text_of(browser.get(path))


def test_a_grant_of_others_and_an_absent_one_are_not_found(cast: Cast, browse: Any, gateway: Gateway):
    foreign = gateway.grant(cast.globex, "view_org")
    for reference in (foreign.public_id, "grt_x", "%00"):
        for method in ("get", "post"):
            assert getattr(browse(cast.owner), method)(f"{GRANTS}{reference}/withdraw/").status_code == 404
    assert gateway.ask("GET", "/api/v1/orgs/globex").status_code == 200


def test_one_and_many_grants_take_the_same_queries(cast: Cast, browse: Any, gateway: Gateway):
    gateway.grant(cast.acme, "view_org", project=cast.project)
    browser = browse(cast.viewer)
    browser.get(GRANTS)
    with CaptureQueriesContext(connection) as one:
        browser.get(GRANTS)
    for number in range(9):
        with tenant_scope(cast.acme.id):
            project = create_project(actor=cast.staff_principal(), name=f"P{number}", slug=f"p-{number}")
        gateway.grant(cast.acme, "view_org", project=project)
    with CaptureQueriesContext(connection) as ten:
        assert len(browser.get(GRANTS).context["lines"]) == 10
    assert len(ten) == len(one)
