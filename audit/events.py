"""Events of the ledger itself: exports, checkpoints, what staff looked at."""

from config.kernel.events import declare

AUDIT_EXPORT_REQUESTED = declare(
    "audit_export.requested",
    "Somebody asked for an export of the audit log.",
    {"format": "csv or jsonl", "filters": "what it is narrowed to"},
)
AUDIT_EXPORT_FINISHED = declare(
    "audit_export.finished", "An export of the audit log is ready.", {"rows": "records in it", "size": "bytes"}
)
AUDIT_EXPORT_FAILED = declare("audit_export.failed", "An export of the audit log could not be made.")
AUDIT_EXPORT_CANCELLED = declare("audit_export.cancelled", "Somebody stopped an export of the audit log.")
AUDIT_EXPORT_DOWNLOADED = declare("audit_export.downloaded", "Somebody downloaded an export of the audit log.")

AUDIT_CHECKPOINT_SIGNED = declare(
    "audit_checkpoint.signed",
    "Somebody had it signed where the audit log stands, beside the hourly checkpoints.",
    {"sequence": "the number of the last record that it covers"},
)
AUDIT_LOG_DROPPED = declare(
    "audit_log.dropped",
    "A month of records was dropped, since every organization's plan was done with it.",
    {"month": "which", "records": "how many"},
)

STAFF_READ = declare(
    "staff.read",
    "Staff of the operator looked at something of the organization.",
    {
        "what": "object, list or download",
        "kind": "what kind of thing it is",
        "search": "the words that a list was narrowed by",
    },
)
