"""What makes the ledger tamper-evident: a hash chain for each organization, and signed statements of where it stood."""

from datetime import datetime
from typing import ClassVar

from django.db import models

from config.kernel.identifiers import public_id
from config.kernel.tenancy.models import TenantManager, TenantModel, TenantQuerySet

DIGEST_LENGTH = 32


class AuditSealQuerySet(TenantQuerySet["AuditSeal"]):
    """Reads of the chain."""

    def head(self) -> "AuditSeal | None":
        """The last link of the organization in scope."""
        return self.order_by("-sequence").first()


class AuditSeal(TenantModel):
    """One link of an organization's chain. Its id is that of the record that it seals; append-only like records.

    `digest` is SHA-256 over the digest before it and the record's canonical form (audit/chain.py).
    """

    id = models.UUIDField(primary_key=True, editable=False)
    updated_at = None  # type: ignore[assignment] # nothing here ever changes
    sequence = models.BigIntegerField(help_text="Its place in the chain; the first is 1.")
    digest = models.BinaryField(max_length=DIGEST_LENGTH)

    objects: ClassVar = TenantManager.from_queryset(AuditSealQuerySet)()

    database_privileges = ("SELECT", "INSERT")

    class Meta:
        db_table = "audit_seal"
        constraints = [models.UniqueConstraint(fields=["org_id", "sequence"], name="audit_seal_sequence")]

    def __str__(self) -> str:
        return f"{self.sequence} {self.record_id}"

    @property
    def record_id(self) -> str:
        """`evt_…` of the record that it seals."""
        return public_id("evt", self.id)

    @property
    def digest_text(self) -> str:
        """The digest in hexadecimal."""
        return bytes(self.digest).hex()


class AuditCheckpointQuerySet(TenantQuerySet["AuditCheckpoint"]):
    """Reads of the signed statements."""

    def of_link(self, sequence: int) -> "AuditCheckpoint | None":
        """The one of that link that was signed last."""
        return self.filter(sequence=sequence).order_by("-edition").first()


class AuditCheckpoint(TenantModel):
    """A signed statement of what an organization's chain was at a moment. Whoever keeps it can prove a cut or a change.

    `statement` is a JSON Web Signature of the other fields. Of a link there is another edition when a key was withdrawn
    since.
    """

    updated_at = None  # type: ignore[assignment] # nothing here ever changes
    sequence = models.BigIntegerField()
    digest = models.BinaryField(max_length=DIGEST_LENGTH)
    sealed_at = models.DateTimeField()
    statement = models.TextField()
    edition = models.SmallIntegerField(default=1, db_default=1)
    # When the key was withdrawn that signed it, where `tell_withdrawals` has said so: then it proves nothing any more.
    withdrawn_at: datetime | None = None

    objects: ClassVar = TenantManager.from_queryset(AuditCheckpointQuerySet)()

    database_privileges = ("SELECT", "INSERT")

    class Meta:
        db_table = "audit_checkpoint"
        constraints = [
            models.UniqueConstraint(fields=["org_id", "sequence", "edition"], name="audit_checkpoint_edition")
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.public_id}"

    @property
    def public_id(self) -> str:
        """`acp_…`."""
        return public_id("acp", self.id)

    @property
    def digest_text(self) -> str:
        """The digest in hexadecimal."""
        return bytes(self.digest).hex()


class AuditBeginningQuerySet(TenantQuerySet["AuditBeginning"]):
    """Reads of where logs begin."""

    def newest(self) -> "AuditBeginning | None":
        """Where the log of the organization in scope begins now; None where nothing was dropped."""
        return self.order_by("-dropped_before", "-edition").first()


class AuditBeginning(TenantModel):
    """Where an organization's log begins since the records before `dropped_before` were dropped (audit/retention.py).

    `sequence` and `digest` are those of the last link before the first record that is still there; 0 and the digest
    before the first one when none is gone from the front. `statement` is all of that, signed like a checkpoint; each
    further line of it names, signed as well, a link behind that one whose record was dropped too (it was sealed late).
    Another edition says the same, signed anew on the operator's word (audit/attesting.py).
    """

    updated_at = None  # type: ignore[assignment] # nothing here ever changes
    sequence = models.BigIntegerField()
    digest = models.BinaryField(max_length=DIGEST_LENGTH)
    dropped_before = models.DateTimeField()
    statement = models.TextField()
    edition = models.SmallIntegerField(default=1, db_default=1)

    objects: ClassVar = TenantManager.from_queryset(AuditBeginningQuerySet)()

    database_privileges = ("SELECT", "INSERT")

    class Meta:
        db_table = "audit_beginning"
        constraints = [
            models.UniqueConstraint(fields=["org_id", "dropped_before", "edition"], name="audit_beginning_edition")
        ]

    def __str__(self) -> str:
        return f"after {self.sequence}"


class Sealer(models.Model):
    """How far the sealer has come. One row for the installation; whoever seals holds its lock.

    Losing it costs a reading of the whole ledger and nothing else.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    cluster = models.TextField(help_text="The PostgreSQL cluster and database whose transactions are counted.")
    horizon = models.BigIntegerField(help_text="The records of all transactions below it are sealed.")
    rescan_after = models.UUIDField(
        null=True, help_text="While the whole ledger is read once: the last record that was looked at."
    )
    sealed_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[models.Manager["Sealer"]] = models.Manager()

    database_privileges = ("SELECT", "INSERT", "UPDATE")

    class Meta:
        db_table = "audit_sealer"

    def __str__(self) -> str:
        return f"sealed below {self.horizon}"
