"""What an organization asks of its people's sign-ins: single sign-on for chosen members or for all, and for how long.

Nobody locks themselves out: whoever switches it on has just come in through the very configuration that everybody
will need, and what lets no owner or admin in for an hour ends by itself.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from audit.services import record, record_refused
from config.kernel.errors import Conflict, Invalid, PermissionMissing, RecentProofRequired
from config.kernel.permissions import Permission
from config.kernel.principals import SYSTEM, Principal, UserPrincipal
from config.kernel.sign_in import RECENT, Method
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import require_organization_id, tenant_scope
from orgs import events
from orgs.models import EmailDomain, Membership, Organization, PilotMember, SignInPolicy, SsoSignIn, User
from orgs.services.authority import lock_organization, permissions_of
from orgs.services.targets import organization_target
from orgs.sign_in import DOMAIN, domain_of

OFF, PILOT, REQUIRED = SignInPolicy.Enforcement.OFF, SignInPolicy.Enforcement.PILOT, SignInPolicy.Enforcement.REQUIRED
# A date further away is a typing mistake.
FARTHEST = timedelta(days=366)
HOURS = (1, 720)
# The tasks that mail; orgs/sign_in_mail.py is what they call.
ANNOUNCE = "orgs.announce_single_sign_on"
TELL_MANAGERS = "orgs.tell_managers_of_sign_in"


class NotReady(Conflict):
    """Single sign-on cannot be switched on yet. `code` says what is missing."""

    title = "Single sign-on is not ready"


@dataclass(frozen=True)
class LiveConnection:
    """An enabled connection of the organization in scope with its configuration in force, as sso tells of it."""

    connection_id: UUID
    configuration_id: UUID
    live_since: datetime
    name: str
    start_path: str


@dataclass(frozen=True)
class Readiness:
    """What is there, and what is missing, before single sign-on can be switched on by an actor."""

    domains: list[EmailDomain]
    connections: list[LiveConnection]
    proven_by_actor: bool

    @property
    def missing(self) -> NotReady | None:
        """The first thing that is missing, as the refusal that names it."""
        if not self.domains:
            return NotReady("Prove an e-mail domain first: the people in it are those concerned.", code="domain_needed")
        if not self.connections:
            return NotReady("Set up a connection, test it and enable it first.", code="connection_needed")
        if not self.proven_by_actor:
            return NotReady(
                "Sign in through your organization's connection as it is now, and switch it on within 15 minutes.",
                code="sso_proof_needed",
            )
        return None


def live_connections() -> list[LiveConnection]:
    """The connections of the organization in scope by which people come in now. One query."""
    return import_string(settings.TENANTRY_LIVE_CONNECTIONS)()


def readiness_of(actor: Principal) -> Readiness:
    """How far the organization in scope is. Three queries at most."""
    connections = live_connections()
    return Readiness(
        domains=list(EmailDomain.objects.proven().order_by("domain")),
        connections=connections,
        proven_by_actor=_came_through(actor, connections),
    )


def _came_through(actor: Principal, connections: list[LiveConnection]) -> bool:
    """Whether the actor has just signed in through the live configuration of one of these.

    A browser knows it of its own session. Behind a token it is the last single sign-on of its owner.
    """
    if not isinstance(actor, UserPrincipal):
        return False
    now, sign_in = timezone.now(), actor.sign_in
    if sign_in is not None:
        used = (sign_in.connection_id, sign_in.configuration_id)
        mine = sign_in.method == Method.SSO and sign_in.organization_id == require_organization_id()
        return (
            mine and now - RECENT <= sign_in.at and used in {(c.connection_id, c.configuration_id) for c in connections}
        )
    last = SsoSignIn.objects.filter(user_id=actor.user_id, last_at__gte=now - RECENT).first()
    return last is not None and any(
        each.connection_id == last.connection_id and each.live_since <= last.last_at for each in connections
    )


def policy_in_scope() -> SignInPolicy:
    """The policy of the organization in scope; one of defaults, not saved, where it never wrote any."""
    return SignInPolicy.objects.of_organization(require_organization_id()) or SignInPolicy()


def pilots_in_scope() -> list[UUID]:
    """The users chosen to try it, the first chosen first."""
    return list(PilotMember.objects.order_by("id").values_list("membership__user_id", flat=True))


def change_sign_in_policy(
    *,
    actor: Principal,
    enforcement: str | None = None,
    required_from: datetime | None = None,
    pilots: Collection[UUID] | None = None,
    guests: str | None = None,
    session_hours: int | None = None,
    require_second_factor: bool | None = None,
) -> SignInPolicy:
    """Changes what is given in the organization in scope. `pilots` are user ids; `required_from` None means at once.

    Raises PermissionMissing without manage_sso, Invalid, RecentProofRequired for a browser whose proof is old, and
    NotReady where single sign-on is switched on, or reaches further, before everything is there; `note_not_ready`
    writes that down.
    """
    with transaction.atomic():
        lock_organization()
        _require_manager(actor)
        policy = _locked_policy()
        terms = {"guests": guests, "session_hours": session_hours, "require_second_factor": require_second_factor}
        _change_terms(actor, policy, terms)
        if enforcement is not None or required_from is not None or pilots is not None:
            wanted = SignInPolicy.Enforcement(enforcement if enforcement is not None else policy.enforcement)
            _change_enforcement(actor, policy, wanted, required_from, pilots)
        return policy


def note_not_ready(*, actor: Principal, refusal: NotReady) -> None:
    """Writes the refusal to the log of the organization in scope. Call it outside of the transaction refused."""
    record_refused(events.SSO_ENFORCEMENT_REFUSED, actor=actor, target=_target(), data={"cause": refusal.code})


def _require_manager(actor: Principal) -> None:
    if Permission.MANAGE_SSO not in permissions_of(actor):
        raise PermissionMissing(Permission.MANAGE_SSO)
    sign_in = actor.sign_in if isinstance(actor, UserPrincipal) else None
    if sign_in is not None and not sign_in.is_recent(timezone.now()):
        raise RecentProofRequired


def _locked_policy() -> SignInPolicy:
    """The organization is locked, so nobody else writes the first one meanwhile."""
    return SignInPolicy.objects.select_for_update().first() or SignInPolicy.objects.create()


def _change_terms(actor: Principal, policy: SignInPolicy, terms: dict[str, Any]) -> None:
    hours, guests = terms["session_hours"], terms["guests"]
    if hours is not None and not HOURS[0] <= hours <= HOURS[1]:
        raise Invalid.field("session_hours", f"Choose {HOURS[0]} to {HOURS[1]} hours.")
    if guests is not None and guests not in SignInPolicy.Guests.values:
        raise Invalid.field("guests", f"Choose one of {', '.join(SignInPolicy.Guests.values)}.")
    changes = {
        name: [getattr(policy, name), value]
        for name, value in terms.items()
        if value is not None and value != getattr(policy, name)
    }
    if changes:
        for name, (_, value) in changes.items():
            setattr(policy, name, value)
        policy.save(update_fields=[*changes, "updated_at"])
        record(events.SIGN_IN_POLICY_CHANGED, actor=actor, target=_target(), data={"changes": changes})


def _change_enforcement(
    actor: Principal,
    policy: SignInPolicy,
    wanted: SignInPolicy.Enforcement,
    required_from: datetime | None,
    pilots: Collection[UUID] | None,
) -> None:
    now = timezone.now()
    if wanted != REQUIRED and required_from is not None:
        raise Invalid.field("required_from", "A date goes with `required` only.")
    if wanted != PILOT and pilots:
        raise Invalid.field("pilots", "Pilots go with `pilot` only.")
    if wanted == OFF:
        if policy.enforcement != OFF:
            _end(policy, actor=actor, reason="switched off")
        return
    if wanted == PILOT:
        chosen = set(pilots_in_scope()) if pilots is None else set(pilots)
        if policy.enforcement == PILOT and chosen == set(pilots_in_scope()) and policy.holds_at(now):
            return
        _switch_on(actor, policy, wanted, now, _memberships(chosen))
        return
    begin = _begin(required_from, now)
    over = policy.ends_unconfirmed_at is not None and policy.ends_unconfirmed_at <= now
    if policy.enforcement == REQUIRED and not over and (required_from is None or begin == policy.required_from):
        return
    _switch_on(actor, policy, wanted, begin, [])


def _begin(required_from: datetime | None, now: datetime) -> datetime:
    if required_from is None:
        return now
    if required_from < now - timedelta(minutes=1) or required_from > now + FARTHEST:
        raise Invalid.field("required_from", "Choose a time within a year from now, or leave it out for at once.")
    return max(required_from, now)


def _memberships(user_ids: set[UUID]) -> list[Membership]:
    found = list(Membership.objects.filter(user_id__in=user_ids))
    if not found or len(found) != len(user_ids):
        raise Invalid.field("pilots", "Choose at least one member, and members only.")
    return found


def _switch_on(
    actor: Principal,
    policy: SignInPolicy,
    wanted: SignInPolicy.Enforcement,
    begin: datetime,
    pilots: list[Membership],
) -> None:
    missing = readiness_of(actor).missing
    if missing is not None:
        raise missing
    PilotMember.objects.all().delete()
    PilotMember.objects.bulk_create([PilotMember(membership=membership) for membership in pilots])
    policy.enforcement = wanted
    policy.required_from = begin if wanted == REQUIRED else None
    policy.switched_on_at = timezone.now()
    policy.switched_on_by_id = actor.user_id if isinstance(actor, UserPrincipal) else None
    policy.rolled_back_at = policy.reminded_at = None
    # While an owner or admin is no pilot, somebody gets in whatever becomes of the pilots.
    outside = wanted == PILOT and _managers().exclude(id__in=[membership.id for membership in pilots]).exists()
    policy.confirmed_at = policy.switched_on_at if outside else None
    policy.save()
    data = {"enforcement": wanted.value, "from": begin.isoformat(), "pilots": len(pilots)}
    record(events.SSO_ENFORCED, actor=actor, target=_target(), data=data)
    enqueue(ANNOUNCE, policy.switched_on_at.isoformat(), "announced", "")


def switch_off(*, actor: Principal, reason: str) -> SignInPolicy:
    """Ends enforcement in the organization in scope, for staff. Asks nothing of Redis or a worker, and mails nobody."""
    with transaction.atomic():
        lock_organization()
        policy = _locked_policy()
        if policy.enforcement != OFF:
            _end(policy, actor=actor, reason=reason, told=False)
        return policy


def _end(policy: SignInPolicy, *, actor: Principal, reason: str, told: bool = True) -> None:
    data = {"reason": reason, "enforcement": policy.enforcement}
    _clear(policy)
    record(events.SSO_ENFORCEMENT_ENDED, actor=actor, target=_target(), data=data)
    if told:
        enqueue(TELL_MANAGERS, "ended")


def _clear(policy: SignInPolicy, *, rolled_back_at: datetime | None = None) -> None:
    PilotMember.objects.all().delete()
    policy.enforcement, policy.required_from, policy.confirmed_at = OFF, None, None
    policy.rolled_back_at = rolled_back_at
    policy.save()


def roll_back() -> bool:
    """Ends enforcement in scope that let no owner or admin in for an hour. Whoever comes second finds nothing to do."""
    with transaction.atomic():
        lock_organization()
        now = timezone.now()
        policy = SignInPolicy.objects.to_roll_back(now).select_for_update().first()
        if policy is None:
            return False
        began = policy.took_effect_at
        data = {"enforcement": policy.enforcement, "from": began.isoformat() if began else None}
        _clear(policy, rolled_back_at=now)
        record(events.SSO_ENFORCEMENT_ROLLED_BACK, actor=SYSTEM, target=_target(), data=data)
        enqueue(TELL_MANAGERS, "rolled_back")
        return True


def remind() -> bool:
    """Reminds the members of the organization in scope, once, that it takes effect within a day."""
    with transaction.atomic():
        now = timezone.now()
        policy = SignInPolicy.objects.to_remind_of(now).select_for_update().first()
        if policy is None or policy.switched_on_at is None:
            return False
        policy.reminded_at = now
        policy.save(update_fields=["reminded_at", "updated_at"])
        enqueue(ANNOUNCE, policy.switched_on_at.isoformat(), "reminded", "")
        return True


def note_sso_sign_in(*, user: User, organization_id: UUID, connection_id: UUID) -> bool:
    """Called after each sign-in through an identity provider: the first of an owner or admin keeps enforcement on.

    Returns whether it was that one. `connection_id` must be the organization's own, by which the person came.
    """
    with tenant_scope(organization_id), transaction.atomic():
        now = timezone.now()
        waiting = SignInPolicy.objects.in_force(now).filter(confirmed_at__isnull=True)
        if not waiting.exists() or not _managers().filter(user_id=user.id).exists():
            return False
        lock_organization()
        policy = waiting.select_for_update().first()
        if policy is None or connection_id not in {each.connection_id for each in live_connections()}:
            return False
        policy.confirmed_at = now
        policy.save(update_fields=["confirmed_at", "updated_at"])
        actor = UserPrincipal.of(user_id=user.id, email=user.email)
        record(events.SSO_ENFORCEMENT_CONFIRMED, actor=actor, target=_target())
        return True


def release_people_of(domain: str) -> int:
    """Forgets that people with an address in a domain came in by single sign-on, when it no longer belongs to us.

    Nobody gets in by it with such an address any more, so it must not be what they are held to. Returns how many.
    """
    own = User.objects.annotate(at=DOMAIN).filter(at=domain).values("id")
    further = EmailAddress.objects.annotate(at=DOMAIN).filter(verified=True, at=domain).values("user_id")
    members = Membership.objects.filter(models.Q(user_id__in=own) | models.Q(user_id__in=further))
    return SsoSignIn.objects.filter(user_id__in=members.values("user_id")).delete()[0]


def require_welcome(email: str) -> None:
    """Whether somebody of this address may become a member of the organization in scope. Raises Conflict."""
    policy = SignInPolicy.objects.of_organization(require_organization_id())
    if policy is None or policy.enforcement != REQUIRED or policy.guests != SignInPolicy.Guests.REFUSED:
        return
    ended = policy.ends_unconfirmed_at is not None and policy.ends_unconfirmed_at <= timezone.now()
    if not ended and not EmailDomain.objects.proven().filter(domain=domain_of(email)).exists():
        raise Conflict(
            "Your organization requires single sign-on and lets no guests in: use an address in one of its e-mail "
            "domains, or allow guests in the sign-in policy.",
            code="outside_domains",
        )


def _managers() -> Any:
    """The members who could switch it off again."""
    return Membership.objects.holding(Permission.MANAGE_SSO)


def _target() -> Any:
    return organization_target(Organization.objects.get(id=require_organization_id()))
