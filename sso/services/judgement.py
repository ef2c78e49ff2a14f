"""What an identity provider's word is worth here: whether somebody gets in by it, as whom, and as what.

Judged in the scope of the connection's organization. Nothing is written, so that a test of a connection can ask too.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import QuerySet

from config.kernel.permissions import Role
from config.kernel.sign_in import Method
from orgs.models import CustomRole, EmailDomain, Membership, Organization, RemovedMember, User
from orgs.models.membership import RoleHolder
from orgs.models.user import normalize_email
from orgs.sign_in import MethodRefused, domain_of, validate_auth_method
from sso.causes import (
    ACCOUNT_UNVERIFIED,
    CONNECTION_DISABLED,
    DOMAIN_NOT_PROVEN,
    EMAIL_MISSING,
    EMAIL_OF_ANOTHER_SUBJECT,
    EMAIL_UNVERIFIED,
    MEMBER_REMOVED,
    METHOD_REFUSED,
    ORGANIZATION_INACTIVE,
    SUBJECT_MISSING,
    SUBJECT_MOVED,
    USER_DISABLED,
    Known,
    SignInRefused,
)
from sso.models import Connection, FederatedIdentity, GroupMapping
from sso.protocols.received import Received

# And lone surrogates, which no database keeps.
CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
LONGEST_SUBJECT = 255
LONGEST_EMAIL = 254
BUILT_IN = [Role.ADMIN, Role.DEVELOPER, Role.VIEWER]


@dataclass(frozen=True)
class AssignedRole:
    """A role to be given. `by_mapping`: the groups that were received say so."""

    role: str
    custom_role: CustomRole | None
    by_mapping: bool

    @property
    def name(self) -> str:
        """For people."""
        return self.custom_role.name if self.custom_role else self.role.capitalize()


@dataclass(frozen=True)
class Verdict:
    """Somebody gets in: a known person or, without `user`, a new one; `membership` is None for a newcomer.

    `is_linked` tells whether their account at the provider is known already. `role` is None where it stays.
    """

    email: str
    user: User | None
    membership: Membership | None
    is_linked: bool
    role: AssignedRole | None


def judge(*, organization: Organization, connection: Connection, received: Received, as_test: bool = False) -> Verdict:
    """Who gets in by what was received. Raises SignInRefused.

    `as_test` lets a connection that is not switched on yet answer as if it were.
    """
    email = normalize_email(received.email)
    try:
        _require_open(organization, connection, as_test=as_test)
        _require_address(email, received)
        return _verdict(organization, connection, received, email)
    except SignInRefused as refusal:
        refusal.known = Known(email, received.subject, received.claims)
        raise


def _require_open(organization: Organization, connection: Connection, *, as_test: bool) -> None:
    if not organization.is_active:
        raise SignInRefused(ORGANIZATION_INACTIVE, f"The organization is {organization.status}.")
    if not connection.is_enabled and not as_test:
        raise SignInRefused(CONNECTION_DISABLED, "The connection is switched off.")


def _require_address(email: str, received: Received) -> None:
    """The subject can be kept, and the address is one that the organization speaks for."""
    subject = received.subject
    if not subject or len(subject) > LONGEST_SUBJECT or CONTROL.search(subject):
        exactly = f"The subject is {subject[:300]!r}; 1 to {LONGEST_SUBJECT} characters are taken."
        raise SignInRefused(SUBJECT_MISSING, exactly)
    if not _is_email(email):
        raise SignInRefused(EMAIL_MISSING, f"The e-mail address received is {received.email[:300]!r}.")
    if received.email_verified is False:
        raise SignInRefused(EMAIL_UNVERIFIED, f"email_verified is false for {email}.")
    domain = domain_of(email)
    if not EmailDomain.objects.proven().filter(domain=domain).exists():
        raise SignInRefused(DOMAIN_NOT_PROVEN, f"{domain} is no proven e-mail domain of the organization.")


def _verdict(organization: Organization, connection: Connection, received: Received, email: str) -> Verdict:
    identities = FederatedIdentity.objects.filter(connection=connection, issuer=received.issuer)
    identity = identities.filter(subject=received.subject).select_related("user").first()
    user = identity.user if identity else _person_of(email)
    if identity is not None and not _has_address(identity.user, email):
        exactly = f"The subject {received.subject} is linked to {identity.user.email}, and now comes with {email}."
        raise SignInRefused(SUBJECT_MOVED, exactly)
    if user is None and User.objects.filter(email=email).exists():
        raise SignInRefused(ACCOUNT_UNVERIFIED, f"The address {email} of the existing account was never confirmed.")
    other = identities.filter(user=user).first() if identity is None and user is not None else None
    if other is not None:
        exactly = f"{email} is linked to the subject {other.subject}, and now comes with {received.subject}."
        raise SignInRefused(EMAIL_OF_ANOTHER_SUBJECT, exactly)
    membership = _membership(user) if user else None
    try:
        validate_auth_method(method=Method.SSO, user=user, email=email, organization_id=organization.id)
    except MethodRefused:
        raise SignInRefused(METHOD_REFUSED, f"Another rule of sign-in holds for {email}.") from None
    return Verdict(
        email=email,
        user=user,
        membership=membership,
        is_linked=identity is not None,
        role=_role(connection, received, membership),
    )


def _membership(user: User) -> Membership | None:
    """The person's membership; None for a newcomer. Raises SignInRefused for whoever may not come in at all."""
    if not user.is_active:
        raise SignInRefused(USER_DISABLED, f"The account of {user.email} is disabled in the whole installation.")
    membership = Membership.objects.of_user(user.id).select_related("custom_role").first()
    if membership is None and RemovedMember.objects.filter(user=user).exists():
        raise SignInRefused(MEMBER_REMOVED, f"{user.email} was removed from the organization; invite them again.")
    return membership


def _is_email(email: str) -> bool:
    if not email or len(email) > LONGEST_EMAIL or CONTROL.search(email):
        return False
    try:
        validate_email(email)
    except ValidationError:
        return False
    return True


def _person_of(email: str) -> User | None:
    """Whoever proved that address, as their own or as a further one."""
    row = EmailAddress.objects.select_related("user").filter(email=email, verified=True).first()
    return row.user if row else None


def _has_address(user: User, email: str) -> bool:
    return EmailAddress.objects.filter(user=user, email=email, verified=True).exists()


def _role(connection: Connection, received: Received, membership: Membership | None) -> AssignedRole | None:
    """What role this sign-in gives, None where it stays as it is. An owner is made and unmade by people only.

    Where groups are mapped and the provider tells any, they decide: whoever is in none of them has the connection's
    default role.
    """
    if membership is not None and membership.role == Role.OWNER:
        return None
    mappings = GroupMapping.objects.filter(connection=connection).select_related("custom_role")
    assigned = _assigned(connection, by_mapping=False)
    mapped = False
    if received.groups is not None and mappings.exists():
        mapped = True
        found = _highest(mappings.filter(group__in=list(received.groups)[:1000]))
        assigned = _assigned(found or connection, by_mapping=True)
    if membership is None:
        return assigned
    current: tuple[str, UUID | None] = (membership.role, membership.custom_role_id)
    wanted = (assigned.role, assigned.custom_role.id if assigned.custom_role else None)
    return assigned if mapped and current != wanted else None


def _assigned(holder: RoleHolder, *, by_mapping: bool) -> AssignedRole:
    return AssignedRole(holder.role, holder.custom_role, by_mapping)


def _highest(mappings: QuerySet[GroupMapping]) -> GroupMapping | None:
    """Of several, the one that allows most; built-in roles before custom ones that allow as much."""
    return max(
        mappings.order_by("id"),
        key=lambda each: (len(each.permissions), each.role in BUILT_IN),
        default=None,
    )
