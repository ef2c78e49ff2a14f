"""The ledger's tables: what happened, the chain that seals it, signed statements of the chain, and exports."""

from audit.models.event import AuditEvent, AuditEventQuerySet, descriptions, first_id_at
from audit.models.export import AuditExport
from audit.models.seal import AuditBeginning, AuditCheckpoint, AuditSeal, Sealer

__all__ = [
    "AuditBeginning",
    "AuditCheckpoint",
    "AuditEvent",
    "AuditEventQuerySet",
    "AuditExport",
    "AuditSeal",
    "Sealer",
    "descriptions",
    "first_id_at",
]
