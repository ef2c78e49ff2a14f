"""Service grants: an organization lets a service account act in it, everywhere or in one project, until withdrawn."""

from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.services import Target, record
from config.kernel.errors import Absent, Conflict, Forbidden, Invalid
from config.kernel.identifiers import public_id
from config.kernel.permissions import GRANT_PERMISSIONS, PERSONAL_PERMISSIONS, Permission
from config.kernel.principals import Principal
from keys import events
from keys.services.keys import require_active
from orgs.models import ServiceAccount, ServiceGrant
from orgs.services.authority import lock_organization, permissions_of
from orgs.services.members import require_manager
from projects.services.projects import locked_project


def grant_target(grant: ServiceGrant) -> Target:
    """How a grant is named in the ledger: by its own id and the account's name."""
    return Target("service_grant", grant.public_id, grant.account.name)


def grant_data(grant: ServiceGrant) -> dict[str, object]:
    """What the ledger keeps of a grant."""
    return {
        "service_account": grant.account.public_id,
        "project": public_id("prj", grant.project_id) if grant.project_id else None,
        "permissions": grant.permissions,
    }


@transaction.atomic
def create_grant(
    *, actor: Principal, account_id: UUID, permissions: list[str], project_id: UUID | None = None
) -> ServiceGrant:
    """Lets a service account act in the organization in scope, or in one of its projects, from its next request on.

    Raises Absent for the account or project, Forbidden above the actor's own permissions, Invalid, Conflict for an
    account that is disabled, an archived project, or a second grant for the same place.
    """
    lock_organization()
    require_manager(actor)
    account = ServiceAccount.objects.filter(id=account_id).first()
    if account is None:
        raise Absent
    if not account.is_active:
        raise Conflict(
            "This service account is disabled: ask the operator to enable it.", code="service_account_disabled"
        )
    if project_id is not None:
        require_active(locked_project(project_id))
    chosen = granted_permissions(actor=actor, names=permissions)
    try:
        with transaction.atomic():
            grant = ServiceGrant.objects.create(
                account=account, project_id=project_id, permissions=chosen, granted_by=actor.id
            )
    except IntegrityError:
        raise Conflict(
            "This service account has a grant for the same place: withdraw that one first.", code="grant_exists"
        ) from None
    record(events.GRANT_CREATED, actor=actor, target=grant_target(grant), data=grant_data(grant))
    return grant


def granted_permissions(*, actor: Principal, names: list[str]) -> list[str]:
    """The permissions of a new grant, sorted. Raises Invalid, Forbidden.

    Of the permissions of people nobody grants one that they lack; those of programs go with managing members.
    """
    unknown = sorted(set(names) - {permission.value for permission in GRANT_PERMISSIONS})
    if unknown:
        raise Invalid.field("permissions", f"Not a permission of service accounts: {', '.join(unknown)}.")
    if not names:
        raise Invalid.field("permissions", "Choose at least one permission.")
    chosen = frozenset(map(Permission, names))
    beyond = sorted((chosen & PERSONAL_PERMISSIONS) - permissions_of(actor))
    if beyond:
        raise Forbidden(f"You may not grant what you may not do yourself: {', '.join(beyond)}.")
    return sorted(chosen)


@transaction.atomic
def withdraw_grant(*, actor: Principal, grant_id: UUID) -> ServiceGrant:
    """Ends a grant: the account's next request is judged without it. Doing so twice is no error. Raises Absent."""
    lock_organization()
    require_manager(actor)
    grant = ServiceGrant.objects.select_for_update(of=("self",)).select_related("account").filter(id=grant_id).first()
    if grant is None:
        raise Absent
    if grant.withdrawn_at is None:
        grant.withdrawn_at = timezone.now()
        grant.save(update_fields=["withdrawn_at", "updated_at"])
        record(events.GRANT_WITHDRAWN, actor=actor, target=grant_target(grant), data=grant_data(grant))
    return grant
