"""What is sensitive asks a browser for a proof of identity of the last fifteen minutes: where, and that it holds.

Whoever adds a page of that kind declares `.after_recent_proof()`, or fails here.
"""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.access import Access, AccessKind
from config.kernel.routes import Route
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from tests.browsers import signed_in
from tests.cast import PASSWORD, Cast
from tests.test_access_matrix import Samples, address, is_rest, routes, samples, standing_samples

__all__ = ["samples", "standing_samples"]

SAFE = ("GET", "HEAD")
# Whole areas: whatever writes there changes how somebody signs in.
AREAS = ("/orgs/<str:organization>/sign-in/", "/profile/security/")
# And these.
NAMED = {"keys:token-create", "orgs:delete", "sso:email", "sso:password-change", "sso:password-set"}
NAMED |= {f"webhooks:{page}" for page in ("create", "edit", "headers", "rotate-secret", "signing-key", "delete")}
# Pages that write in such an area and need none, each with its reason.
EXEMPT = {"orgs:email-domain-check": "asks the DNS at once for what a job asks it anyway"}

PAGES = [row for row in routes() if not is_rest(row[0]) and row[2].kind != AccessKind.STAFF]
# allauth's own views lie under the same addresses as ours, which answer (config/access.py).
RECENT = [row for row in PAGES if row[2].recently and not row[0].name.startswith("account_")]


def test_everything_sensitive_declares_it():
    missing = []
    for route, method, access in PAGES:
        in_area = route.path.startswith(AREAS) and method not in SAFE
        if (in_area or route.name in NAMED) and not access.recently and route.name not in EXEMPT:
            missing.append(f"{method} {route.path} ({route.name})")
    assert not missing
    assert {route.name for route, _, _ in RECENT} >= NAMED


def named(rows: list[tuple[Route, str, Access]]) -> Any:
    return pytest.mark.parametrize(
        ("route", "method"), [row[:2] for row in rows], ids=[f"{method} {route.path}" for route, method, _ in rows]
    )


def events(cast: Cast) -> int:
    total = 0
    for organization_id in (INSTALLATION_ID, cast.acme.id):
        with tenant_scope(organization_id):
            total += AuditEvent.objects.count()
    return total


@named(RECENT)
def test_without_a_fresh_proof_nothing_happens_and_with_one_it_opens(
    cast: Cast,
    samples: Samples,
    route: Route,
    method: str,
):
    who = cast.owner if "<str:organization>" in route.path else cast.developer
    with time_machine.travel(timezone.now() - timedelta(minutes=16), tick=False):
        browser = signed_in(Client(), who)
    path, before = address(route, samples.own), events(cast)
    for tried in ("GET", "POST") if "*" in route.methods() else (method,):
        answer = getattr(browser, tried.lower())(path, {"confirm": "acme", "name": "Mine", "email": "new@x.example"})
        assert (answer.status_code, answer["Location"][:10]) == (302, "/confirm/?"), tried
    assert events(cast) == before, "something was done all the same"
    confirmed = browser.post("/confirm/", {"how": "password", "password": PASSWORD})
    assert confirmed.status_code == 302, confirmed.content
    opened = getattr(browser, method.lower())(path)
    assert not opened.headers.get("Location", "").startswith("/confirm/")
    assert opened.status_code < 500
