"""The audit app."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    """The ledger of everything that matters."""

    name = "audit"
    verbose_name = "Audit"

    def ready(self) -> None:
        """Partitions are looked after by every migrate too."""
        from audit.partitions import make_after_migrate

        post_migrate.connect(make_after_migrate, sender=self)
