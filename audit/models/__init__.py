"""The ledger's tables: what happened, the chain that seals it, and signed statements of the chain."""

from audit.models.event import AuditEvent, AuditEventQuerySet, descriptions, first_id_at
from audit.models.seal import AuditCheckpoint, AuditSeal, Sealer

__all__ = [
    "AuditCheckpoint",
    "AuditEvent",
    "AuditEventQuerySet",
    "AuditSeal",
    "Sealer",
    "descriptions",
    "first_id_at",
]
