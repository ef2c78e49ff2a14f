"""Whom a subject of an identity provider stands for, as admins may undo it."""

from uuid import UUID

from django.db import transaction

from audit.services import record
from config.kernel.errors import Absent
from config.kernel.principals import Principal
from orgs.models import Membership
from orgs.services.authority import require_authority_over
from orgs.services.targets import user_target
from sso import events
from sso.models import FederatedIdentity
from sso.services.authority import locked_connection, require_sso_manager


@transaction.atomic
def unlink(*, actor: Principal, connection_id: UUID, identity: str) -> FederatedIdentity:
    """Forgets which account at the provider a person has, so that their address decides at their next sign-in.

    For somebody who got another account or another address there. Raises Absent, and Forbidden when the person may do
    more here than the actor, who could otherwise come in as them.
    """
    connection = locked_connection(connection_id)
    require_sso_manager(actor)
    row = FederatedIdentity.objects.select_related("user").filter(connection=connection).by_reference(identity)
    if row is None:
        raise Absent
    membership = Membership.objects.of_user(row.user_id).select_related("custom_role").first()
    if membership is not None:
        require_authority_over(actor, membership.permissions)
    row.delete()
    record(
        events.IDENTITY_UNLINKED,
        actor=actor,
        target=user_target(row.user),
        data={"connection": connection.public_id},
    )
    return row
