"""The sso app."""

from django.apps import AppConfig


class SsoConfig(AppConfig):
    """Signing in."""

    name = "sso"
    verbose_name = "Sign-in"
