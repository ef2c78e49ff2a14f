"""Everything that is in the database, to show that a refused request changed nothing."""

from functools import cache
from typing import Any

from django.apps import apps
from django.db import connection

from config.kernel.tenancy.scope import system_scope

# That somebody was refused at a gate goes on record, which changes nothing.
KEPT = {
    "audit_event": "event <> 'access.denied'",
    "webhook_outbox": "id NOT IN (SELECT id FROM audit_event WHERE event = 'access.denied')",
}


def everything() -> dict[str, list[dict[str, Any]]]:
    """Every row of our own apps, by table, but the records of `access.denied`.

    One statement, since hundreds of tests compare before and after.
    """
    with system_scope("tests compare all rows"), connection.cursor() as cursor:
        cursor.execute(_all_rows())
        return {table: rows or [] for table, rows in cursor.fetchall()}


@cache
def _all_rows() -> str:
    tables = {
        model._meta.db_table
        for app in ("audit", "orgs", "projects", "keys", "sso", "webhooks")
        for model in apps.get_app_config(app).get_models()
    }
    return " UNION ALL ".join(
        f"SELECT '{table}', json_agg(to_json(t) ORDER BY t::text) FROM \"{table}\" AS t WHERE {KEPT.get(table, 'true')}"
        for table in sorted(tables)
    )
