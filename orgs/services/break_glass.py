"""Break-glass codes: how owners chosen beforehand get in when the identity provider lets nobody in.

A code alone opens nothing: its owner's password and second factor belong to it. Only digests are kept. A code has 80
random bits, so a plain hash, bound to its person, suffices.
"""

import hashlib
import secrets
from dataclasses import dataclass
from textwrap import wrap
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.services import Target, record, record_refused
from config.kernel.context import current_request
from config.kernel.errors import AuthFailure, Conflict, Forbidden
from config.kernel.permissions import Permission, Role
from config.kernel.principals import ANONYMOUS, Principal, UserPrincipal
from config.kernel.sign_in import Method, SecondFactor
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from config.kernel.throttling import Secret, forgive, require_patience
from orgs import events
from orgs.models import BreakGlassCode, Membership, Organization, User
from orgs.models.user import normalize_email
from orgs.services.authority import lock_organization, permissions_of
from orgs.services.second_factor import confirmed_device, given_factor
from orgs.services.targets import user_target

COUNT = 10
CODE_BYTES = 10
GROUP = 4
HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Entry:
    """Who came in by a code, into which organization, and which second factor they gave."""

    user: User
    organization_id: UUID
    second_factor: SecondFactor


@transaction.atomic
def make_codes(*, actor: UserPrincipal) -> list[str]:
    """Ten codes for the actor, an owner of the organization in scope, in place of their earlier ones. Shown once.

    Raises Forbidden for whoever is no owner, Conflict for one who could not use them.
    """
    lock_organization()
    membership = Membership.objects.with_people().of_user(actor.user_id).first()
    if membership is None or membership.role != Role.OWNER or Permission.MANAGE_SSO not in permissions_of(actor):
        raise Forbidden("Break-glass codes are for owners: ask one of them to make theirs.")
    user = membership.user
    if not user.has_usable_password():
        raise Conflict("Choose a password first: a break-glass code works only with it.", code="password_needed")
    if confirmed_device(user) is None:
        raise Conflict(
            "Set up an authenticator first: a break-glass code works only with it.", code="second_factor_needed"
        )
    codes = ["-".join(wrap(secrets.token_hex(CODE_BYTES), GROUP)) for _ in range(COUNT)]
    BreakGlassCode.objects.filter(user=user).delete()
    BreakGlassCode.objects.bulk_create([BreakGlassCode(user=user, digest=_digest(user.id, code)) for code in codes])
    record(events.BREAK_GLASS_CODES_MADE, actor=actor, target=user_target(user), data={"codes": COUNT})
    return codes


@transaction.atomic
def withdraw_codes(*, actor: Principal, user_id: UUID) -> int:
    """Ends the codes of an owner in the organization in scope. Raises Forbidden. Returns how many were unused."""
    lock_organization()
    if Permission.MANAGE_SSO not in permissions_of(actor):
        raise Forbidden("You may no longer manage the sign-in of this organization.")
    rows = BreakGlassCode.objects.filter(user_id=user_id)
    unused = rows.filter(used_at=None).count()
    if rows.delete()[0]:
        target = user_target(User.objects.get(id=user_id))
        record(events.BREAK_GLASS_CODES_WITHDRAWN, actor=actor, target=target, data={"codes": unused})
    return unused


def use_code(*, email: str, password: str, second_factor: str, code: str) -> Entry:
    """Lets the owner in to whom all three belong, once for each code, and tells all owners.

    Raises AuthFailure for whatever is wrong, the same for everything, and RateLimited after wrong ones.
    """
    email = normalize_email(email)
    require_patience(Secret.BREAK_GLASS, account=email)
    user = User.objects.by_email(email)
    # The password is hashed also where nobody is there to compare it with.
    right = user.check_password(password) if user else _hash(password)
    row = _unused(user.id if user else UUID(int=0), code)
    entry = _enter(user, row, second_factor) if user and row and right and user.is_active else None
    if entry is None:
        _note_refusal(email, user)
        raise AuthFailure
    forgive(Secret.BREAK_GLASS, account=email)
    return entry


def _hash(password: str) -> bool:
    User().set_password(password)
    return False


def _unused(user_id: UUID, code: str) -> BreakGlassCode | None:
    with system_scope("break-glass code by its digest"):
        return BreakGlassCode.objects.filter(user_id=user_id, digest=_digest(user_id, code), used_at=None).first()


@transaction.atomic
def _enter(user: User, row: BreakGlassCode, second_factor: str) -> Entry | None:
    """Uses the code up, if its owner is still an owner of an active organization and the second factor is right."""
    active = Organization.objects.filter(id=row.org_id, status=Organization.Status.ACTIVE)
    with tenant_scope(row.org_id):
        if not active.exists() or not Membership.objects.owners().of_user(user.id).exists():
            return None
    factor = given_factor(user=user, code=second_factor)
    if factor is None:
        return None
    with tenant_scope(row.org_id):
        now = timezone.now()
        if BreakGlassCode.objects.filter(id=row.id, used_at=None).update(used_at=now) != 1:
            return None
        left = BreakGlassCode.objects.filter(user=user, used_at=None).count()
        actor = UserPrincipal.of(user_id=user.id, email=user.email)
        record(events.BREAK_GLASS_USED, actor=actor, target=user_target(user), data={"left": left})
        ip = current_request().ip or ""
        enqueue("orgs.tell_owners_of_break_glass", user.email, ip, now.isoformat(), str(left))
    return Entry(user, row.org_id, factor)


def _note_refusal(email: str, user: User | None) -> None:
    """In the installation's log, and in those of the organizations whose codes this person holds."""
    target = user_target(user) if user else Target("address", "", email)
    data = {"method": Method.BREAK_GLASS.value}
    record_refused(
        events.USER_SIGN_IN_FAILED, actor=ANONYMOUS, target=target, data=data, org_id=INSTALLATION_ID
    )  # fmt: skip
    with system_scope("organizations whose break-glass codes a person holds"):
        rows = BreakGlassCode.objects.filter(user=user) if user else BreakGlassCode.objects.none()
        holding = list(rows.order_by("org_id").values_list("org_id", flat=True).distinct())
    for organization_id in holding:
        record_refused(events.BREAK_GLASS_REFUSED, actor=ANONYMOUS, target=target, org_id=organization_id)


def _digest(user_id: UUID, code: str) -> bytes:
    read = "".join(character for character in code.lower() if character in HEXADECIMAL)
    return hashlib.sha256(f"break-glass code of {user_id}: {read}".encode()).digest()
