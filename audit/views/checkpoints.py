"""Signed statements of where the ledger stood: see them, have one signed now, keep them elsewhere."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from audit.checkpoints import tell_withdrawals
from audit.downloads import checkpoint_response
from audit.models import AuditBeginning, AuditCheckpoint
from audit.selectors import kept_since, sealing
from audit.serializers import AuditCheckpointRecord
from audit.services.checkpoints import sign_checkpoint
from config.kernel.access import organization
from config.kernel.errors import Absent
from config.kernel.identifiers import required_id
from config.kernel.pages import FormPage, Page
from config.kernel.permissions import Permission


class AuditCheckpointsPage(FormPage):
    """The checkpoints, newest first. Its form has no field: it signs one more."""

    access = organization(Permission.VIEW_AUDIT)
    template_name = "audit/checkpoints.html"
    navigation = "audit"

    def form_context(self) -> dict[str, Any]:
        listed = self.listed(AuditCheckpoint.objects.all())
        tell_withdrawals(listed["rows"])
        since = kept_since(self.admission.organization.id)
        return {
            **listed,
            "withdrawn": any(row.withdrawn_at for row in listed["rows"]),
            "sealing": sealing(kept=since),
            "beginning": AuditBeginning.objects.newest(),
            "kept_since": since,
            "url": settings.TENANTRY_URL,
        }

    def save(self, form: forms.Form) -> HttpResponse:
        checkpoint = sign_checkpoint(actor=self.admission.principal)
        messages.success(
            self.request,
            f"Everything up to record {checkpoint.sequence} is signed. Download it, and keep it where nobody who runs "
            "this installation can reach it.",
        )
        return redirect("audit:checkpoints", self.admission.organization.slug)


class AuditCheckpointFile(Page):
    """One checkpoint to keep."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}

    def get(self, request: HttpRequest, checkpoint: str, **kwargs: Any) -> HttpResponse:
        found = AuditCheckpoint.objects.filter(id=required_id("acp", checkpoint)).first()
        if found is None:
            raise Absent
        tell_withdrawals([found])
        return checkpoint_response(AuditCheckpointRecord(found).data, organization=self.admission.organization)
