"""What changed of the rows that processes keep in memory (orgs/changes.py)."""

from django.db import models


class Change(models.Model):
    """One changed row, written by a trigger in the transaction of the change. Holds ids and nothing else."""

    class Kind(models.TextChoices):
        """What the entity is. ACCESS is an organization whose people, roles, grants or agents changed."""

        ORGANIZATION = "organization"
        ACCESS = "access"
        USER = "user"
        SERVICE = "service"
        PROJECT = "project"
        KEY = "key"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    entity = models.UUIDField()
    transaction_id = models.BigIntegerField(help_text="Orders what sequences cannot: known before the commit.")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "orgs_change"
        indexes = [
            models.Index(fields=["transaction_id"], name="orgs_change_by_transaction"),
            models.Index(fields=["made_at"], name="orgs_change_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.entity}"
