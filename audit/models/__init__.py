"""The ledger's tables: what happened, its words, the chain that seals it, signed statements of that, and exports."""

from audit.models.block import BLOCK, PLACE_BYTES, AuditBlock
from audit.models.event import AuditEvent, AuditEventQuerySet, descriptions, first_id_at, moment_of
from audit.models.export import AuditExport
from audit.models.seal import AuditBeginning, AuditCheckpoint, AuditSeal, Sealer

__all__ = [
    "BLOCK",
    "PLACE_BYTES",
    "AuditBeginning",
    "AuditBlock",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditEventQuerySet",
    "AuditExport",
    "AuditSeal",
    "Sealer",
    "descriptions",
    "first_id_at",
    "moment_of",
]
