"""Grace periods that are over."""

from django.db import connection

from orgs.models import Organization
from tests.database import owner_connection


def end_grace_period(organization: Organization) -> None:
    """As if it had been deleted that much earlier: as the owner, past the trigger that says since when."""
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute(
            "UPDATE orgs_organization SET status = 'deleting', erase_after = now() - interval '1 second', "
            "deleting_since = now() - make_interval(days => orgs_grace_days(), secs => 1) WHERE id = %s",
            [organization.id],
        )
