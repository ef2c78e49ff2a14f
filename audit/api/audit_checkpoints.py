"""Signed statements of where the ledger stood."""

from rest_framework.request import Request
from rest_framework.response import Response

from audit.checkpoints import tell_withdrawals
from audit.models import AuditCheckpoint
from audit.serializers import AuditCheckpointRecord
from audit.services.checkpoints import sign_checkpoint
from config.kernel.access import organization
from config.kernel.api.operations import listing, operation
from config.kernel.api.serializers import PagedQuery
from config.kernel.api.views import ApiView
from config.kernel.errors import Conflict
from config.kernel.permissions import Permission


class AuditCheckpoints(ApiView):
    """Signed statements of where the ledger of an organization stood."""

    access = {"GET": organization(Permission.VIEW_AUDIT), "POST": organization(Permission.VIEW_AUDIT)}

    @listing("list_audit_checkpoints", AuditCheckpointRecord, query=PagedQuery)
    def get(self, request: Request, organization: str) -> Response:
        """Those of each hour in which something was sealed, and those signed on request, newest first. Keep them."""
        return self.page(AuditCheckpoint.objects.all(), AuditCheckpointRecord, tell=tell_withdrawals)

    @operation("sign_audit_checkpoint", AuditCheckpointRecord, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Signs where the log stands now; answers the checkpoint that is there if it was signed already."""
        return self.answer(sign_checkpoint(actor=self.admission.principal), AuditCheckpointRecord)
