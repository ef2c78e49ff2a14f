"""The audit app."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The ledger of everything that matters."""

    name = "audit"
    verbose_name = "Audit"
