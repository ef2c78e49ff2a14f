"""What writes to the ledger, and what is done with it."""

from audit.services.records import LABEL_LENGTH, Target, record, record_everywhere, record_refused

__all__ = ["LABEL_LENGTH", "Target", "record", "record_everywhere", "record_refused"]
