"""Every writing route against every kind of bad input: a 4xx problem with a code, and nothing changed."""

import json
import re

import pytest
from django.conf import settings
from django.db import transaction

from config.kernel.api.operations import operation_of
from config.kernel.routes import all_routes
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import CustomRole, Invitation
from orgs.services.invitations import invite
from orgs.services.roles import create_role
from tests.api.rows import everything
from tests.sso.providers import certificate
from tests.sso.rows import connection_rows
from tests.webhooks.rows import endpoint_rows

WRITING = [
    (method, route)
    for route in all_routes()
    if route.path.startswith("/api/v1/")
    for method in route.methods()
    if method != "GET"
]
NAMES = [f"{method} {route.path}" for method, route in WRITING]

SAML = {
    "entity_id": "https://idp.example", "sso_url": "https://idp.example/sso", "certificates": [certificate()],
    "allow_idp_initiated": False, "signs_response_only": False, "email_attribute": "mail", "name_attribute": "name",
    "groups_attribute": "groups",
}  # fmt: skip
# A body of each operation that would be accepted; the tests spoil one field at a time.
GOOD = {
    "create_audit_export": {"format": "csv"},
    "create_organization": {"name": "New", "slug": "new-one"},
    "update_organization": {
        "name": "New", "slug": "new-one", "enforce_sso": "off",
        "sso_guests": "refused", "sso_session_hours": 8, "require_second_factor": False,
    },
    "delete_organization": {"confirm": "acme"},
    "transfer_organization": {"to": "USER", "own_role": "admin"},
    "update_member": {"role": "developer"},
    "create_invitation": {"email": "nina@acme.example", "role": "viewer"},
    "create_invitations": {"emails": ["nina@acme.example"], "role": "viewer"},
    "accept_invitation": {"token": "x"},
    "create_role": {"name": "New", "description": "x", "permissions": ["view_org"]},
    "update_role": {"name": "New", "description": "x", "permissions": ["view_org"]},
    "create_project": {"name": "New", "slug": "new-one"},
    "update_project": {"name": "New", "slug": "new-one", "unregistered_domains": "reject"},
    "register_domain": {"domain": "shop.example.com"},
    "register_email_domain": {"domain": "acme.example"},
    "remove_email_domain": {"confirm": "acme.example"},
    "register_handover_address": {"address": "https://app.example.com/signed-in"},
    "exchange_handover": {"code": "x", "redirect_uri": "https://app.example.com/signed-in", "code_verifier": "x" * 43},
    "set_project_role": {"role": "developer"},
    "create_key": {
        "kind": "secret", "mode": "live", "name": "New", "note": "x", "permissions": ["view_org"],
        "expires_at": "2040-01-01T00:00:00Z", "allowed_ips": ["10.0.0.0/8"], "metadata": {"a": "b"},
        "rate_limit": {"limit": 5, "window_seconds": 60}, "remaining": 7,
    },
    "update_key": {
        "name": "New", "note": "x", "permissions": ["view_org"], "expires_at": "2040-01-01T00:00:00Z",
        "allowed_ips": ["10.0.0.0/8"], "metadata": {"a": "b"}, "rate_limit": {"limit": 5, "window_seconds": 60},
        "remaining": 7,
    },
    "rotate_key": {"overlap_seconds": 60, "expires_at": "2040-01-01T00:00:00Z"},
    "report_leaked_key": {"key": "x", "url": "https://a.example/", "source": "x"},
    "import_keys": {"keys": [{
        "sha256": "ab" * 32, "start": "old_", "name": "New", "mode": "live", "note": "x", "permissions": ["view_org"],
        "expires_at": "2040-01-01T00:00:00Z", "allowed_ips": ["10.0.0.0/8"], "metadata": {"a": "b"},
        "rate_limit": {"limit": 5, "window_seconds": 60}, "remaining": 7,
    }]},
    "update_key_policy": {"longest_lifetime_days": 90, "is_expiry_required": True, "on_leak": "revoke"},
    "verify_key": {
        "key": "x", "origin": "https://a.example", "ip": "10.0.0.1", "permission": "view_org", "cost": 1,
    },
    "verify_keys": {"keys": [{"key": "x"}]},
    "track": {"events": [{"id": "x", "name": "x", "timestamp": None, "properties": {"a": "b"}}]},
    "create_token": {
        "name": "New", "organization": "acme", "permissions": ["view_org"], "expires_at": "2040-01-01T00:00:00Z",
    },
    "create_agent": {"name": "New", "permissions": ["view_org"], "token_lifetime_seconds": 600},
    "update_agent": {"name": "New", "permissions": ["view_org"], "token_lifetime_seconds": 600},
    "enroll_agent": {"enrolment_token": "x"},
    "create_service_grant": {
        "service_account": "svc_01h455vb4pex5vsknk084sn02q", "project": "rocket", "permissions": ["view_org"],
    },
    "register_resource": {"service": "x", "kind": "x", "name": "x", "scopes": ["x"], "project": "rocket"},
    "create_sso_connection": {"name": "New", "protocol": "saml", **SAML, "enabled": True, "default_role": "viewer"},
    "update_sso_connection": {"name": "New", **SAML, "enabled": True, "default_role": "viewer"},
    "map_sso_group": {"group": "x", "role": "viewer"},
    "create_webhook_endpoint": {
        "url": "https://93.184.215.14/x", "events": ["key.*"], "project": "rocket", "description": "x",
        "headers": {"X-Team": "a"},
    },
    "update_webhook_endpoint": {
        "url": "https://93.184.215.14/x", "events": ["key.*"], "project": "rocket", "description": "x",
        "headers": {"X-Team": "a"}, "enabled": True,
    },
    "rotate_webhook_secret": {"overlap_seconds": 60},
    "replay_webhook_endpoint": {"since": "2026-01-01T00:00:00Z"},
    "login": {"email": "a@b.example", "password": "x", "otp": "123456", "organization": "acme"},
    "login_social": {"provider": "google", "token": "x", "otp": "123456", "organization": "acme"},
    "begin_device_authorization": {"client_name": "x"},
    "redeem_device_code": {"device_code": "x"},
    "refresh": {"refresh_token": "x"},
    "bootstrap": {
        "email": "a@b.example", "password": "correct horse battery", "name": "A", "token": "x",
        "organization": {"name": "New", "slug": "new-one"},
    },
}  # fmt: skip

REFUSALS_ON_RECORD = {"bootstrap.refused", "handover.refused", "user.sign_in_failed"}
# What people may not ask.
PROGRAMS = ("keys/verify", "track", "handover/exchange")
LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
UNREADABLE = {
    "no JSON": b"{",
    "two values": b"{} {}",
    "invalid UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a lone surrogate": b'{"name": "\\ud800"}',
    "a lone surrogate as a name": b'{"\\udfff": 1}',
    "a name twice": b'{"name": "a", "name": "b"}',
    "NaN": b'{"name": NaN}',
    "infinity": b'{"name": 1e999}',
    "a huge number": b'{"name": ' + b"9" * 5000 + b"}",
    "deep nesting": b'{"name": ' + b"[" * 21 + b"]" * 21 + b"}",
    "very deep nesting": b"[" * 100_000 + b"]" * 100_000,
    "a list": b"[]",
    "a string": b'"name"',
    "a number": b"5",
    "null": b"null",
    "an unknown field": b'{"never_heard_of": 1}',
    "an unknown field with NUL": b'{"\\u0000": 1}',
    "too large": b'{"name": "' + b"x" * LIMIT + b'"}',
}
ODD_VALUES = [
    None, True, -1, 10**400, 1.5, "", "\x00", "\u202e", "x" * 10_000, "٣", "9999-12-31T23:59:59.999999-23:59", [], {},
    [None], {"a": {"b": 1}}, "usr_" + "z" * 26,
]  # fmt: skip


@pytest.fixture
def values(cast):
    with tenant_scope(cast.acme.id):
        owner = cast.principal(cast.owner)
        role = create_role(actor=owner, name="Auditor", permissions=["view_audit"])
        invitation = invite(actor=owner, email="otto@acme.example", role="viewer")
        connected = connection_rows()
        hooked = endpoint_rows()
    return {
        "organization": "acme",
        "project": "rocket",
        "user": cast.viewer.public_id,
        "role": role.public_id,
        "invitation": invitation.public_id,
        "key": cast.key.public_id,
        "token": "tok_01h455vb4pex5vsknk084sn02q",
        "event": "evt_01h455vb4pex5vsknk084sn02q",
        "export": "exp_01h455vb4pex5vsknk084sn02q",
        "audit_export": "aex_01h455vb4pex5vsknk084sn02q",
        "domain": "dom_01h455vb4pex5vsknk084sn02q",
        "handover_address": "hva_01h455vb4pex5vsknk084sn02q",
        "email_domain": "edm_01h455vb4pex5vsknk084sn02q",
        "seen": "seen_01h455vb4pex5vsknk084sn02q",
        "grant": "grt_01h455vb4pex5vsknk084sn02q",
        "session": "ses_01h455vb4pex5vsknk084sn02q",
        "browser_session": "ses_01h455vb4pex5vsknk084sn02q",
        "agent": "agt_01h455vb4pex5vsknk084sn02q",
        "connection": connected.connection.public_id,
        "mapping": connected.mapping.public_id,
        "endpoint": hooked.endpoint.public_id,
        "delivery": hooked.delivered.public_id,
        "resource": "res_01h455vb4pex5vsknk084sn02q",
    }


def address(route, values):
    path = route.path
    for name, value in values.items():
        path = path.replace(f"<str:{name}>", value).replace(f"<path:{name}>", value)
    assert "<" not in path, f"Give the samples a value for {path}."
    return path


def is_refusal(answer):
    body = answer.json()
    assert 400 <= answer.status_code < 500, (answer.status_code, body)
    assert answer["Content-Type"] == "application/problem+json"
    assert "code" in body or answer.status_code == 401
    return True


def asking(api, cast, route):
    if "licenses" in route.path:
        return api(cast.publishable_key)
    return api(cast.secret_key if any(part in route.path for part in PROGRAMS) else cast.owner)


@pytest.mark.parametrize(("method", "route"), WRITING, ids=NAMES)
def test_a_body_that_cannot_be_read_changes_nothing(api, cast, values, method, route):
    client, path = asking(api, cast, route), address(route, values)
    before = everything()
    for name, body in UNREADABLE.items():
        answer = client.generic(
            method, path, body, content_type="application/json", HTTP_IDEMPOTENCY_KEY=f"unreadable {name}"
        )
        assert is_refusal(answer), name
        if name == "too large":
            assert answer.status_code == 413
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"):
        answer = client.generic(method, path, b'{"name": "x"}', content_type=content_type)
        assert is_refusal(answer)
        assert answer.status_code in (401, 404, 415)
    assert everything() == before


@pytest.mark.parametrize(
    ("method", "route"),
    [(method, route) for method, route in WRITING if operation_of(route.callback.cls, method).body],
    ids=[name for name, (method, route) in zip(NAMES, WRITING, strict=True)
         if operation_of(route.callback.cls, method).body],
)  # fmt: skip
def test_one_odd_field_is_refused_or_means_something(api, cast, values, method, route):
    """Whatever stands in a field, the answer is no server error; and a refusal changes nothing."""
    client, path = asking(api, cast, route), address(route, values)
    operation = operation_of(route.callback.cls, method)
    good = {name: values["user"] if value == "USER" else value for name, value in GOOD[operation.name].items()}
    assert set(good) <= set(operation.body().fields)
    before = everything()
    for field in operation.body().fields:
        for value in ODD_VALUES:
            saved = transaction.savepoint()
            answer = client.generic(method, path, json.dumps({**good, field: value}), content_type="application/json")
            if answer.status_code < 300:
                transaction.savepoint_rollback(saved)
            else:
                assert is_refusal(answer), (field, value)
                transaction.savepoint_commit(saved)
    after = everything()
    on_record = {row["id"] for row in after["audit_event"] if row["event"] in REFUSALS_ON_RECORD}
    for table in ("audit_event", "webhook_outbox"):
        after[table] = [row for row in after[table] if row["id"] not in on_record]
    assert after == before


@pytest.mark.parametrize(
    "reference",
    ["a%00b", "%ff%fe", "x" * 5000, "acme%0a", "usr_" + "8" * 26, "src_01h455vb4pex5vsknk084sn02q", "..", "-1"],
)  # fmt: skip
def test_an_address_of_nonsense_is_absent(api, cast, values, reference):
    """The last name of every address, and the organization's everywhere, asked by the route's first method."""
    before = everything()
    for route in all_routes():
        names = re.findall(r"<str:(\w+)>", route.path)
        if not route.path.startswith("/api/v1/") or not names:
            continue
        path = address(route, {**values, names[-1]: reference})
        method = sorted(route.methods())[0]
        answer = api(cast.owner).generic(method, path, b"", content_type="application/json")
        assert answer.status_code == 404, (method, path, answer.status_code)
    assert everything() == before


def test_the_samples_are_rows_that_exist(cast, values):
    with tenant_scope(cast.acme.id):
        assert CustomRole.objects.count() == Invitation.objects.count() == 1
