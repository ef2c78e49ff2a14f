"""REST routes of audit, below /api/v1/."""

from django.urls import path

from audit.api.audit_events import AuditCheckpoints, AuditEvents, EventTypes, OneAuditEvent

urlpatterns = [
    path("orgs/<str:organization>/audit-events", AuditEvents.as_view(), name="api-audit-events"),
    path("orgs/<str:organization>/audit-events/<str:event>", OneAuditEvent.as_view(), name="api-audit-event"),
    path("orgs/<str:organization>/audit-checkpoints", AuditCheckpoints.as_view(), name="api-audit-checkpoints"),
    path("event-types", EventTypes.as_view(), name="api-event-types"),
]
