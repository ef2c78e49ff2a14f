"""REST routes of audit, below /api/v1/."""

from django.urls import path

from audit.api.audit_checkpoints import AuditCheckpoints
from audit.api.audit_events import AuditEvents, EventTypes, OneAuditEvent
from audit.api.audit_exports import AuditExportEnd, AuditExportFile, AuditExports, OneAuditExport

EXPORTS = "orgs/<str:organization>/audit-exports"

urlpatterns = [
    path("orgs/<str:organization>/audit-events", AuditEvents.as_view(), name="api-audit-events"),
    path("orgs/<str:organization>/audit-events/<str:event>", OneAuditEvent.as_view(), name="api-audit-event"),
    path("orgs/<str:organization>/audit-checkpoints", AuditCheckpoints.as_view(), name="api-audit-checkpoints"),
    path(EXPORTS, AuditExports.as_view(), name="api-audit-exports"),
    path(f"{EXPORTS}/<str:audit_export>", OneAuditExport.as_view(), name="api-audit-export"),
    path(f"{EXPORTS}/<str:audit_export>/cancel", AuditExportEnd.as_view(), name="api-audit-export-cancel"),
    path(f"{EXPORTS}/<str:audit_export>/download", AuditExportFile.as_view(), name="api-audit-export-download"),
    path("event-types", EventTypes.as_view(), name="api-event-types"),
]
