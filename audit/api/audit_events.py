"""Records of the ledger, and the catalogue of events."""

from rest_framework.request import Request
from rest_framework.response import Response

from audit.models import AuditEvent
from audit.searching import Criteria, search
from audit.selectors import kept_since
from audit.serializers import AuditEventQuery, AuditEventRecord, EventTypeRecord
from config.kernel.access import PUBLIC, organization
from config.kernel.api.operations import listing, operation
from config.kernel.api.serializers import Query
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent
from config.kernel.events import declared_events
from config.kernel.identifiers import required_id
from config.kernel.paging import decode_cursor, encode_cursor
from config.kernel.permissions import Permission


class AuditEvents(ApiView):
    """The ledger of an organization."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}

    @listing("list_audit_events", AuditEventRecord, query=AuditEventQuery)
    def get(self, request: Request, organization: str) -> Response:
        """Everything that happened, newest first.

        Where several filters or words are given, a page may have fewer records than `limit`, or none, although `next`
        is there: so far was looked in one go. Go on with `next` until it is null.
        """
        wanted = self.query
        criteria = Criteria.of(wanted).not_before(kept_since(self.admission.organization.id))
        if criteria.is_direct:
            return self.page(criteria.rows().with_sequence(), AuditEventRecord)
        cursor = wanted.get("cursor")
        found = search(
            criteria,
            below=decode_cursor(cursor) if cursor else None,
            limit=wanted["limit"],
            rows=AuditEvent.objects.with_sequence(),
        )
        older = encode_cursor(found.older) if found.older else None
        return Response({"data": AuditEventRecord(found.rows, many=True).data, "next": older})


class OneAuditEvent(ApiView):
    """One event."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}

    @operation("get_audit_event", AuditEventRecord)
    def get(self, request: Request, organization: str, event: str) -> Response:
        """One event."""
        kept = AuditEvent.objects.between(kept_since(self.admission.organization.id), None)
        found = kept.with_sequence().filter(id=required_id("evt", event)).first()
        if found is None:
            raise Absent
        return self.answer(found, AuditEventRecord)


class EventTypes(ApiView):
    """The catalogue of events."""

    access = {"GET": PUBLIC}

    @listing("list_event_types", EventTypeRecord, query=Query)
    def get(self, request: Request) -> Response:
        """Every kind of event that can happen, by name; all of them on one page."""
        return Response({"data": EventTypeRecord(declared_events(), many=True).data, "next": None})
