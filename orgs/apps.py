"""The orgs app."""

from django.apps import AppConfig


class OrgsConfig(AppConfig):
    """Organizations and people."""

    name = "orgs"
    verbose_name = "Organizations and people"

    def ready(self) -> None:
        from orgs import checks  # noqa: F401 - registers
