"""An export of each demo organization's audit log, which the worker makes."""

from audit.models import AuditExport
from audit.services.exports import request_export
from keys.demo.building import principal
from orgs.models import User


def ensure_audit_export(owner: User) -> None:
    """Asks for one in the organization in scope, unless somebody has."""
    if not AuditExport.objects.exists():
        request_export(actor=principal(owner), kind=AuditExport.Format.JSON_LINES, filters={})
