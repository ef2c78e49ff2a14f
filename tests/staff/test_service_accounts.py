"""Staff's pages of service accounts and their grants."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from audit.models import AuditEvent
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs.models import ServiceAccount, ServiceAccountSecret, ServiceGrant
from tests.cast import Cast
from tests.gateway import Gateway, make_gateway

ACCOUNTS = "/admin/orgs/serviceaccount/"
GRANTS = "/admin/orgs/servicegrant/"


def recorded(cast: Cast, name: str, org_id: Any) -> AuditEvent:
    with tenant_scope(org_id):
        row = AuditEvent.objects.filter(event=name).order_by("-id").first()
    assert row is not None, name
    assert (row.actor_kind, row.actor_id) == ("staff", cast.staff.public_id)
    return row


def shown(answer: Any) -> tuple[str, str]:
    """The keyid and the secret on a page."""
    text = answer.content.decode()
    return re.search(r"sas_[0-9a-z]{26}", text)[0], re.search(r'id="secret"[^>]*>([^<]+)<', text)[1]


def grants(cast: Cast) -> list[ServiceGrant]:
    with tenant_scope(cast.acme.id):
        return list(ServiceGrant.objects.order_by("id"))


def test_an_account_is_registered_granted_rotated_and_disabled(staff: Client, cast: Cast):
    made = staff.post(f"{ACCOUNTS}add/", {"name": "Gateway", "description": "In front of all"})
    assert made.status_code == 200
    account = ServiceAccount.objects.get()
    key_id, secret = shown(made)
    gateway = Gateway(cast, account, key_id, secret)
    assert len(secret) >= 43  # 256 bits
    assert recorded(cast, "service_account.created", INSTALLATION_ID).data == {"key_id": key_id}

    values = {"organization": "acme", "service_account": account.public_id, "permissions": ["view_org"]}
    assert staff.post(f"{GRANTS}add/", values).status_code == 302
    assert gateway.ask("GET", "/api/v1/orgs/acme").status_code == 200
    assert recorded(cast, "service_grant.created", cast.acme.id).data["permissions"] == ["view_org"]

    page = staff.get(f"{ACCOUNTS}{account.pk}/change/").content.decode()
    assert key_id in page
    assert secret not in page
    rotated = Gateway(cast, account, *shown(staff.post(f"{ACCOUNTS}{account.pk}/do/rotate/", {"overlap_days": "0"})))
    assert gateway.ask("GET", "/api/v1/orgs/acme").status_code == 401
    assert rotated.ask("GET", "/api/v1/orgs/acme").status_code == 200

    assert staff.post(f"{ACCOUNTS}{account.pk}/do/disable/").status_code == 422, "no reason"
    assert staff.post(f"{ACCOUNTS}{account.pk}/do/disable/", {"reason": "leaked"}).status_code == 302
    assert rotated.ask("GET", "/api/v1/orgs/acme").status_code == 401
    assert recorded(cast, "service_account.disabled", INSTALLATION_ID).data == {"reason": "leaked"}
    assert staff.post(f"{ACCOUNTS}{account.pk}/do/enable/").status_code == 302
    assert rotated.ask("GET", "/api/v1/orgs/acme").status_code == 200

    assert staff.post(f"{GRANTS}{grants(cast)[0].pk}/do/withdraw/").status_code == 302
    assert rotated.ask("GET", "/api/v1/orgs/acme").status_code == 404
    recorded(cast, "service_grant.withdrawn", cast.acme.id)


@pytest.mark.parametrize("values", [{"name": ""}, {"name": "x" * 121}, {"name": "Gateway"}, {"name": "\x00"}])
def test_a_wrong_or_taken_name_registers_nothing(staff: Client, cast: Cast, values: dict[str, str]):
    make_gateway(cast)
    assert staff.post(f"{ACCOUNTS}add/", values).status_code == 422
    assert (ServiceAccount.objects.count(), ServiceAccountSecret.objects.count()) == (1, 1)


@pytest.mark.parametrize("days", ["", "-1", "31", "x"])
def test_a_wrong_overlap_rotates_nothing(staff: Client, cast: Cast, days: str):
    gateway = make_gateway(cast)
    assert staff.post(f"{ACCOUNTS}{gateway.account.pk}/do/rotate/", {"overlap_days": days}).status_code == 422
    assert ServiceAccountSecret.objects.get().expires_at is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"organization": "nowhere"}, "No organization has this id or slug"),
        ({"service_account": "nothing"}, "No service account has this id or name"),
        ({"project": "freight"}, "No project of this organization"),
        ({"permissions": []}, "required"),
        ({"permissions": ["delete_org"]}, "Select a valid choice"),
    ],
)
def test_a_wrong_grant_is_not_made(staff: Client, cast: Cast, fields: dict[str, Any], words: str):
    make_gateway(cast)
    values = {"organization": "acme", "service_account": "Gateway", "project": "", "permissions": ["view_org"]}
    answer = staff.post(f"{GRANTS}add/", {**values, **fields})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert grants(cast) == []


def test_lists_find_accounts_by_name_and_grants_by_account(staff: Client, cast: Cast):
    gateway, other = make_gateway(cast), make_gateway(cast, "Billing service")
    for one in (gateway, other):
        one.grant(cast.acme, "view_org")
    for query, expected in (("Billing ser", ["Billing service"]), (gateway.account.public_id, ["Gateway"])):
        rows = staff.get(ACCOUNTS, {"q": query}).context["cl"].result_list
        assert [row.name for row in rows] == expected
    for query in ({"q": other.account.public_id}, {"account_id__exact": str(other.account.id)}):
        rows = staff.get(GRANTS, query).context["cl"].result_list
        assert [row.account.name for row in rows] == ["Billing service"]


def test_only_staff_come_in(cast: Cast, browse: Callable[..., Client]):
    gateway = make_gateway(cast)
    for path in (ACCOUNTS, f"{ACCOUNTS}add/", f"{ACCOUNTS}{gateway.account.pk}/do/rotate/", f"{GRANTS}add/"):
        assert browse(cast.owner).post(path, {"name": "Mine", "overlap_days": "0"}).status_code == 403
    assert ServiceAccountSecret.objects.get().expires_at is None
    assert ServiceAccount.objects.count() == 1
