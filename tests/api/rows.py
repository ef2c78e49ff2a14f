"""Everything that is in the database, to show that a refused request changed nothing."""

from typing import Any

from django.apps import apps

from config.kernel.tenancy.scope import system_scope


def everything() -> dict[str, list[Any]]:
    """Every row of our own apps, by table."""
    with system_scope("tests compare all rows"):
        return {
            model._meta.db_table: list(model._base_manager.order_by("pk").values())
            for app in ("audit", "orgs", "projects", "keys", "sso", "webhooks")
            for model in apps.get_app_config(app).get_models()
        }
