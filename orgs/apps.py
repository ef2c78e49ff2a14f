"""The orgs app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class OrgsConfig(AppConfig):
    """Organizations and people."""

    name = "orgs"
    verbose_name = "Organizations and people"

    def ready(self) -> None:
        from orgs import checks  # noqa: F401 - registers
        from orgs.retention import tell_after_migrate

        post_migrate.connect(tell_after_migrate, sender=self)
