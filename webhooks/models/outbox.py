"""The outbox: which records of the ledger no endpoint was looked for yet."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from config.kernel.tenancy.models import TenantManager, TenantModel


class OutboxEntry(TenantModel):
    """A record that may concern an endpoint. Its id is the record's.

    A trigger of the ledger writes it in the transaction of the change (webhooks/migrations), whoever records; the
    delivery workers take it out when the deliveries are made.
    """

    exported = False
    is_referenced = False

    id = models.UUIDField(primary_key=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = None  # type: ignore[assignment] # nothing here ever changes

    objects: ClassVar = TenantManager()

    class Meta:
        db_table = "webhook_outbox"
        verbose_name_plural = "outbox entries"

    def __str__(self) -> str:
        return str(self.id)
