"""Who may change how people sign in, judged on the rows as they are now."""

from uuid import UUID

from config.kernel.errors import Absent, Forbidden
from config.kernel.permissions import Permission
from config.kernel.principals import Principal
from orgs.services.authority import permissions_of
from sso.models import Connection


def require_sso_manager(actor: Principal) -> None:
    """Raises Forbidden when the actor lost manage_sso while the request was on its way."""
    if Permission.MANAGE_SSO not in permissions_of(actor):
        raise Forbidden("You may no longer manage the sign-in of this organization.")


def locked_connection(connection_id: UUID) -> Connection:
    """A connection of the organization in scope, locked. Raises Absent."""
    connection = Connection.objects.select_for_update().filter(id=connection_id).first()
    if connection is None:
        raise Absent
    return connection
