"""The operator's commands of service accounts."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.models import AuditEvent
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs.models import ServiceAccount, ServiceAccountSecret
from tests.cast import Cast
from tests.gateway import Gateway, make_gateway


def run(name: str, *arguments: str) -> tuple[str, str]:
    """Standard output and standard error of a command."""
    out, err = io.StringIO(), io.StringIO()
    call_command(name, *arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue()


def answer(name: str, *arguments: str) -> Any:
    return json.loads(run(name, *arguments, "--json")[0])


def test_an_account_is_registered_with_its_secret_alone_on_standard_output(cast: Cast):
    out, err = run("create_service_account", "Gateway", "--description", "In front of all")
    account = ServiceAccount.objects.get()
    key_id = ServiceAccountSecret.objects.get().key_id
    assert out.strip() not in err
    assert account.public_id in err
    assert key_id in err
    gateway = Gateway(cast, account, key_id, out.strip())
    gateway.grant(cast.acme, "view_org")
    assert gateway.ask("GET", "/api/v1/orgs/acme").status_code == 200
    with tenant_scope(INSTALLATION_ID):
        event = AuditEvent.objects.get(event="service_account.created")
    assert (event.actor_kind, event.actor_id, event.target_label) == ("staff", "command_line", "Gateway")
    assert out.strip() not in str(event.data)


def test_a_secret_is_rotated_with_an_overlap_and_without(cast: Cast):
    gateway = make_gateway(cast)
    gateway.grant(cast.acme, "view_org")
    made = answer("rotate_service_account_secret", "Gateway", "--overlap-days", "1")
    second = Gateway(cast, gateway.account, made["key_id"], made["secret"])
    assert [caller.ask("GET", "/api/v1/orgs/acme").status_code for caller in (gateway, second)] == [200, 200]
    made = answer("rotate_service_account_secret", gateway.account.public_id, "--overlap-days", "0")
    third = Gateway(cast, gateway.account, made["key_id"], made["secret"])
    codes = [caller.ask("GET", "/api/v1/orgs/acme").status_code for caller in (gateway, second, third)]
    assert codes == [401, 401, 200]


def test_accounts_are_disabled_enabled_and_listed(cast: Cast):
    gateway = make_gateway(cast)
    assert answer("disable_service_account", "Gateway", "--reason", "Leaked")["active"] is False
    (row,) = answer("list_service_accounts")["data"]
    assert row == {
        "id": gateway.account.public_id, "name": "Gateway", "status": "disabled", "key_ids": gateway.key_id,
    }  # fmt: skip
    assert gateway.ask("GET", "/api/v1/whoami").status_code == 401
    assert answer("enable_service_account", "Gateway")["active"] is True
    assert answer("list_service_accounts")["data"][0]["status"] == "active"


@pytest.mark.parametrize(
    "arguments",
    [
        ("create_service_account", "Gateway"),
        ("create_service_account", ""),
        ("create_service_account", "x" * 121),
        ("create_service_account", "Other", "--description", "x" * 501),
        ("rotate_service_account_secret", "Nobody"),
        ("rotate_service_account_secret", "Gateway", "--overlap-days", "31"),
        ("rotate_service_account_secret", "Gateway", "--overlap-days", "-1"),
        ("disable_service_account", "svc_x", "--reason", "x"),
        ("disable_service_account", "Gateway"),
        ("enable_service_account", "Nobody"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(cast: Cast, arguments: tuple[str, ...]):
    make_gateway(cast)
    with pytest.raises(CommandError):
        run(*arguments)
    assert ServiceAccount.objects.get().is_active
    assert ServiceAccountSecret.objects.get().expires_at is None
