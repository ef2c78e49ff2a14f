"""How rows of this app are named in the ledger."""

from audit.services import Target
from sso.models import Connection


def connection_target(connection: Connection) -> Target:
    """A connection."""
    return Target("sso_connection", connection.public_id, connection.name)
