"""What the runtime roles may do with each table, granted after every migrate. Nothing is granted by default."""

from typing import Any

from django.apps import AppConfig, apps
from django.db import connections, models, transaction

from config.kernel.tenancy.scope import SYSTEM_ROLE

RUNTIME_ROLE = "tenantry_app"
EVERYDAY = ("SELECT", "INSERT", "UPDATE", "DELETE")


def privileges_of(model: type[models.Model]) -> tuple[str, ...]:
    """The privileges of the runtime roles on a model's table; a model narrows them by `database_privileges`."""
    return getattr(model, "database_privileges", EVERYDAY)


def grant_after_last_app(sender: AppConfig, using: str, **_kwargs: Any) -> None:
    """Receiver of post_migrate, which Django sends once for each app with models: acts at the last of them."""
    last = [app for app in apps.get_app_configs() if app.models_module][-1]
    if sender is last:
        grant_privileges(using)


def grant_privileges(using: str) -> None:
    """Exact grants, table by table; TRUNCATE is never one (row security does not see it). All of them at once."""
    connection = connections[using]
    roles = f"{RUNTIME_ROLE}, {SYSTEM_ROLE}"
    quote = connection.ops.quote_name
    with transaction.atomic(using), connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        if cursor.fetchone()[0] == RUNTIME_ROLE:
            return
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {roles}")
        cursor.execute(f"GRANT SELECT ON django_migrations TO {roles}")
        existing = set(connection.introspection.table_names(cursor))
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            if not model._meta.managed or model._meta.proxy or table not in existing:
                continue
            cursor.execute(f"REVOKE ALL ON {quote(table)} FROM {roles}")
            cursor.execute(f"GRANT {', '.join(privileges_of(model))} ON {quote(table)} TO {roles}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {roles}")
