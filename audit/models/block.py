"""What makes the ledger searchable: the words of its records, by blocks of 128."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from config.kernel.tenancy.models import TenantManager, TenantModel, TenantQuerySet

BLOCK = 128
PLACE_BYTES = BLOCK // 8


class AuditBlock(TenantModel):
    """The words of BLOCK records that follow each other in an organization's chain. Its id is its newest record's.

    The sealer makes it when the chain has grown so far; the indexer (audit/indexing.py) writes its words. Until then
    `terms` is empty, and its records are searched one by one.
    """

    exported = False  # made of the records, and can be made again

    id = models.UUIDField(primary_key=True, editable=False)
    updated_at = None  # type: ignore[assignment] # nothing but the words is ever written
    first_id = models.UUIDField(help_text="Its oldest record.")
    sequence = models.BigIntegerField(help_text="The place of its last record in the chain.")
    width = models.SmallIntegerField(
        help_text="Between its oldest and its newest record lie less than two to this power milliseconds."
    )
    terms = ArrayField(models.BigIntegerField(), null=True, help_text="The number of each word, once.")
    places = models.BinaryField(
        null=True, help_text="For each of the terms 16 bytes: a bit for each record that has the word."
    )
    members = models.BinaryField(
        null=True, help_text="The ids of its records, 16 bytes each, in the order of the bits."
    )

    objects: ClassVar = TenantManager.from_queryset(TenantQuerySet)()

    class Meta:
        db_table = "audit_block"
        indexes = [
            models.Index(fields=["org_id", "width", "id"], name="audit_block_by_width"),
            models.Index(
                fields=["org_id", "first_id"], name="audit_block_to_index", condition=models.Q(terms__isnull=True)
            ),
            # Whose turn it is with the indexer: the newest first, whoever's.
            models.Index(fields=["-id"], name="audit_block_in_turn", condition=models.Q(terms__isnull=True)),
            # Without a list of what is pending, which every search would have to read.
            GinIndex(fields=["terms"], name="audit_block_by_term", fastupdate=False),
        ]

    def __str__(self) -> str:
        return f"up to {self.sequence}"
