"""Data exports: archives of everything that an organization owns."""

from django.http import FileResponse
from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import download, listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict
from config.kernel.permissions import Permission
from orgs.downloads import archive_response
from orgs.models import DataExport
from orgs.serializers import ExportRecord
from orgs.services.exports import request_export


class Exports(ApiView):
    """The archives of an organization."""

    access = {"GET": organization(Permission.DELETE_ORG), "POST": organization(Permission.DELETE_ORG)}

    @listing("list_exports", ExportRecord)
    def get(self, request: Request, organization: str) -> Response:
        """The archives, newest first, also those whose files made room for newer ones."""
        return self.page(DataExport.objects.all(), ExportRecord)

    @idempotent
    @operation("create_export", ExportRecord, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Asks for an archive of everything, which is made in the background. One is made at a time."""
        return self.answer(request_export(actor=self.admission.principal), ExportRecord, status=201)


class OneExport(ApiView):
    """One archive."""

    access = {"GET": organization(Permission.DELETE_ORG)}

    @operation("get_export", ExportRecord)
    def get(self, request: Request, organization: str, export: str) -> Response:
        """One archive: how far it is, and whether its file is there."""
        found = DataExport.objects.by_reference(export)
        if found is None:
            raise Absent
        return self.answer(found, ExportRecord)


class ExportFile(ApiView):
    """The file of an archive."""

    access = {"GET": organization(Permission.DELETE_ORG)}

    @download("download_export", "application/zip", refusals=[Conflict])
    def get(self, request: Request, organization: str, export: str) -> FileResponse:
        """The archive: a ZIP with a file of JSON lines for each table, without secrets. Each download is recorded."""
        return archive_response(actor=self.admission.principal, organization=self.admission.organization, export=export)
