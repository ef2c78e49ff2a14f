"""The keys app."""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    """Credentials."""

    name = "keys"
    verbose_name = "Keys"

    def ready(self) -> None:
        from keys.decisions import checks  # noqa: F401 - registers its check
