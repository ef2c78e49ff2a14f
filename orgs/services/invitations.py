"""Invitations: send, resend, revoke, accept. Only the token's hash is kept; the mail carries the token."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.services import record
from config.kernel.errors import Absent, Conflict, Forbidden, Invalid, TenantryError
from config.kernel.principals import Principal, UserPrincipal
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import system_scope, tenant_scope
from orgs import events
from orgs.models import Invitation, Membership, Organization, RemovedMember, User
from orgs.models.user import normalize_email
from orgs.services.authority import lock_organization, require_authority_over, role_from
from orgs.services.members import require_manager
from orgs.services.sign_in_policies import require_welcome
from orgs.services.targets import invitation_target, member_target

TOKEN_BYTES = 32
BULK_LIMIT = 200


@dataclass(frozen=True)
class LineResult:
    """What became of one line of a bulk invitation: an invitation, or the error's code and sentence."""

    line: int
    email: str
    invitation: Invitation | None = None
    code: str = ""
    detail: str = ""


def token_hash(token: str) -> bytes:
    """What is kept of an invitation's token."""
    return hashlib.sha256(token.encode()).digest()


def expiry() -> datetime:
    """When an invitation sent now expires."""
    return timezone.now() + timedelta(days=settings.TENANTRY_INVITATION_DAYS)


@transaction.atomic
def invite(*, actor: Principal, email: str, role: str, custom_role_id: UUID | None = None) -> Invitation:
    """Invites an address into the organization in scope and mails the link.

    Raises Invalid for a malformed address, Conflict for a member or an open invitation, Forbidden for a role above
    the actor's own.
    """
    email = checked_email(email)
    lock_organization()
    require_manager(actor)
    new_role, custom_role, permissions = role_from(role=role, custom_role_id=custom_role_id)
    require_authority_over(actor, permissions)
    require_welcome(email)
    if Membership.objects.filter(user__email=email).exists():
        raise Conflict("This person is a member already.", code="already_member")
    try:
        with transaction.atomic():
            invitation = Invitation.objects.create(
                email=email,
                role=new_role,
                custom_role=custom_role,
                token_hash=secrets.token_bytes(TOKEN_BYTES),  # opens nothing until the mail is written
                expires_at=expiry(),
                invited_by_id=actor.user_id if isinstance(actor, UserPrincipal) else None,
            )
    except IntegrityError:
        sentence = "This address has an invitation already: resend or revoke that one."
        raise Conflict(sentence, code="already_invited") from None
    record(
        events.INVITATION_CREATED,
        actor=actor,
        target=invitation_target(invitation),
        data={"email": email, "role": invitation.role_name},
    )
    enqueue("orgs.send_invitation", str(invitation.id))
    return invitation


def invite_many(
    *, actor: Principal, emails: list[str], role: str, custom_role_id: UUID | None = None
) -> list[LineResult]:
    """Invites each address by itself: one bad line spoils no other. Raises Invalid for more than BULK_LIMIT lines."""
    if len(emails) > BULK_LIMIT:
        raise Invalid.field("emails", f"Send at most {BULK_LIMIT} addresses at once.")
    results = []
    for line, email in enumerate(emails, start=1):
        try:
            invitation = invite(actor=actor, email=email, role=role, custom_role_id=custom_role_id)
            results.append(LineResult(line, invitation.email, invitation))
        except TenantryError as error:
            results.append(LineResult(line, email, code=error.code, detail=error.detail))
    return results


def checked_email(email: str) -> str:
    """The address in lower case. Raises Invalid."""
    email = normalize_email(email)
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid.field("email", "Write a complete e-mail address, such as name@example.com.") from None
    return email


def _open_invitation(invitation_id: UUID) -> Invitation:
    invitation = Invitation.objects.open().select_for_update(of=("self",)).with_roles().filter(id=invitation_id).first()
    if invitation is None:
        raise Absent
    return invitation


@transaction.atomic
def resend(*, actor: Principal, invitation_id: UUID) -> Invitation:
    """Sends an open invitation again with a new link and a new expiry; the old link stops working. Raises Absent."""
    lock_organization()
    require_manager(actor)
    invitation = _open_invitation(invitation_id)
    require_authority_over(actor, invitation.permissions)
    invitation.token_hash = secrets.token_bytes(TOKEN_BYTES)
    invitation.expires_at = expiry()
    invitation.save(update_fields=["token_hash", "expires_at", "updated_at"])
    record(
        events.INVITATION_RESENT,
        actor=actor,
        target=invitation_target(invitation),
        data={"email": invitation.email},
    )
    enqueue("orgs.send_invitation", str(invitation.id))
    return invitation


@transaction.atomic
def issue_token(*, invitation_id: UUID) -> tuple[Invitation, str] | None:
    """Makes the token of the mail about to be sent; None when the invitation is no longer open.

    The worker calls this just before sending, so that the token passes through no queue and no table.
    """
    invitation = Invitation.objects.open().select_for_update(of=("self",)).with_roles().filter(id=invitation_id).first()
    if invitation is None:
        return None
    token = secrets.token_urlsafe(TOKEN_BYTES)
    invitation.token_hash, invitation.sent_at = token_hash(token), timezone.now()
    invitation.save(update_fields=["token_hash", "sent_at", "updated_at"])
    return invitation, token


@transaction.atomic
def revoke(*, actor: Principal, invitation_id: UUID) -> Invitation:
    """Takes an open invitation back. Raises Absent."""
    lock_organization()
    require_manager(actor)
    invitation = _open_invitation(invitation_id)
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at", "updated_at"])
    record(
        events.INVITATION_REVOKED,
        actor=actor,
        target=invitation_target(invitation),
        data={"email": invitation.email},
    )
    return invitation


def find(token: str) -> tuple[Invitation, Organization]:
    """The pending invitation of a token with its organization. Raises Absent for every token that opens nothing."""
    with system_scope("invitation by its token"):
        invitation = Invitation.objects.open().with_roles().filter(token_hash=token_hash(token)).first()
    if invitation is None or invitation.state != Invitation.State.PENDING:
        raise Absent
    organization = Organization.objects.filter(id=invitation.org_id).first()
    if organization is None or not organization.is_active:
        raise Absent
    return invitation, organization


def accept(*, actor: UserPrincipal, token: str, verified_emails: set[str]) -> Membership:
    """Makes the actor a member. Works once, and only for whoever proved the invited address.

    Raises Absent, Forbidden for another address, Conflict for a member.
    """
    found, organization = find(token)
    if found.email not in verified_emails:
        raise Forbidden(
            f"This invitation is for {found.email}: sign in with that address and verify it first.",
            code="address_differs",
        )
    return _join(actor=actor, invitation_id=found.id, organization_id=organization.id)


def accept_by_address(*, actor: UserPrincipal, invitation_id: UUID, verified_emails: set[str]) -> Membership:
    """Accepts without the link of the mail: the verified address alone proves who is invited.

    Raises Absent for an invitation that is not open or is for another address, Conflict for a member.
    """
    with system_scope("invitation by its verified address"):
        found = Invitation.objects.open().filter(id=invitation_id, email__in=verified_emails).first()
    if found is None:
        raise Absent
    return _join(actor=actor, invitation_id=found.id, organization_id=found.org_id)


def _join(*, actor: UserPrincipal, invitation_id: UUID, organization_id: UUID) -> Membership:
    """What accepting does, once the address is proved."""
    with tenant_scope(organization_id), transaction.atomic():
        if not lock_organization().is_active:
            raise Absent
        invitation = _open_invitation(invitation_id)
        if invitation.state != Invitation.State.PENDING:
            raise Absent
        require_welcome(invitation.email)
        if Membership.objects.of_user(actor.user_id).exists():
            raise Conflict("You are a member already.", code="already_member")
        invitation.accepted_at = timezone.now()
        invitation.save(update_fields=["accepted_at", "updated_at"])
        membership = Membership.objects.create(
            user=User.objects.get(id=actor.user_id), role=invitation.role, custom_role=invitation.custom_role
        )
        RemovedMember.objects.filter(user_id=actor.user_id).delete()
        record(
            events.INVITATION_ACCEPTED,
            actor=actor,
            target=invitation_target(invitation),
            data={"email": invitation.email, "role": membership.role_name},
        )
        record(
            events.MEMBER_JOINED,
            actor=actor,
            target=member_target(membership),
            data={"role": membership.role_name, "invitation": invitation.public_id},
        )
        return membership
