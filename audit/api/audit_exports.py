"""Exports of the ledger."""

from django.http import FileResponse
from rest_framework.request import Request
from rest_framework.response import Response

from audit.downloads import archive_response
from audit.models import AuditExport
from audit.serializers import AuditExportBody, AuditExportRecord
from audit.services.exports import cancel_export, request_export
from config.kernel.access import organization
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import download, listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict
from config.kernel.permissions import Permission


class AuditExports(ApiView):
    """The exports of an organization's log."""

    access = {"GET": organization(Permission.VIEW_AUDIT), "POST": organization(Permission.VIEW_AUDIT)}

    @listing("list_audit_exports", AuditExportRecord)
    def get(self, request: Request, organization: str) -> Response:
        """The exports, newest first, also those whose files made room for newer ones."""
        return self.page(AuditExport.objects.all(), AuditExportRecord)

    @idempotent
    @operation("create_audit_export", AuditExportRecord, body=AuditExportBody, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Asks for an export, which is made in the background. One is made at a time."""
        wanted = self.read()
        kind = wanted.pop("format")
        export = request_export(actor=self.admission.principal, kind=kind, filters=wanted)
        return self.answer(export, AuditExportRecord, status=201)


class OneAuditExport(ApiView):
    """One export."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}

    @operation("get_audit_export", AuditExportRecord)
    def get(self, request: Request, organization: str, audit_export: str) -> Response:
        """One export: how far it is, and whether its file is there."""
        found = AuditExport.objects.by_reference(audit_export)
        if found is None:
            raise Absent
        return self.answer(found, AuditExportRecord)


class AuditExportEnd(ApiView):
    """The end of an export before it is ready."""

    access = {"POST": organization(Permission.VIEW_AUDIT)}

    @operation("cancel_audit_export", AuditExportRecord, refusals=[Conflict])
    def post(self, request: Request, organization: str, audit_export: str) -> Response:
        """Stops an export that waits or is being made."""
        return self.answer(cancel_export(actor=self.admission.principal, export=audit_export), AuditExportRecord)


class AuditExportFile(ApiView):
    """The file of an export."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}

    @download("download_audit_export", "application/zip", refusals=[Conflict])
    def get(self, request: Request, organization: str, audit_export: str) -> FileResponse:
        """The archive: a ZIP with the records and, for a whole range, what proves them. Each download is recorded."""
        return archive_response(
            actor=self.admission.principal, organization=self.admission.organization, export=audit_export
        )
