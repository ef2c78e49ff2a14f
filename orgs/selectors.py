"""Reads that span organizations, memberships, invitations and the ledger."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.text import slugify

from audit.models import AuditEvent
from config.kernel.permissions import Role
from config.kernel.slugs import RESERVED_SLUGS, SLUG_LENGTH
from config.kernel.tenancy.scope import system_scope
from orgs.domain_names import spellings_of
from orgs.models import (
    BreakGlassCode,
    CustomRole,
    EmailDomain,
    Invitation,
    Membership,
    Organization,
    RetiredSlug,
    SignInPolicy,
    SsoSignIn,
    User,
)
from orgs.sign_in import DOMAIN

# Addresses are made from names; one made of nothing but signs that an address cannot hold begins like this.
SLUG_OF_NO_LETTERS = "organization"
SLUG_TRIES = 50
# How long the overview goes on showing the first steps after the last of them.
GUIDE_LASTS = timedelta(days=1)


@dataclass(frozen=True)
class Belonging:
    """An organization and a person's membership in it."""

    organization: Organization
    membership: Membership


def memberships_of(user_id: UUID) -> list[Belonging]:
    """Every organization that a person belongs to, by name, those being deleted included. Two queries."""
    with system_scope("the organizations of one person"):
        memberships = {m.org_id: m for m in Membership.objects.of_user(user_id).select_related("custom_role")}
    organizations = Organization.objects.filter(id__in=memberships).order_by("name", "id")
    return [Belonging(organization, memberships[organization.id]) for organization in organizations]


@dataclass(frozen=True)
class Offer:
    """A pending invitation and the organization that it leads into."""

    organization: Organization
    invitation: Invitation


def verified_emails_of(user_id: UUID) -> set[str]:
    """The addresses that a person proved to be theirs, in lower case."""
    addresses = EmailAddress.objects.filter(user_id=user_id, verified=True).values_list("email", flat=True)
    return {address.lower() for address in addresses}


def offers_to(user_id: UUID) -> list[Offer]:
    """The invitations that a person can accept, newest first. Three queries at most."""
    emails = verified_emails_of(user_id)
    with system_scope("the invitations to one person"):
        found = list(
            Invitation.objects.in_state(Invitation.State.PENDING).with_roles().filter(email__in=emails).order_by("-id")
        )
    if not found:
        return []
    organizations = Organization.objects.filter(status=Organization.Status.ACTIVE).in_bulk(
        [invitation.org_id for invitation in found]
    )
    return [
        Offer(organizations[invitation.org_id], invitation)
        for invitation in found
        if invitation.org_id in organizations
    ]


def proposed_slug(name: str) -> str:
    """A free slug made from a name: `acme`, or `acme-2` when somebody has that."""
    stem = slugify(name)[:SLUG_LENGTH].strip("-_").replace("_", "-") or SLUG_OF_NO_LETTERS
    tries = [stem] + [f"{stem[: SLUG_LENGTH - 3].rstrip('-')}-{number}" for number in range(2, SLUG_TRIES)]
    taken = {
        *RESERVED_SLUGS,
        *Organization.objects.filter(slug__in=tries).values_list("slug", flat=True),
        *RetiredSlug.objects.filter(slug__in=tries).values_list("slug", flat=True),
    }
    return next((slug for slug in tries if slug not in taken), stem)


@dataclass(frozen=True)
class Guide:
    """How far an organization came with its first steps, told by the ledger. `shown` until a day after the last."""

    project: bool
    key: bool
    shown: bool


def guide() -> Guide:
    """The first steps of the organization in scope. Two queries."""
    project, key = _first("project.created"), _first("key.created", kind="secret")
    return Guide(
        project=project is not None,
        key=key is not None,
        shown=not (project and key and key < timezone.now() - GUIDE_LASTS),
    )


def _first(event: str, **data: str) -> datetime | None:
    found = AuditEvent.objects.matching(event=event).filter(data__contains=data).order_by("id")
    return found.values_list("created_at", flat=True).first()


@dataclass(frozen=True)
class EndOfMembership:
    """What stops and what stays when a member goes. `is_last_owner` means that they cannot go."""

    is_last_owner: bool
    open_invitations: int


def end_of_membership(membership: Membership) -> EndOfMembership:
    """What the end of a membership in scope would do. Two queries."""
    owners = Membership.objects.owners().exclude(id=membership.id)
    return EndOfMembership(
        is_last_owner=membership.role == Role.OWNER and not owners.exists(),
        open_invitations=Invitation.objects.in_state(Invitation.State.PENDING)
        .filter(invited_by=membership.user_id)
        .count(),
    )


@dataclass(frozen=True)
class RoleUse:
    """A custom role and how many have it."""

    role: CustomRole
    members: int
    invitations: int


def custom_roles() -> list[CustomRole]:
    """The roles that the organization in scope wrote, by name."""
    return list(CustomRole.objects.order_by("name", "id"))


def role_uses() -> list[RoleUse]:
    """Every custom role of the organization in scope with its use. Three queries."""
    members = _by_role(Membership.objects.filter(role=Role.CUSTOM))
    invitations = _by_role(Invitation.objects.open().filter(role=Role.CUSTOM))
    return [RoleUse(role, members.get(role.id, 0), invitations.get(role.id, 0)) for role in custom_roles()]


def _by_role(rows: QuerySet) -> dict[UUID, int]:
    return dict(rows.order_by().values_list("custom_role").annotate(Count("id")))


PREVIEWED_MEMBERS = 20


@dataclass(frozen=True)
class RoleHolders:
    """Who has a custom role: the first members by name, how many there are, and the addresses still invited to it."""

    members: list[Membership]
    count: int
    invitations: list[Invitation]
    closed_invitations: int

    @property
    def in_use(self) -> bool:
        """Whether anybody has it, so that it cannot be deleted."""
        return bool(self.count or self.invitations)

    @property
    def more(self) -> int:
        """How many members are not named."""
        return self.count - len(self.members)


def holders_of(role: CustomRole) -> RoleHolders:
    """The holders of a custom role in scope. Four queries."""
    members = Membership.objects.filter(custom_role=role)
    invitations = Invitation.objects.filter(custom_role=role)
    return RoleHolders(
        members=list(members.with_people().order_by("user__email")[:PREVIEWED_MEMBERS]),
        count=members.count(),
        invitations=list(invitations.open().order_by("email")[:PREVIEWED_MEMBERS]),
        closed_invitations=invitations.closed().count(),
    )


@dataclass(frozen=True)
class Consequences:
    """What rests on a proven e-mail domain: nothing on one that is not.

    `people` are the members with an address in it, `people_by_sso` those of them who came in by single sign-on,
    `enforcement` is that of the organization's policy, `is_last` whether no other domain of it is proven.
    """

    people: int
    people_by_sso: int
    enforcement: str
    is_last: bool

    @property
    def is_in_use(self) -> bool:
        """Whether somebody would notice its end."""
        return bool(self.people_by_sso or (self.people and self.enforcement != SignInPolicy.Enforcement.OFF))

    @property
    def sentence(self) -> str:
        """For people."""
        who = "1 member has" if self.people == 1 else f"{self.people} members have"
        sentence = f"{who} an address in this domain, {self.people_by_sso} of them came in by single sign-on"
        return f"{sentence}; enforcement is {self.enforcement}."


def consequences_of_losing(domain: EmailDomain) -> Consequences:
    """What stops when a domain of the organization in scope is no longer proven. Four queries at most."""
    policy = SignInPolicy.objects.of_organization(domain.org_id)
    enforcement = policy.enforcement if policy else SignInPolicy.Enforcement.OFF.value
    if domain.proven_at is None:
        return Consequences(people=0, people_by_sso=0, enforcement=enforcement, is_last=False)
    ours, theirs = Q(), Q()
    for spelling in spellings_of(domain.domain):
        ours |= Q(user__email__iendswith=f"@{spelling}")
        theirs |= Q(email__iendswith=f"@{spelling}")
    verified = EmailAddress.objects.filter(theirs, user_id=OuterRef("user_id"), verified=True)
    people = Membership.objects.filter(ours | Exists(verified))
    by_sso = people.filter(Exists(SsoSignIn.objects.filter(user_id=OuterRef("user_id"))))
    others = EmailDomain.objects.proven().exclude(id=domain.id)
    return Consequences(
        people=people.count(),
        people_by_sso=by_sso.count(),
        enforcement=enforcement,
        is_last=not others.exists(),
    )


GUESTS_SHOWN = 20


@dataclass(frozen=True)
class Affected:
    """Whom single sign-on concerns once it is required: how many it governs, and the guests with what becomes of them.

    `some_guests` are the first by address, with `has_second_factor`.
    """

    governed: int
    guests: int
    guests_without_factor: int
    some_guests: list[Membership]


def affected_by_single_sign_on() -> Affected:
    """What requiring it would mean for the organization in scope. Two queries.

    Addresses in domains that are not ASCII are compared as they were typed, so their people show as guests here.
    """
    domains = EmailDomain.objects.proven().values("domain")
    own = User.objects.annotate(at=DOMAIN).filter(id=OuterRef("user_id"), at__in=domains)
    further = EmailAddress.objects.annotate(at=DOMAIN).filter(
        user_id=OuterRef("user_id"), verified=True, at__in=domains
    )
    came = SsoSignIn.objects.filter(user_id=OuterRef("user_id"))
    members = Membership.objects.filter(user__is_active=True).with_second_factor()
    members = members.annotate(governed=Exists(own) | Exists(further) | Exists(came))
    counts = members.aggregate(
        people=Count("id", filter=Q(governed=True)),
        guests=Count("id", filter=Q(governed=False)),
        bare=Count("id", filter=Q(governed=False, has_second_factor=False)),
    )
    guests = members.filter(governed=False).select_related("user").order_by("user__email")
    return Affected(counts["people"], counts["guests"], counts["bare"], list(guests[:GUESTS_SHOWN]))


@dataclass(frozen=True)
class BreakGlassHolder:
    """An owner, and how many break-glass codes of theirs are left; `made` tells whether they ever made any."""

    user_id: UUID
    public_id: str
    name: str
    email: str
    left: int
    made: int


def holders_of_break_glass_codes() -> list[BreakGlassHolder]:
    """The owners of the organization in scope, and others who still hold codes, by address. Two queries."""
    rows = BreakGlassCode.objects.order_by().values("user_id")
    codes = {row["user_id"]: row for row in rows.annotate(made=Count("id"), left=Count("id", filter=Q(used_at=None)))}
    people = Membership.objects.with_people().filter(Q(role=Role.OWNER) | Q(user_id__in=codes)).order_by("user__email")
    none = {"made": 0, "left": 0}
    return [
        BreakGlassHolder(
            user_id=each.user_id,
            public_id=each.public_id,
            name=each.user.display_name,
            email=each.user.email,
            left=codes.get(each.user_id, none)["left"],
            made=codes.get(each.user_id, none)["made"],
        )
        for each in people
    ]
