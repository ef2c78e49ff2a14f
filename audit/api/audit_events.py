"""REST views of records, checkpoints and the catalogue of events."""

from rest_framework.request import Request
from rest_framework.response import Response

from audit.models import AuditCheckpoint, AuditEvent
from audit.serializers import AuditCheckpointRecord, AuditEventQuery, AuditEventRecord, EventTypeRecord
from config.kernel.access import PUBLIC, organization
from config.kernel.api.operations import listing, operation
from config.kernel.api.serializers import PagedQuery, Query
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent
from config.kernel.events import declared_events
from config.kernel.identifiers import required_id
from config.kernel.permissions import Permission


class AuditEvents(ApiView):
    """The ledger of an organization."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}

    @listing("list_audit_events", AuditEventRecord, query=AuditEventQuery)
    def get(self, request: Request, organization: str) -> Response:
        """Everything that happened, newest first."""
        rows = AuditEvent.objects.matching(
            event=self.query.get("event"),
            actor_id=self.query.get("actor"),
            target_id=self.query.get("target"),
            result=self.query.get("result"),
        )
        return self.page(rows.with_sequence(), AuditEventRecord)


class OneAuditEvent(ApiView):
    """One event."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}

    @operation("get_audit_event", AuditEventRecord)
    def get(self, request: Request, organization: str, event: str) -> Response:
        """One event."""
        found = AuditEvent.objects.with_sequence().filter(id=required_id("evt", event)).first()
        if found is None:
            raise Absent
        return self.answer(found, AuditEventRecord)


class AuditCheckpoints(ApiView):
    """Signed statements of where the ledger of an organization stood."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}

    @listing("list_audit_checkpoints", AuditCheckpointRecord, query=PagedQuery)
    def get(self, request: Request, organization: str) -> Response:
        """One for each hour in which something was sealed, newest first. Keep them elsewhere."""
        return self.page(AuditCheckpoint.objects.all(), AuditCheckpointRecord)


class EventTypes(ApiView):
    """The catalogue of events."""

    access = {"GET": PUBLIC}

    @listing("list_event_types", EventTypeRecord, query=Query)
    def get(self, request: Request) -> Response:
        """Every kind of event that can happen, by name; all of them on one page."""
        return Response({"data": EventTypeRecord(declared_events(), many=True).data, "next": None})
