"""The keys app."""

from django.apps import AppConfig


class KeysConfig(AppConfig):
    """Credentials."""

    name = "keys"
    verbose_name = "Keys"
