"""What a refused single sign-on must look like, and what it must leave as it was."""

from typing import Any

from audit.models import AuditEvent
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import BrowserSession, Membership, User
from sso.models import Connection, FederatedIdentity
from tests.cast import Cast
from tests.identity_providers.connecting import log_of

Facts = dict[str, Any]


def facts(cast: Cast) -> Facts:
    """What a refused sign-in must leave as it was."""
    with tenant_scope(cast.acme.id):
        return {
            "people": sorted(map(str, User.objects.values_list("email", "last_login"))),
            "members": sorted(map(str, Membership.objects.values_list("user", "role"))),
            "identities": sorted(map(str, FederatedIdentity.objects.values_list("user", "subject"))),
            "sessions": BrowserSession.objects.exclude(user=None).count(),
            "last": sorted(map(str, Connection.objects.values_list("last_sign_in_at", flat=True))),
        }


def require_refused(cast: Cast, answer: Any, code: str, before: Facts, *, status: tuple[int, ...] = (400, 403)) -> None:
    """The page tells the person what to do, the log the cause, the ledger that it happened; nothing else changed."""
    assert answer.status_code in status, answer.content.decode()
    entry = log_of(cast.acme)[0]
    assert (entry.outcome, entry.code) == ("refused", code), entry.detail
    assert entry.detail
    page = answer.content.decode()
    assert "You are not signed in" in page
    assert entry.request_id in page
    assert entry.detail not in page
    assert facts(cast) == before
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.filter(event="user.sign_in_failed").latest("id")
    assert (event.result, event.data) == ("refused", {"method": "sso", "cause": code})
