"""From an address that identity providers and browsers know to the connection behind it."""

from dataclasses import dataclass
from uuid import UUID

from config.kernel.errors import Absent
from config.kernel.tenancy.scope import system_scope
from orgs.models import Organization
from sso.models import Configuration, Connection


@dataclass(frozen=True)
class Entrance:
    """A connection with its organization, whatever their state. `live` is how its provider is reached, if it is."""

    organization: Organization
    connection: Connection
    live: Configuration | None


def entrance(reference: str) -> Entrance:
    """The connection of that public id, enabled or not. Raises Absent."""
    with system_scope("connection by its address"):
        connection = Connection.objects.by_reference(reference)
        if connection is None:
            raise Absent
        live = Configuration.objects.filter(connection=connection, state=Configuration.State.LIVE).first()
    organization = Organization.objects.filter(id=connection.org_id).first()
    if organization is None:
        raise Absent
    return Entrance(organization, connection, live)


def configuration_of(entered: Entrance, configuration_id: UUID) -> Configuration | None:
    """A configuration of this connection that may be used or tested; in the scope of its organization."""
    rows = Configuration.objects.filter(connection=entered.connection).exclude(state=Configuration.State.RETIRED)
    return rows.filter(id=configuration_id).first()
