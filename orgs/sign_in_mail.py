"""Mails about what an organization asks of sign-ins: to the people concerned, and to those who can change it."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from config.kernel.permissions import Permission
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import require_organization_id
from orgs.mail import send
from orgs.models import EmailDomain, Membership, Organization, PilotMember, SignInPolicy, SsoSignIn
from orgs.services import sign_in_policies
from orgs.sign_in import domain_of

BATCH = 50
SUBJECTS = {
    "ended": "{} no longer requires single sign-on",
    "rolled_back": "Single sign-on of {} was switched off by itself",
    "disabled": "The operator switched single sign-on of {} off",
}


def announce_single_sign_on(switched_on_at: str, occasion: str, after: str) -> str:
    """Mails one batch of the members concerned, and asks for the next. Outcomes: `stale`, `mailed N`.

    `occasion` is `announced` or `reminded`; `after` is the membership that the batch before ended with. What was
    switched on at another moment meanwhile is not told of any more.
    """
    policy = SignInPolicy.objects.of_organization(require_organization_id())
    if policy is None or policy.switched_on_at != datetime.fromisoformat(switched_on_at) or policy.enforcement == "off":
        return "stale"
    organization = Organization.objects.get(id=policy.org_id)
    members = Membership.objects.with_people().filter(user__is_active=True).order_by("id")
    if policy.enforcement == SignInPolicy.Enforcement.PILOT:
        members = members.filter(id__in=PilotMember.objects.values("membership_id"))
    batch = list((members.filter(id__gt=UUID(after)) if after else members)[:BATCH])
    domains = set(EmailDomain.objects.proven().values_list("domain", flat=True))
    came = set(SsoSignIn.objects.filter(user_id__in=[each.user_id for each in batch]).values_list("user_id", flat=True))
    connections = sign_in_policies.live_connections()
    start = connections[0].start_path if connections else reverse("account_login")
    for member in batch:
        governed = member.user_id in came or domain_of(member.user.email) in domains
        send(
            to=member.user.email,
            subject=f"{'Soon: s' if occasion == 'reminded' else 'S'}ingle sign-on for {organization.name}",
            template="single_sign_on",
            context={
                "organization": organization,
                "policy": policy,
                "guest": not governed and policy.enforcement == SignInPolicy.Enforcement.REQUIRED,
                "link": settings.TENANTRY_URL + start,
            },
        )
    if len(batch) == BATCH:
        enqueue("orgs.announce_single_sign_on", switched_on_at, occasion, str(batch[-1].id))
    return f"mailed {len(batch)}"


def tell_managers(occasion: str) -> str:
    """Mails the owners and admins of the organization in scope what became of single sign-on. Outcome: `mailed N`."""
    organization = Organization.objects.get(id=require_organization_id())
    managers = Membership.objects.holding(Permission.MANAGE_SSO).order_by("id")
    context = {
        "organization": organization,
        "occasion": occasion,
        "link": settings.TENANTRY_URL + reverse("sso:policy", args=[organization.slug]),
    }
    return _to_each(managers, SUBJECTS[occasion].format(organization.name), "single_sign_on_ended", context)


def tell_owners_of_break_glass(email: str, ip: str, at: str, left: str) -> str:
    """Mails all owners that somebody came in by a break-glass code. Outcome: `mailed N`."""
    organization = Organization.objects.get(id=require_organization_id())
    owners = Membership.objects.owners().with_people().filter(user__is_active=True).order_by("id")
    context = {
        "organization": organization,
        "email": email,
        "ip": ip,
        "at": datetime.fromisoformat(at),
        "left": left,
        "link": settings.TENANTRY_URL + reverse("sso:policy", args=[organization.slug]),
    }
    return _to_each(owners, f"A break-glass code of {organization.name} was used", "break_glass_used", context)


def _to_each(members: Iterable[Membership], subject: str, template: str, context: dict) -> str:
    sent = 0
    for member in members:
        send(to=member.user.email, subject=subject, template=template, context=context)
        sent += 1
    return f"mailed {sent}"
