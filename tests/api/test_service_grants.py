"""Grants of service accounts over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AuditEvent
from config.kernel.permissions import KEY_PERMISSIONS
from config.kernel.tenancy.scope import tenant_scope
from keys.services.service_accounts import disable_service_account
from orgs.models import CustomRole, Membership, ServiceGrant
from projects.services.projects import archive_project
from tests.cast import Cast
from tests.gateway import Gateway, make_gateway

GRANTS = "/api/v1/orgs/acme/service-grants"


@pytest.fixture
def gateway(cast: Cast) -> Gateway:
    return make_gateway(cast)


def body(gateway: Gateway, **fields: Any) -> dict[str, Any]:
    return {"service_account": gateway.account.public_id, "permissions": ["keys:verify"], **fields}


def grants(cast: Cast) -> list[ServiceGrant]:
    with tenant_scope(cast.acme.id):
        return list(ServiceGrant.objects.order_by("id"))


def events(cast: Cast) -> list[AuditEvent]:
    with tenant_scope(cast.acme.id):
        return list(AuditEvent.objects.matching(event="service_grant.*").order_by("id"))


def test_an_admin_grants_lists_looks_and_withdraws(cast: Cast, api: Callable, gateway: Gateway):
    made = api(cast.admin).post(GRANTS, body(gateway, permissions=["view_org", "keys:verify"]))
    assert made.status_code == 201, made.content
    record = made.json()
    assert record["service_account"] == {
        "id": gateway.account.public_id, "name": "Gateway", "description": "In front of all",
    }  # fmt: skip
    assert (record["project_id"], record["permissions"]) == (None, ["keys:verify", "view_org"])
    assert (record["state"], record["granted_by"]) == ("active", cast.admin.public_id)
    assert api(cast.viewer).get(GRANTS).json() == {"data": [record], "next": None}
    assert api(cast.viewer).get(f"{GRANTS}/{record['id']}").json() == record
    assert gateway.ask("GET", "/api/v1/orgs/acme").status_code == 200

    preview = api(cast.admin).get(f"{GRANTS}/{record['id']}/withdrawal").json()
    assert preview == {"stops": ["keys:verify", "view_org"], "remaining": []}
    for _ in range(2):  # twice is no error
        assert api(cast.admin).delete(f"{GRANTS}/{record['id']}").status_code == 204
    assert gateway.ask("GET", "/api/v1/orgs/acme").status_code == 404
    assert api(cast.admin).get(f"{GRANTS}/{record['id']}").json()["state"] == "withdrawn"
    preview = api(cast.admin).get(f"{GRANTS}/{record['id']}/withdrawal").json()
    assert preview == {"stops": [], "remaining": []}
    data = {
        "service_account": gateway.account.public_id, "project": None, "permissions": ["keys:verify", "view_org"],
    }  # fmt: skip
    assert [(row.event, row.data, row.target_label) for row in events(cast)] == [
        ("service_grant.created", data, "Gateway"),
        ("service_grant.withdrawn", data, "Gateway"),
    ]


def test_lists_are_filtered_by_state(cast: Cast, api: Callable, gateway: Gateway):
    other = make_gateway(cast, "Other")
    ended = gateway.grant(cast.acme, "view_org")
    api(cast.owner).delete(f"{GRANTS}/{ended.public_id}")
    kept, resting = gateway.grant(cast.acme, "view_org"), other.grant(cast.acme, "view_org")
    disable_service_account(actor=cast.staff_principal(), account_id=other.account.id, reason="Rests")
    for state, expected in (("active", kept), ("disabled", resting), ("withdrawn", ended)):
        rows = api(cast.viewer).get(f"{GRANTS}?state={state}").json()["data"]
        assert [(row["id"], row["state"]) for row in rows] == [(expected.public_id, state)]
    assert api(cast.viewer).get(f"{GRANTS}?state=x").status_code == 400


def test_the_accounts_to_grant_to_are_listed_for_those_who_may_grant(cast: Cast, api: Callable, gateway: Gateway):
    resting = make_gateway(cast, "Resting")
    disable_service_account(actor=cast.staff_principal(), account_id=resting.account.id, reason="Rests")
    answer = api(cast.admin).get("/api/v1/orgs/acme/service-accounts").json()
    assert [row["name"] for row in answer["data"]] == ["Gateway"]
    assert gateway.secret not in str(answer)


@pytest.mark.parametrize("reference", ["rocket", "PROJECT"])
def test_a_grant_may_be_for_one_project(cast: Cast, api: Callable, gateway: Gateway, reference: str):
    reference = reference.replace("PROJECT", cast.project.public_id)
    made = api(cast.owner).post(GRANTS, body(gateway, project=reference, permissions=["keys:verify", "view_org"]))
    assert (made.status_code, made.json()["project_id"]) == (201, cast.project.public_id)
    everywhere = api(cast.owner).post(GRANTS, body(gateway)).json()
    preview = api(cast.owner).get(f"{GRANTS}/{made.json()['id']}/withdrawal").json()
    assert preview == {"stops": ["view_org"], "remaining": [everywhere]}


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"permissions": []}, (400, "invalid")),
        ({"permissions": ["manage_members"]}, (400, "invalid")),
        ({"permissions": ["view_org", "made_up"]}, (400, "invalid")),
        ({"permissions": "view_org"}, (400, "invalid")),
        ({"service_account": "svc_01h455vb4pex5vsknk084sn02q"}, (404, "not_found")),
        ({"service_account": "Gateway"}, (404, "not_found")),
        ({"project": "freight"}, (404, "not_found")),
        ({"project": "nowhere"}, (404, "not_found")),
        ({"note": "x"}, (400, "invalid")),
    ],
)
def test_what_cannot_be_granted_is_refused(
    cast: Cast, api: Callable, gateway: Gateway, fields: dict[str, Any], refusal: tuple[int, str]
):
    answer = api(cast.owner).post(GRANTS, body(gateway, **fields))
    assert (answer.status_code, answer.json()["code"]) == refusal
    assert (grants(cast), events(cast)) == ([], [])


def test_a_second_grant_for_the_same_place_is_refused(cast: Cast, api: Callable, gateway: Gateway):
    for project in (None, "rocket"):
        assert api(cast.owner).post(GRANTS, body(gateway, project=project)).status_code == 201
        again = api(cast.owner).post(GRANTS, body(gateway, project=project, permissions=["view_org"]))
        assert (again.status_code, again.json()["code"]) == (409, "grant_exists")
    assert [grant.permissions for grant in grants(cast)] == [["keys:verify"]] * 2


def test_neither_a_disabled_account_nor_an_archived_project_is_granted(cast: Cast, api: Callable, gateway: Gateway):
    with tenant_scope(cast.acme.id):
        archive_project(actor=cast.staff_principal(), project_id=cast.project.id)
    answer = api(cast.owner).post(GRANTS, body(gateway, project="rocket"))
    assert (answer.status_code, answer.json()["code"]) == (409, "project_archived")
    disable_service_account(actor=cast.staff_principal(), account_id=gateway.account.id, reason="Rests")
    answer = api(cast.owner).post(GRANTS, body(gateway))
    assert (answer.status_code, answer.json()["code"]) == (409, "service_account_disabled")
    assert grants(cast) == []


def test_nobody_grants_what_they_may_not_do_themselves(cast: Cast, api: Callable, gateway: Gateway):
    with tenant_scope(cast.acme.id):
        role = CustomRole.objects.create(name="People", permissions=["manage_members", "view_org"])
        Membership.objects.filter(user=cast.viewer).update(role="custom", custom_role=role)
    answer = api(cast.viewer).post(GRANTS, body(gateway, permissions=["keys:verify", "manage_keys", "view_org"]))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "manage_keys" in answer.json()["detail"]
    assert (grants(cast), events(cast)) == ([], [])
    # Permissions that people do not have go with managing members.
    answer = api(cast.viewer).post(GRANTS, body(gateway, permissions=["keys:verify", "usage:track", "view_org"]))
    assert answer.status_code == 201


def test_a_narrowed_token_grants_no_more_than_it_holds(cast: Cast, api: Callable, make: Any, gateway: Gateway):
    narrowed = make.token(cast.owner, permissions=["manage_members", "view_org"])
    assert api(narrowed).post(GRANTS, body(gateway, permissions=["manage_keys"])).status_code == 403
    assert api(narrowed).post(GRANTS, body(gateway, permissions=["view_org"])).status_code == 201


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_who_does_not_manage_members_neither_grants_nor_withdraws(
    cast: Cast, api: Callable, gateway: Gateway, role: str
):
    grant = gateway.grant(cast.acme, "view_org")
    caller = api(cast.member(role))
    for answer in (
        caller.post(GRANTS, body(gateway)),
        caller.delete(f"{GRANTS}/{grant.public_id}"),
        caller.get(f"{GRANTS}/{grant.public_id}/withdrawal"),
    ):
        assert (answer.status_code, answer.json()["permission"]) == (403, "manage_members")
    assert [row.withdrawn_at for row in grants(cast)] == [None]


def test_a_service_account_grants_itself_nothing(cast: Cast, gateway: Gateway):
    gateway.grant(cast.acme, *KEY_PERMISSIONS)
    assert gateway.ask("POST", GRANTS, body(gateway, project="rocket")).status_code == 403
    assert len(grants(cast)) == 1


def test_grants_of_another_organization_are_absent(cast: Cast, api: Callable, gateway: Gateway):
    foreign = gateway.grant(cast.globex, "view_org")
    for answer in (
        api(cast.owner).get(f"{GRANTS}/{foreign.public_id}"),
        api(cast.owner).get(f"{GRANTS}/{foreign.public_id}/withdrawal"),
        api(cast.owner).delete(f"{GRANTS}/{foreign.public_id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert gateway.ask("GET", "/api/v1/orgs/globex").status_code == 200
    assert api(cast.owner).get(GRANTS).json()["data"] == []


def test_two_and_twenty_grants_take_the_same_queries(cast: Cast, api: Callable, gateway: Gateway):
    gateway.grant(cast.acme, "view_org")
    caller = api(cast.viewer)
    caller.get(GRANTS)
    with CaptureQueriesContext(connection) as one:
        caller.get(GRANTS)
    for number in range(19):
        make_gateway(cast, f"Gateway {number}").grant(cast.acme, "view_org")
    with CaptureQueriesContext(connection) as twenty:
        assert len(caller.get(GRANTS).json()["data"]) == 20
    assert len(twenty) == len(one)
