"""What a page with a publishable key gets: its host is judged by the project's domains, and what it may is signed.

An Origin proves nothing outside of a browser: whoever copies the key can send any. That is why a publishable key gives
no more than this, and why the answer tells a plan's features and never a secret.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
from django.db.models import Exists, OuterRef

from config.kernel.errors import Absent, Forbidden
from config.kernel.identifiers import public_id
from config.kernel.principals import PublishablePrincipal
from keys.models import Key
from keys.signing import Purpose, sign
from orgs.models import Organization
from orgs.plans import Plan, plan_of
from projects.hosts import Verdict, origin_host, verdict_on
from projects.models import Domain, Project
from projects.services.domains import note_seen

LIFETIME = timedelta(minutes=15)
# The plan of pages that are downgraded.
LEAST = "free"


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What is known of a host in a project: whether a pattern stands for it, and what hosts without one get."""

    is_registered: bool
    unregistered_domains: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page that may use a publishable key: its host, and whether it gets the least only."""

    host: str
    is_downgraded: bool


@dataclass(frozen=True, slots=True)
class Licence:
    """The answer of licenses/verify. `token` says the same, signed, until `expires_at`."""

    token: str
    domain: str
    plan: Plan
    downgraded: bool
    expires_at: datetime


def verify_licence(*, actor: PublishablePrincipal, organization: Organization, origin: str | None) -> Licence:
    """The licence of a page, by the Origin header that its browser sent. Raises what `page_of` raises."""
    page = page_of(actor=actor, origin=origin)
    plan = plan_of(LEAST if page.is_downgraded else organization.plan)
    claims = {
        "sub": actor.id,
        "org": organization.public_id,
        "domain": page.host,
        "mode": actor.mode,
        "plan": plan.name,
        "features": list(plan.features),
        "limits": plan.limits,
        "downgraded": page.is_downgraded,
    }
    token = sign(Purpose.ENTITLEMENT, claims, lifetime=LIFETIME, audience=public_id("prj", actor.project_id))
    return Licence(token, page.host, plan, page.is_downgraded, expiry_of(token))


def page_of(*, actor: PublishablePrincipal, origin: str | None) -> Page:
    """The page behind an Origin header, after noting its host if it is not registered.

    Runs in the organization's scope. Raises Forbidden as `judged` does, and with `domain_cap_exceeded` when noting one
    host more would pass the plan's limit.
    """
    host = required_host(origin)
    facts = facts_of(actor.project_id, host)
    page = judged(facts, host=host, is_test=actor.mode == Key.Mode.TEST)
    if page.is_downgraded:
        note_seen(actor=actor, project_id=actor.project_id, host=host)
    return page


def required_host(origin: str | None) -> str:
    """The host of an Origin header. Raises Forbidden for none, and for what is no page of a host."""
    if origin is None:
        raise Forbidden("Ask from a page in a browser, which sends its Origin by itself.", code="origin_required")
    host = origin_host(origin)
    if host is None:
        raise Forbidden("Ask from a page that a browser opened by http or https.", code="origin_not_allowed")
    return host


def facts_of(project_id: UUID, host: str) -> HostFacts:
    """What the database knows, in one query. Raises Absent."""
    registered = Domain.objects.filter(project_id=OuterRef("id")).standing_for(host)
    row = (
        Project.objects.filter(id=project_id)
        .annotate(is_registered=Exists(registered))
        .values_list("is_registered", "unregistered_domains")
        .first()
    )
    if row is None:
        raise Absent
    return HostFacts(*row)


def judged(facts: HostFacts, *, host: str, is_test: bool) -> Page:
    """Whether a key of that mode gets all or the least on a host. Raises Forbidden with `origin_not_allowed`."""
    rejects = facts.unregistered_domains == Project.UnregisteredDomains.REJECT
    verdict = verdict_on(host, is_registered=facts.is_registered, rejects_others=rejects, is_test=is_test)
    if verdict == Verdict.OWN_MACHINE:
        raise Forbidden("On your own machine use a test key (pk_test_…).", code="origin_not_allowed")
    if verdict == Verdict.REJECTED:
        raise Forbidden(f"Register {host} among the project's domains, then try again.", code="origin_not_allowed")
    return Page(host, is_downgraded=verdict == Verdict.DOWNGRADED)


def expiry_of(token: str) -> datetime:
    """When a token of our own ends."""
    claims = jwt.decode(token, options={"verify_signature": False, "verify_aud": False})
    return datetime.fromtimestamp(claims["exp"], UTC)
