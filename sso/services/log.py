"""The log of a connection: what happened at it, with the exact cause."""

from typing import Any

from config.kernel.context import current_request
from sso.models import Configuration, ConnectionLogEntry
from sso.protocols.received import storable

DETAIL_LENGTH = 1000
CODE_LENGTH = 60
EMAIL_LENGTH = 254
SUBJECT_LENGTH = 255


def note(
    configuration: Configuration,
    outcome: ConnectionLogEntry.Outcome,
    *,
    code: str = "",
    detail: str = "",
    email: str = "",
    subject: str = "",
    claims: dict[str, Any] | None = None,
) -> ConnectionLogEntry:
    """Writes one line. `claims` are what was received, without tokens and secrets: the caller leaves those out."""
    request = current_request()
    return ConnectionLogEntry.objects.create(
        connection_id=configuration.connection_id,
        configuration_number=configuration.number,
        outcome=outcome,
        code=code[:CODE_LENGTH],
        detail=storable(detail)[:DETAIL_LENGTH],
        email=storable(email)[:EMAIL_LENGTH],
        subject=storable(subject)[:SUBJECT_LENGTH],
        claims=claims or {},
        ip=request.ip or None,
        request_id=request.request_id[:64],
    )
