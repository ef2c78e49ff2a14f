"""Every route, for every role and for the other tenant, made from the routes themselves.

Whoever adds a route gets its tests here; a new kind of argument must be given a sample row below.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from audit.models import AuditCheckpoint, AuditEvent, AuditExport
from config.kernel.access import Access, AccessKind
from config.kernel.permissions import GRANT_PERMISSIONS, ROLE_PERMISSIONS, Role
from config.kernel.routes import Route, all_routes
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Agent, PersonalToken, TokenSession
from orgs.models import (
    BrowserSession,
    CustomRole,
    DataExport,
    EmailDomain,
    Invitation,
    Membership,
    Organization,
    Passkey,
    ServiceAccount,
    ServiceGrant,
)
from projects.models import Domain, Project, ProjectMembership, Resource, SeenDomain
from sso.models import FederatedIdentity, HandoverAddress
from tests.browsers import signed_in
from tests.cast import Cast
from tests.conftest import JSONClient
from tests.gateway import Gateway, make_gateway
from tests.sso.rows import connection_rows
from tests.texts import without_what_varies
from tests.webhooks.rows import endpoint_rows

AUTH_FAILURE = {"type": "about:blank", "title": "auth failure", "status": 401}
ROLES = [Role.OWNER, Role.ADMIN, Role.DEVELOPER, Role.VIEWER]


def routes() -> list[tuple[Route, str, Access]]:
    found = []
    for route in all_routes():
        if route.path.startswith("/admin/"):
            continue  # tests/staff walks Django admin
        for method, access in route.methods().items():
            found.append((route, "GET" if method == "*" else method, access))
    return found


GATED = [row for row in routes() if row[2].kind in (AccessKind.ORGANIZATION, AccessKind.PROJECT)]
PERSONAL = [row for row in routes() if row[2].kind == AccessKind.SIGNED_IN]
SERVICE = [row for row in routes() if row[2].kind == AccessKind.SERVICE]
PUBLISHABLE = [row for row in routes() if row[2].kind == AccessKind.PUBLISHABLE]
CALLER = [row for row in routes() if row[2].kind == AccessKind.CALLER]


def named(rows: list[tuple[Route, str, Access]]) -> Any:
    return pytest.mark.parametrize(
        ("route", "method", "access"), rows, ids=[f"{method} {route.path}" for route, method, _ in rows]
    )


@dataclass
class Samples:
    """For each argument of an address: one row of Acme's, and one of Globex's in its place."""

    own: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)


def rows_of(organization: Organization, project: Project, member: Any, key: Any) -> dict[str, str]:
    with tenant_scope(organization.id):
        role = CustomRole.objects.create(name="Auditor", permissions=["view_audit", "view_org"])
        invitation = Invitation.objects.create(
            email=f"i@{organization.slug}.example",
            role="viewer",
            token_hash=organization.id.bytes * 2,
            expires_at=timezone.now() + timedelta(days=1),
        )
        export = DataExport.objects.create(state="failed")
        membership = Membership.objects.get(user=member)
        ProjectMembership.objects.create(project=project, membership=membership, role="developer")
        account = ServiceAccount.objects.create(name=f"Gateway of {organization.name}")
        grant = ServiceGrant.objects.create(account=account, permissions=["view_org"], granted_by=member.public_id)
        resource = Resource.objects.create(service="warehouse", kind="dataset", name="customers/2026", project=project)
        domain = Domain.objects.create(project=project, pattern="x.example", is_loopback=False, created_by="usr_x")
        seen = SeenDomain.objects.create(
            project=project, host="y.example", is_loopback=False, last_seen_at=timezone.now()
        )
        agent = Agent.objects.create(
            project=project,
            name="Builder",
            enrolment_digest=organization.id.bytes * 2,
            enrolment_expires_at=timezone.now() + timedelta(days=1),
            created_by=member.public_id,
        )
        address = HandoverAddress.objects.create(project=project, address="https://x.example/", created_by="usr_x")
        email_domain = EmailDomain.objects.create(domain=f"{organization.slug}.example", token="t")
        connected = connection_rows()
        identity = FederatedIdentity.objects.create(
            connection=connected.connection, issuer="https://idp.example", subject="s", user=member
        )
        hooked = endpoint_rows()
        event = AuditEvent.objects.order_by("-id").first()
        audit_export = AuditExport.objects.create(format="csv", state="failed")
        checkpoint = AuditCheckpoint.objects.create(
            sequence=1, digest=organization.id.bytes * 2, sealed_at=timezone.now(), statement="signed"
        )
    token = PersonalToken.objects.filter(user=member).first()
    passkey = Passkey.objects.create(user=member, name="Laptop", credential_id=member.id.bytes, public_key=b"")
    now = timezone.now()
    session = TokenSession.objects.create(
        user=member, method="password", last_used_at=now, expires_at=now + timedelta(days=1)
    )
    browser = signed_in(Client(), member)
    browser_session = BrowserSession.objects.get(session_key=browser.session.session_key)
    return {
        "agent": agent.public_id,
        "browser_session": browser_session.public_id,
        "session": session.public_id,
        "organization": organization.slug,
        "project": project.slug,
        "user": member.public_id,
        "member": member.public_id,
        "key": key.public_id,
        "role": role.public_id,
        "invitation": invitation.public_id,
        "export": export.public_id,
        "grant": grant.public_id,
        "event": event.public_id,
        "audit_export": audit_export.public_id,
        "checkpoint": checkpoint.public_id,
        "domain": domain.public_id,
        "email_domain": email_domain.public_id,
        "handover_address": address.public_id,
        "seen": seen.public_id,
        "resource": resource.trn,
        "resource_id": resource.public_id,
        "token": token.public_id,
        "passkey": passkey.public_id,
        "connection": connected.connection.public_id,
        "mapping": connected.mapping.public_id,
        "identity": identity.public_id,
        "endpoint": hooked.endpoint.public_id,
        "delivery": hooked.delivered.public_id,
    }


def make_samples(cast: Cast) -> Samples:
    for user in (cast.owner, cast.admin, cast.developer, cast.viewer, cast.outsider):
        cast.token(user)
    own = rows_of(cast.acme, cast.project, cast.developer, cast.key)
    return Samples(own=own, foreign=rows_of(cast.globex, cast.foreign_project, cast.outsider, cast.foreign_key))


@pytest.fixture(scope="module", autouse=True)
def standing_samples(surrounded: Callable[..., Any]) -> Callable[[], Samples]:
    return surrounded(make_samples)


@pytest.fixture
def samples(standing_samples: Callable[[], Samples], cast: Cast) -> Samples:
    return standing_samples()


def address(route: Route, values: dict[str, str]) -> str:
    def value(match: re.Match) -> str:
        name = match[1].split(":")[-1]
        assert name in values, f"{route.path}: give tests/test_access_matrix.py a sample of <{name}>"
        return values[name]

    return re.sub(r"<([^>]+)>", value, route.path)


def mistyped(credential: str) -> str:
    """The same with another last character."""
    return credential[:-1] + ("B" if credential.endswith("A") else "A")


def is_rest(route: Route) -> bool:
    return route.path.startswith(("/api/", "/access/", "/scim/"))


def ask(
    cast: Cast, who: Any, route: Route, method: str, values: dict[str, str], *, body: dict[str, Any] | None = None
) -> Any:
    """The answer, with everything it changed rolled back. `who` is a user, a key's plaintext or None."""
    if is_rest(route):
        client: Client = JSONClient(cast.token(who) if who is not None and not isinstance(who, str) else who)
        send: Callable[..., Any] = getattr(client, method.lower())
        arguments: list[Any] = [] if method == "GET" else [body or {}]
    else:
        client = Client()
        if who is not None:
            signed_in(client, who)
        send, arguments = getattr(client, method.lower()), [body or {}]
    sid = transaction.savepoint()
    try:
        return send(address(route, values), *arguments)
    finally:
        transaction.savepoint_rollback(sid)


# Of these a view takes what it knows, so that a request gets past the reading of its body.
FIELDS: dict[str, Any] = {
    "name": "Taken over", "slug": "taken-over", "email": "thief@x.example", "role": "viewer", "confirm": "acme",
    "kind": "secret", "mode": "live", "permissions": ["view_org"], "overlap_seconds": 0, "note": "taken",
    "emails": ["thief@x.example"], "domain": "thief.example", "group": "thieves",
}  # fmt: skip


def ask_fully(cast: Cast, who: Any, route: Route, method: str, values: dict[str, str]) -> Any:
    """The answer to a body of all the fields that this view knows."""
    body = dict(FIELDS)
    while True:
        answer = ask(cast, who, route, method, values, body={} if method == "GET" else body)
        problem = answer.json() if answer.headers.get("Content-Type") == "application/problem+json" else {}
        unknown = [name for name in problem.get("errors", {}) if name in body]
        if problem.get("code") != "invalid" or not unknown:
            return answer
        body = {name: value for name, value in body.items() if name not in unknown}


def body_without_its_request(answer: Any) -> str:
    """A page's text without what differs from request to request."""
    text = without_what_varies(answer.content.decode())
    return re.sub(re.escape(answer.request["PATH_INFO"]), "PATH", text)


def test_there_are_routes_to_walk():
    assert len(GATED) > 60


@named(GATED)
def test_nobody_gets_in_without_a_credential(cast: Cast, samples: Samples, route: Route, method: str, access: Access):
    answer = ask(cast, None, route, method, samples.own)
    if is_rest(route):
        assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE)
        invented = {**samples.own, "organization": "no-such-organization"}
        assert ask(cast, None, route, method, invented).content == answer.content
    else:
        assert answer.status_code == 302
        assert answer["Location"].startswith("/login/?next=")


@named(GATED)
def test_each_role_may_exactly_what_its_permissions_say(
    cast: Cast, samples: Samples, route: Route, method: str, access: Access
):
    for role in ROLES:
        answer = ask(cast, cast.member(role), route, method, samples.own)
        if access.permission in ROLE_PERMISSIONS[role]:
            assert answer.status_code < 500, (role, answer.content)
            assert answer.status_code not in (401, 404, 405), (role, answer.content)
            if answer.status_code == 403:  # a rule of the service's, never the permission
                assert "permission_missing" not in answer.content.decode(), role
        else:
            assert answer.status_code == 403, (role, answer.status_code)
            assert str(access.permission) in answer.content.decode()
            if is_rest(route):
                assert answer.json()["code"] == "permission_missing"
                assert answer.json()["permission"] == access.permission


@named(GATED)
def test_to_another_tenant_it_looks_exactly_as_if_it_did_not_exist(
    cast: Cast, samples: Samples, route: Route, method: str, access: Access
):
    strangers: list[Any] = [cast.outsider, *([cast.foreign_secret_key] if is_rest(route) else [])]
    for who in strangers:
        answer = ask(cast, who, route, method, samples.own)
        invented = ask(cast, who, route, method, {**samples.own, "organization": "no-such-organization"})
        assert answer.status_code == invented.status_code == 404, who
        if is_rest(route):
            assert answer.content == invented.content
            assert answer.headers["Content-Type"] == invented.headers["Content-Type"]
        else:
            assert body_without_its_request(answer) == body_without_its_request(invented)


INNER = [row for row in GATED if len(re.findall(r"<", row[0].path)) > 1]


@named(INNER)
def test_rows_of_another_tenant_are_absent_below_ones_own_organization(
    cast: Cast, samples: Samples, route: Route, method: str, access: Access
):
    """Globex's owner asks below Globex for Acme's project, key, member …: one foreign argument at a time."""
    names = [name.split(":")[-1] for name in re.findall(r"<([^>]+)>", route.path)][1:]
    for name in names:
        values = {**samples.foreign, name: samples.own[name]}
        if values[name] == samples.foreign[name]:
            continue
        answer = ask_fully(cast, cast.outsider, route, method, values)
        assert answer.status_code == 404, (name, answer.status_code, answer.content[:300])
        if is_rest(route):
            assert answer.json()["code"] == "not_found"


@pytest.fixture
def gateways(cast: Cast, samples: Samples) -> dict[str, Gateway]:
    """One service account with everything that can be granted, one with a grant of Globex alone."""
    found = {"granted": make_gateway(cast, "Granted"), "stranger": make_gateway(cast, "Stranger")}
    found["granted"].grant(cast.acme, *GRANT_PERMISSIONS)
    found["stranger"].grant(cast.globex, *GRANT_PERMISSIONS)
    return found


@named([row for row in GATED if is_rest(row[0])])
def test_a_service_account_may_exactly_what_it_was_granted(
    gateways: dict[str, Gateway], samples: Samples, route: Route, method: str, access: Access
):
    path, body = address(route, samples.own), None if method == "GET" else {}
    sid = transaction.savepoint()
    granted, stranger = (gateways[name].ask(method, path, body) for name in ("granted", "stranger"))
    invented = gateways["stranger"].ask(
        method, address(route, {**samples.own, "organization": "no-such-organization"}), body
    )
    transaction.savepoint_rollback(sid)
    assert (stranger.status_code, stranger.content) == (404, invented.content)
    assert granted.status_code not in (401, 405, 500)
    if access.permission in GRANT_PERMISSIONS:
        assert granted.status_code != 404
        assert granted.status_code != 403 or granted.json()["code"] != "permission_missing", granted.content
    else:
        assert (granted.status_code, granted.json()["permission"]) == (403, access.permission)


@named(PERSONAL)
def test_what_needs_a_person_refuses_nobody(cast: Cast, samples: Samples, route: Route, method: str, access: Access):
    answer = ask(cast, None, route, method, samples.own)
    if is_rest(route):
        assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE)
    else:
        assert answer.status_code in (302, 404), answer.status_code
        if answer.status_code == 302:
            assert "/login/" in answer["Location"]


@named(SERVICE)
def test_what_needs_a_program_refuses_people_and_nobody(
    cast: Cast, samples: Samples, route: Route, method: str, access: Access
):
    assert ask(cast, None, route, method, samples.own).json() == AUTH_FAILURE
    answer = ask(cast, cast.owner, route, method, samples.own)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_missing")
    assert ask(cast, cast.publishable_key, route, method, samples.own).json() == AUTH_FAILURE


@named(PUBLISHABLE)
def test_what_takes_a_publishable_key_refuses_people_nobody_and_other_credentials(
    cast: Cast, samples: Samples, route: Route, method: str, access: Access
):
    assert ask(cast, None, route, method, samples.own).json() == AUTH_FAILURE
    for credential in ("", "x", mistyped(cast.publishable_key), "pk_live_" + "0" * 32, mistyped(cast.secret_key)):
        assert ask(cast, credential, route, method, samples.own).json() == AUTH_FAILURE, credential
    assert ask(cast, cast.publishable_key, route, method, samples.own).status_code in (400, 403)  # past the gate
    refused = ask(cast, cast.owner, route, method, samples.own)
    if access.permission is None:
        assert refused.json() == ask(cast, cast.secret_key, route, method, samples.own).json() == AUTH_FAILURE
    else:
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")
        assert ask(cast, cast.secret_key, route, method, samples.own).status_code == 400  # past the gate


def test_no_other_route_takes_a_publishable_key(cast: Cast, samples: Samples):
    """Those that nobody needs a credential for neither."""
    taken = {(route.path, method) for route, method, _ in PUBLISHABLE}
    assert {path for path, _ in taken} == {"/api/v1/licenses/verify", "/api/v1/track"}
    for route, method, _ in routes():
        if route.path.startswith(("/api/v1/", "/access/", "/scim/")) and (route.path, method) not in taken:
            answer = ask(cast, cast.publishable_key, route, method, samples.own)
            assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE), route.path


@named(CALLER)
def test_what_any_credential_may_ask_needs_its_organization(
    cast: Cast, samples: Samples, route: Route, method: str, access: Access
):
    """A key brings its organization; people name theirs, and naming another proves nothing."""
    assert ask(cast, None, route, method, samples.own).json() == AUTH_FAILURE
    assert ask(cast, cast.publishable_key, route, method, samples.own).json() == AUTH_FAILURE
    assert ask(cast, cast.secret_key, route, method, samples.own).status_code == 400  # past the gate, with no question
    assert ask(cast, cast.owner, route, method, samples.own).json() == AUTH_FAILURE
    for who, status in (
        (cast.owner, 400),
        (cast.outsider, 401),
        (cast.secret_key, 400),
        (cast.foreign_secret_key, 401),
    ):
        client = JSONClient(who if isinstance(who, str) else cast.token(who))
        answer = getattr(client, method.lower())(route.path, {}, HTTP_X_ORGANIZATION_ID=cast.acme.public_id)
        assert answer.status_code == status, who


@named([row for row in GATED + PERSONAL + SERVICE + CALLER if is_rest(row[0])])
def test_every_bad_credential_gets_the_one_answer(
    cast: Cast, samples: Samples, route: Route, method: str, access: Access
):
    for credential in ("", "x", mistyped(cast.secret_key), cast.publishable_key, "sk_live_" + "0" * 32, "Ω" * 9):
        sid = transaction.savepoint()
        client = JSONClient()
        answer = getattr(client, method.lower())(
            address(route, samples.own), headers={"Authorization": f"Bearer {credential}".encode().decode("latin-1")}
        )
        transaction.savepoint_rollback(sid)
        assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE), credential
