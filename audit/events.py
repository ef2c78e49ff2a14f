"""Events of the ledger itself: exports, checkpoints, what staff looked at."""

from config.kernel.event_fields import boolean, choice, group, integer, moment, text, texts
from config.kernel.events import declare

AUDIT_EXPORT_REQUESTED = declare(
    "audit_export.requested",
    "Somebody asked for an export of the audit log.",
    {
        "format": choice("how it is written", "csv", "jsonl"),
        "filters": group(
            "what it is narrowed to",
            {name: text(optional=True) for name in ("event", "actor", "target", "result", "ip", "q")}
            | {name: moment(optional=True) for name in ("since", "until")},
        ),
    },
)
AUDIT_EXPORT_FINISHED = declare(
    "audit_export.finished",
    "An export of the audit log is ready.",
    {"rows": integer("records in it"), "size": integer("bytes")},
)
AUDIT_EXPORT_FAILED = declare("audit_export.failed", "An export of the audit log could not be made.")
AUDIT_EXPORT_CANCELLED = declare("audit_export.cancelled", "Somebody stopped an export of the audit log.")
AUDIT_EXPORT_DOWNLOADED = declare("audit_export.downloaded", "Somebody downloaded an export of the audit log.")

AUDIT_CHECKPOINT_SIGNED = declare(
    "audit_checkpoint.signed",
    "Somebody had it signed where the audit log stands, beside the hourly checkpoints.",
    {"sequence": integer("the number of the last record that it covers")},
)
AUDIT_LOG_DROPPED = declare(
    "audit_log.dropped",
    "A month of records was dropped, since every organization's plan was done with it.",
    {"month": text("which, such as 2031-05"), "records": integer("how many")},
)
AUDIT_LOG_SHORTENED = declare(
    "audit_log.shortened",
    "The oldest records of the log were dropped, since the plan keeps them no longer; from here on it begins later.",
    {
        "before": moment("from when on records are still there"),
        "sequence": integer("the number behind which the log begins"),
        "late": integer("how many records with higher numbers were dropped too: they had been sealed late"),
        "digest": text("SHA-256 of what is signed of all that"),
    },
)
AUDIT_LOG_ATTESTED = declare(
    "audit_log.attested",
    "The operator vouched for where the log begins, and had it signed anew.",
    {
        "before": moment("from when on records are still there"),
        "sequence": integer("the number behind which the log begins"),
        "key": text("the kid of the withdrawn key that had signed it", nullable=True),
        "reason": text("how the operator knows"),
        "proven": boolean("whether the log has a record of it that a checkpoint kept elsewhere confirms"),
        "checkpoints": integer("how many checkpoints kept elsewhere agree with the log"),
        "records": texts("late records of which the operator says that they were dropped with their months"),
    },
)

STAFF_READ = declare(
    "staff.read",
    "Staff of the operator looked at something of the organization.",
    {
        "what": choice("in which way", "object", "list", "download"),
        "kind": text("what kind of thing it is"),
        "search": text("the words that a list was narrowed by", optional=True),
    },
)
