"""The one function that says whether a person may sign in by a method: `validate_auth_method`. Every way in asks it.

An organization governs the people whose addresses are in its proven e-mail domains, members or not, and the members
who have come in through its identity provider before, so that nobody escapes by changing their address.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import models
from django.utils import timezone

from config.kernel.errors import TenantryError
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import system_scope
from orgs.models import EmailDomain, Membership, Organization, PilotMember, SignInPolicy, SsoSignIn, User
from orgs.models.sign_in_policy import ROLLBACK_AFTER
from orgs.models.user import normalize_email


class MethodRefused(TenantryError):
    """This person signs in through the identity provider of `organization_ids` and by nothing else.

    Whoever is at the door is not told: edges answer it like a wrong credential, or by the address's domain alone.
    """

    code = "method_refused"
    status = 401
    title = "auth failure"

    def __init__(self, organization_ids: Iterable[UUID]) -> None:
        super().__init__("Sign in through your organization's identity provider.")
        self.organization_ids = frozenset(organization_ids)


@dataclass(frozen=True)
class Governance:
    """An organization whose enforcement holds for a person now."""

    organization_id: UUID
    session_hours: int


def validate_auth_method(
    *,
    method: Method,
    user: User | None = None,
    email: str | None = None,
    organization_id: UUID | None = None,
) -> None:
    """Whether somebody may sign in by `method`. Raises MethodRefused, and nothing else for whoever does not exist.

    `email` is an address as it was typed, for ways in that begin with one; `organization_id` is whose identity
    provider, or whose break-glass code, it was.
    """
    governing = governing_organizations(user=user, email=email)
    if not governing:
        return
    own_ways = (Method.SSO, Method.BREAK_GLASS)
    if method in own_ways and any(each.organization_id == organization_id for each in governing):
        return
    raise MethodRefused(each.organization_id for each in governing)


def governing_organizations(*, user: User | None = None, email: str | None = None) -> list[Governance]:
    """The organizations whose enforcement holds for this person, or for whoever has this address. Two queries."""
    addresses = {normalize_email(email)} if email else set()
    if user is not None:
        verified = EmailAddress.objects.filter(user_id=user.id, verified=True).values_list("email", flat=True)
        addresses |= {normalize_email(user.email), *(normalize_email(address) for address in verified)}
    domains = {domain_of(address) for address in addresses}
    with system_scope("who governs the sign-in of a person"):
        concerned = models.Q(org_id__in=EmailDomain.objects.proven().filter(domain__in=domains).values("org_id"))
        if user is not None:
            members = Membership.objects.filter(user=user, org_id=models.OuterRef("org_id"))
            came = SsoSignIn.objects.filter(user=user).filter(models.Exists(members))
            concerned |= models.Q(org_id__in=came.values("org_id"))
        policies = SignInPolicy.objects.filter(concerned, in_force(timezone.now()))
        pilots = PilotMember.objects.filter(membership__user=user) if user is not None else PilotMember.objects.none()
        chosen = ~models.Q(enforcement=SignInPolicy.Enforcement.PILOT) | models.Q(org_id__in=pilots.values("org_id"))
        active = Organization.objects.filter(status=Organization.Status.ACTIVE)
        rows = policies.filter(chosen, org_id__in=active.values("id")).values_list("org_id", "session_hours")
        return [Governance(org_id, hours) for org_id, hours in rows.order_by("org_id")]


def in_force(now: datetime) -> models.Q:
    """Policies that enforce single sign-on at `now`, for all or for pilots.

    Enforcement that let no owner or admin in for an hour has ended even if no job came to note it.
    """
    begun = models.Q(confirmed_at__isnull=False) | models.Q(required_from__gt=now - ROLLBACK_AFTER)
    required = models.Q(enforcement=SignInPolicy.Enforcement.REQUIRED, required_from__lte=now) & begun
    return required | models.Q(enforcement=SignInPolicy.Enforcement.PILOT)


def domain_of(email: str) -> str:
    """The domain of an address as the DNS writes it (punycode, lower case); as it stands where that cannot be."""
    domain = normalize_email(email).rpartition("@")[2]
    try:
        return domain.encode("idna").decode() if not domain.isascii() else domain
    except UnicodeError:
        return domain
