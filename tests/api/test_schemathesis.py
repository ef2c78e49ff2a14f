"""Schemathesis asks every operation of the document, in ways nobody thought of, through the WSGI application.

Every example is rolled back, so that deleting and revoking may be among them.
"""

import json
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from audit.models import AuditEvent, AuditExport
from config.kernel.chunked import measured
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from keys.models import TokenSession
from keys.services.agents import create_agent
from keys.services.sessions import open_session
from keys.services.tokens import create_token
from orgs.models import BrowserSession, DataExport, EmailDomain, ServiceAccount, ServiceGrant
from orgs.services.invitations import invite
from orgs.services.roles import create_role
from projects.models import Domain, Resource, SeenDomain
from sso.models import HandoverAddress
from tests.cast import Cast
from tests.sso.rows import connection_rows
from tests.webhooks.rows import endpoint_rows

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = 5  # beside those that Schemathesis draws from the schema's edges
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


# Without the fast path in front, which answers from what is committed: what is tried here never is.
application = measured(get_wsgi_application())


# Read from the document that is kept, so that collecting the tests makes nobody wait; another test compares the two.
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"].items()
    for method in methods
]


@cache
def operations() -> dict[str, Any]:
    """The operations of the document that the program serves, by method and path."""
    schema = schemathesis.openapi.from_wsgi("/api/schema", application)
    schema.config.phases.coverage.unexpected_methods = set()  # tests/api/test_conventions.py asks those
    found = (result.ok() for result in schema.get_all_operations())
    return {operation.label: operation for operation in found}


@pytest.fixture
def existing(cast):
    """The rows of Acme's that the paths name."""
    owner = cast.principal(cast.owner)
    token, _ = create_token(actor=owner, user=cast.owner, name="Another")
    open_session(user=cast.owner, method="password")
    session = TokenSession.objects.get()
    now = timezone.now()
    browser_session = BrowserSession.objects.create(
        user=cast.owner, session_key="k", method="password", signed_in_at=now, expire_date=now + timedelta(hours=1)
    )
    with tenant_scope(cast.acme.id):
        role = create_role(actor=owner, name="Auditor", permissions=["view_audit"])
        invitation = invite(actor=owner, email="otto@acme.example", role="viewer")
        export = DataExport.objects.create(requested_by=cast.owner)
        audit_export = AuditExport.objects.create(format="csv", state="failed")
        domain = Domain.objects.create(project=cast.project, pattern="x.example", is_loopback=False, created_by="usr_x")
        seen = SeenDomain.objects.create(
            project=cast.project, host="y.example", is_loopback=False, last_seen_at=timezone.now()
        )
        resource = Resource.objects.create(service="warehouse", kind="dataset", name="customers/2026")
        account = ServiceAccount.objects.create(name="Gateway")
        grant = ServiceGrant.objects.create(account=account, permissions=["view_org"], granted_by=cast.owner.public_id)
        address = HandoverAddress.objects.create(project=cast.project, address="https://x.example/", created_by="usr_x")
        email_domain = EmailDomain.objects.create(domain="acme.example", token="t")
        agent, _ = create_agent(actor=SYSTEM, holder=frozenset(), project_id=cast.project.id, name="Builder")
        connected = connection_rows()
        hooked = endpoint_rows()
        event = AuditEvent.objects.order_by("-id").first()
    return {
        "organization": cast.acme.public_id,
        "project": "rocket",
        "user": cast.viewer.public_id,
        "role": role.public_id,
        "invitation": invitation.public_id,
        "key": cast.key.public_id,
        "token": token.public_id,
        "session": session.public_id,
        "browser_session": browser_session.public_id,
        "agent": agent.public_id,
        "grant": grant.public_id,
        "event": event.public_id,
        "export": export.public_id,
        "audit_export": audit_export.public_id,
        "domain": domain.public_id,
        "seen": seen.public_id,
        "email_domain": email_domain.public_id,
        "handover_address": address.public_id,
        "resource": resource.trn,
        "connection": connected.connection.public_id,
        "mapping": connected.mapping.public_id,
        "endpoint": hooked.endpoint.public_id,
        "delivery": hooked.failed.public_id,
    }


@pytest.mark.usefixtures("one_transaction")
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_in_the_document(label: str, cast: Cast, existing: dict[str, str]):
    operation = operations()[label]
    # Schemathesis would make the examples of every operation while pytest collects the tests, in each worker anew.
    config = HypothesisTestConfig(modes=list(HypothesisTestMode), project=operation.schema.config, seed=0)
    answered = create_test(operation=operation, test_func=answered_as_documented, config=config)
    answered(cast=cast, existing=existing, asked=set())


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def answered_as_documented(case: Any, cast: Cast, existing: dict[str, str], asked: set[str]) -> None:
    case.path_parameters = {name: existing[name] for name in case.path_parameters or {}}
    # Examples that differed only in the names of the path are the same request now, to the same rows.
    request = repr((case.method, case.path, case.query, case.headers, case.cookies, case.media_type, case.body))
    if request in asked:
        return
    asked.add(request)
    programs = ("/keys/verify", "/access/v1/", "/handover/exchange")
    credential = cast.secret_key if any(part in case.path for part in programs) else cast.token(cast.owner)
    if "/licenses/" in case.path:
        credential = cast.publishable_key
    case.headers.pop("X-API-Key", None)  # invented, and two credentials at once are refused
    with transaction.atomic():
        case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {credential}"})
        transaction.set_rollback(True)
