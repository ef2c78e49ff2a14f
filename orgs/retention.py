"""For how many days audit logs are kept, by plan, and deleted organizations. The database is told too: it judges by
itself what may be dropped.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.apps import AppConfig
from django.conf import settings
from django.db import connections
from psycopg import sql

from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs.models import Organization
from orgs.plans import plan_of, plans

KEPT_DAYS = """
CREATE OR REPLACE FUNCTION audit_kept_days(plan text) RETURNS integer LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$ SELECT {days} $$
"""
GRACE_DAYS = """
CREATE OR REPLACE FUNCTION orgs_grace_days() RETURNS integer LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$ SELECT {days} $$
"""


def audit_days(organization_ids: Collection[UUID]) -> dict[UUID, int | None]:
    """For how many days the records of each are kept, None for good; INSTALLATION_ID is the installation's own log.

    One query. An organization that does not exist is not in the answer.
    """
    found = Organization.objects.filter(id__in=organization_ids).values_list("id", "plan")
    days = {organization_id: plan_of(plan).audit_days for organization_id, plan in found}
    if INSTALLATION_ID in organization_ids:
        days[INSTALLATION_ID] = installation_days()
    return days


def installation_days() -> int | None:
    """For how many days the installation's own log is kept; None for good."""
    return settings.TENANTRY_INSTALLATION_AUDIT_DAYS or None


def kept_days() -> str:
    """What makes the database's function `audit_kept_days` anew; only the owner role may run it."""
    days = {"": installation_days(), **{name: plan.audit_days for name, plan in plans().items()}}
    cases = sql.SQL(" ").join(
        sql.SQL("WHEN {} THEN {}").format(sql.Literal(name), sql.Literal(count)) for name, count in days.items()
    )
    return KEPT_DAYS.format(days=sql.SQL("(CASE plan {} END)::integer").format(cases).as_string(None))


def grace_days() -> str:
    """What makes the database's function `orgs_grace_days` anew; only the owner role may run it."""
    return GRACE_DAYS.format(days=sql.Literal(settings.TENANTRY_DELETION_GRACE_DAYS).as_string(None))


def tell_after_migrate(sender: AppConfig, using: str, **_kwargs: Any) -> None:
    """Receiver of post_migrate. A function that another role made, or that is not there yet, is left alone."""
    with connections[using].cursor() as cursor:
        for name, statement in (("audit_kept_days", kept_days()), ("orgs_grace_days", grace_days())):
            cursor.execute(
                "SELECT pg_get_userbyid(proowner) = current_user FROM pg_proc WHERE oid = to_regproc(%s)", [name]
            )
            found = cursor.fetchone()
            if found and found[0]:
                cursor.execute(statement)
