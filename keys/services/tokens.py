"""Personal tokens: create, revoke."""

from datetime import datetime

from django.core.cache import cache
from django.db import transaction
from django.utils import timezone

from audit.services import Target, record, record_refused
from config.kernel.errors import Absent, Invalid, SsoRequired
from config.kernel.identifiers import public_id, required_id
from config.kernel.permissions import PERSONAL_PERMISSIONS
from config.kernel.principals import ANONYMOUS, Principal
from config.kernel.tenancy.scope import INSTALLATION_ID
from keys import events
from keys.credentials import generate
from keys.models import PersonalToken
from orgs import events as orgs_events
from orgs.models import Organization, User
from orgs.sign_in import came_lately, governing_organizations

# For how many seconds further refusals of the same token are not written down.
RECORD_EVERY = 3600


def token_target(token: PersonalToken) -> Target:
    """How a personal token is named in the ledger."""
    return Target("personal_token", token.public_id, f"{token.name} ({token.start}…)")


@transaction.atomic
def create_token(
    *,
    actor: Principal,
    user: User,
    name: str,
    organization: Organization | None = None,
    permissions: list[str] | None = None,
    expires_at: datetime | None = None,
) -> tuple[PersonalToken, str]:
    """A personal token and its plaintext, which is shown this once.

    `organization` must be one of the user's, which the caller has checked; None makes it work in all of them.
    `permissions` narrows it; None leaves it everything the user may at each moment. Raises Invalid.
    """
    unknown = sorted(set(permissions or []) - {permission.value for permission in PERSONAL_PERMISSIONS})
    if unknown:
        raise Invalid.field("permissions", f"Not a permission of people: {', '.join(unknown)}.")
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid.field("expires_at", "Choose a time in the future.")
    credential = generate("pat_")
    token = PersonalToken.objects.create(
        user=user,
        organization=organization,
        name=name,
        digest=credential.digest,
        start=credential.start,
        permissions=None if permissions is None else sorted(set(permissions)),
        expires_at=expires_at,
    )
    record(
        events.TOKEN_CREATED,
        actor=actor,
        target=token_target(token),
        data={
            "organization": organization.public_id if organization else "all",
            "permissions": token.permissions,
        },
        org_id=organization.id if organization else INSTALLATION_ID,
    )
    return token, credential.plaintext


@transaction.atomic
def revoke_token(*, actor: Principal, user: User, token: str) -> PersonalToken:
    """Ends one of the user's tokens at once. `token` is its public id. Raises Absent."""
    token_id = required_id("tok", token)
    row = PersonalToken.objects.select_for_update(of=("self",)).filter(id=token_id, user=user).first()
    if row is None:
        raise Absent
    if row.revoked_at is None:
        row.revoked_at = timezone.now()
        row.save(update_fields=["revoked_at", "updated_at"])
        record(
            events.TOKEN_REVOKED,
            actor=actor,
            target=token_target(row),
            org_id=row.organization_id or INSTALLATION_ID,
        )
    return row


def require_lately(token: PersonalToken) -> None:
    """Whether its owner came in by single sign-on lately, where an organization requires that of them.

    Raises SsoRequired. It is recorded once an hour, however often a program tries.
    """
    governing = governing_organizations(user_id=token.user_id)
    if not governing or came_lately(user_id=token.user_id, governing=governing):
        return
    organization_ids = [each.organization_id for each in governing]
    if cache.add(f"stale-personal-token:{token.id}", 1, RECORD_EVERY):
        for organization_id in (INSTALLATION_ID, *organization_ids):
            record_refused(
                orgs_events.USER_SIGN_IN_REFUSED,
                actor=ANONYMOUS,
                target=token_target(token),
                data={"method": "personal token"},
                org_id=organization_id,
            )
    raise SsoRequired(public_id("org", organization_ids[0]))
