"""The one function that says whether a person may sign in by a method: `validate_auth_method`. Every way in asks it.

An organization governs the people whose addresses are in its proven e-mail domains, members or not, and the members
who have come in through its identity provider before, so that nobody escapes by changing their address.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models.functions import JSONObject, Lower
from django.utils import timezone

from config.kernel.errors import AuthFailure
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import system_scope
from orgs.domain_names import UnfitDomain, ascii_domain
from orgs.models import EmailDomain, Membership, Organization, PilotMember, SignInPolicy, SsoSignIn, User
from orgs.models.sign_in_policy import SignInPolicyQuerySet
from orgs.models.user import normalize_email

OWN_WAYS = (Method.SSO, Method.BREAK_GLASS)
NOT_ASCII = r"[^\x01-\x7f]"
# `domain_of`, in SQL, for addresses in ASCII.
DOMAIN = models.Func(
    Lower("email"), models.Value("@"), models.Value(-1), function="split_part", output_field=models.CharField()
)


class MethodRefused(AuthFailure):
    """This person signs in through the identity provider of `organization_ids` and by nothing else.

    Whoever is at the door is not told: it is answered like a wrong credential, or by the address's domain alone.
    """

    def __init__(self, organization_ids: Iterable[UUID]) -> None:
        super().__init__()
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
    user_id: UUID | None = None,
    email: str | None = None,
    organization_id: UUID | None = None,
) -> None:
    """Whether somebody may sign in by `method`. Raises MethodRefused, and nothing else for whoever does not exist.

    `email` is an address as it was typed, for ways in that begin with one; `organization_id` is whose identity
    provider, or whose break-glass code, it was.
    """
    if not is_authorized(*([email] if email else []), *([user.email] if user is not None else [])):
        raise MethodRefused([])
    governing = governing_organizations(user=user, user_id=user_id, email=email)
    if not governing:
        return
    if method in OWN_WAYS and any(each.organization_id == organization_id for each in governing):
        return
    raise MethodRefused(each.organization_id for each in governing)


def is_authorized(*emails: str) -> bool:
    """Whether the operator lets people of these addresses sign up and in: all of them must be in the domains named."""
    domains = settings.TENANTRY_AUTHORIZED_DOMAINS
    return not domains or all(domain_of(email) in domains for email in emails)


def governs_domain(email: str) -> bool:
    """Whether everybody of this address's domain signs in through an identity provider. Looks at no person."""
    with system_scope("who governs the sign-in of a domain"):
        return _policies([], {domain_of(email)}).exists()


def governing_organizations(
    *, user: User | None = None, user_id: UUID | None = None, email: str | None = None
) -> list[Governance]:
    """The organizations whose enforcement holds for this person, or for whoever has this address.

    One query where nobody enforces anything; else two for a person, and one more for somebody with an address in a
    domain that is not ASCII. One more for an address.
    """
    user_ids = [each for each in (user.id if user else user_id,) if each]
    domains = set()
    if user is not None:
        domains.add(domain_of(user.email))  # as it is in memory: somebody about to be saved has no row yet
    if email:
        domains.add(domain_of(email))
        user_ids += persons_of(email)
    with system_scope("who governs the sign-in of a person"):
        if not user_ids:
            return [Governance(*row) for row in _policies([], domains).values_list("org_id", "session_hours")]
        # Writing the question about a person costs Django more than all else in a program's request.
        if not SignInPolicy.objects.in_force(timezone.now()).exists():
            return []
        unusual, governing = _asked(user_ids, domains)
        if unusual:
            _, governing = _asked(user_ids, domains | {domain_of(address) for address in unusual})
    return [Governance(UUID(row["organization_id"]), row["session_hours"]) for row in governing]


def persons_of(email: str) -> list[UUID]:
    """Whoever has this address, as their own or as a proven further one."""
    email = normalize_email(email)
    further = EmailAddress.objects.filter(email=email, verified=True).values("user_id")
    return list(User.objects.filter(models.Q(email=email) | models.Q(id__in=further)).values_list("id", flat=True))


def _asked(user_ids: list[UUID], domains: set[str]) -> tuple[set[str], list[dict[str, Any]]]:
    """Of these people: the addresses in domains that SQL cannot write as the DNS does, and who governs them."""
    verified = EmailAddress.objects.filter(user_id=models.OuterRef("id"), verified=True)
    rows = User.objects.filter(id__in=user_ids).annotate(
        unusual=ArraySubquery(verified.filter(email__regex=NOT_ASCII).values("email")),
        governing=ArraySubquery(
            _policies(user_ids, domains).values(row=JSONObject(organization_id="org_id", session_hours="session_hours"))
        ),
    )
    found = list(rows.values_list("email", "unusual", "governing"))
    unusual = {address for _, addresses, _ in found for address in addresses}
    unusual |= {address for address, _, _ in found if not address.isascii()}
    return unusual, found[0][2] if found else []


def _policies(user_ids: list[UUID], domains: set[str]) -> SignInPolicyQuerySet:
    """The policies that hold for these people, or for these domains. In the scope of the whole installation."""
    of_person = User.objects.filter(id__in=user_ids).values(domain=DOMAIN)
    of_addresses = EmailAddress.objects.filter(user_id__in=user_ids, verified=True).values(domain=DOMAIN)
    theirs = EmailDomain.objects.filter(domain__in=domains)
    if user_ids:
        theirs = EmailDomain.objects.filter(
            models.Q(domain__in=domains) | models.Q(domain__in=of_person) | models.Q(domain__in=of_addresses)
        )
    here = {"org_id": models.OuterRef("org_id")}
    concerned = models.Q(org_id__in=theirs.proven().values("org_id"))
    chosen = ~models.Q(enforcement=SignInPolicy.Enforcement.PILOT)
    if user_ids:
        # Whoever came in before and left the address behind. Of a domain that was lost nobody is governed.
        came = SsoSignIn.objects.filter(user_id__in=user_ids, **here)
        members = Membership.objects.filter(user_id__in=user_ids, **here)
        lost = theirs.filter(status=EmailDomain.Status.LOST, **here)
        proven = EmailDomain.objects.proven().filter(**here)
        concerned |= models.Q(models.Exists(came), models.Exists(members), models.Exists(proven), ~models.Exists(lost))
        chosen |= models.Q(models.Exists(PilotMember.objects.filter(membership__user_id__in=user_ids, **here)))
    active = Organization.objects.filter(id=models.OuterRef("org_id"), status=Organization.Status.ACTIVE)
    return (
        SignInPolicy.objects.in_force(timezone.now())
        .filter(concerned, chosen, models.Exists(active))
        .order_by("org_id")
    )


def came_lately(*, user_id: UUID, governing: Iterable[Governance]) -> bool:
    """Whether a person came in through the identity provider of one of these within its session limit. One query."""
    now = timezone.now()
    lately = models.Q(pk__in=[])
    for each in governing:
        since = now - timedelta(hours=each.session_hours)
        lately |= models.Q(org_id=each.organization_id, last_at__gt=since)
    with system_scope("when a person last came in by single sign-on"):
        return SsoSignIn.objects.filter(lately, user_id=user_id).exists()


def is_within(hours: int, *, since: datetime) -> bool:
    """Whether a sign-in of that moment still counts under a session limit."""
    return timezone.now() < since + timedelta(hours=hours)


def domain_of(email: str) -> str:
    """The domain of an address as the DNS writes it (punycode, lower case); as it stands where that cannot be."""
    domain = normalize_email(email).rpartition("@")[2]
    try:
        return ascii_domain(domain)
    except UnfitDomain:
        return domain
