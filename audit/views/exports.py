"""Exports of the ledger: ask for one, watch it, stop it, take it along."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.cache import patch_vary_headers

from audit.downloads import archive_response
from audit.forms import AuditExportForm
from audit.models import AuditExport
from audit.selectors import kept_since
from audit.services.exports import cancel_export, request_export
from config.kernel.access import organization
from config.kernel.errors import Conflict
from config.kernel.pages import FormPage, Page
from config.kernel.permissions import Permission

LIST = "audit-exports"
# What the filters are called on the page, where that is not their name.
WORDS = {"q": "words", "since": "from", "until": "before", "ip": "IP address"}


def words_of(filters: Mapping[str, str]) -> str:
    """What an export is narrowed to, in words: `words laptop, from 1 Nov 2026, 00:00 UTC`; empty when to nothing."""
    return ", ".join(f"{WORDS.get(name, name)} {_told(name, value)}" for name, value in filters.items())


def _told(name: str, value: str) -> str:
    return f"{datetime.fromisoformat(value):%-d %b %Y, %H:%M} UTC" if name in ("since", "until") else value


class AuditExportsPage(FormPage):
    """The exports, newest first. While one is being made, htmx asks for the list again and again."""

    access = organization(Permission.VIEW_AUDIT)
    template_name = "audit/exports.html"
    navigation = "audit"
    form_class = AuditExportForm

    def form_arguments(self) -> dict[str, Any]:
        """The filters of the log's page, when somebody comes from there."""
        given = self.request.GET
        return {"initial": {name: given[name] for name in self.form_class.base_fields if name in given}}

    def form_context(self) -> dict[str, Any]:
        listed = self.listed(AuditExport.objects.all())
        for row in listed["rows"]:
            row.narrowed = words_of(row.filters)
        return {
            **listed,
            "unfinished": AuditExport.objects.unfinished().first(),
            "address": self.request.get_full_path(),
            "kept_since": kept_since(self.admission.organization.id),
        }

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if request.headers.get("HX-Target") == LIST:
            response = self.show({"swaps": True, **self.form_context()}, template="audit/export_list.html")
        else:
            response = super().get(request, **kwargs)
        patch_vary_headers(response, ["HX-Target"])
        return response

    def save(self, form: AuditExportForm) -> HttpResponse:
        wanted = dict(form.cleaned_data)
        kind = wanted.pop("format")
        request_export(actor=self.admission.principal, kind=kind, filters=wanted)
        messages.success(self.request, "The export is being made. You may leave this page meanwhile.")
        return redirect("audit:exports", self.admission.organization.slug)


class AuditExportCancel(Page):
    """Stops an export."""

    access = {"POST": organization(Permission.VIEW_AUDIT)}

    def post(self, request: HttpRequest, audit_export: str, **kwargs: Any) -> HttpResponse:
        try:
            cancel_export(actor=self.admission.principal, export=audit_export)
        except Conflict as error:
            messages.error(request, error.sentence)
        else:
            messages.success(request, "The export was stopped.")
        return redirect("audit:exports", self.admission.organization.slug)


class AuditExportDownload(Page):
    """The file of one export."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}

    def get(self, request: HttpRequest, audit_export: str, **kwargs: Any) -> HttpResponseBase:
        return archive_response(
            actor=self.admission.principal, organization=self.admission.organization, export=audit_export
        )
