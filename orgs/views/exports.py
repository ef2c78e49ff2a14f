"""Archives of everything that an organization owns: ask for one, watch it, take it along."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.cache import patch_vary_headers

from config.kernel.access import organization
from config.kernel.pages import FormPage, Page
from config.kernel.permissions import Permission
from orgs.downloads import archive_response
from orgs.models import DataExport
from orgs.services.exports import request_export

LIST = "exports"


class ExportsPage(FormPage):
    """The archives, newest first. While one is being made, htmx asks for the list again and again."""

    access = organization(Permission.DELETE_ORG)
    template_name = "orgs/exports.html"
    navigation = "settings"

    def form_context(self) -> dict[str, Any]:
        return {
            **self.listed(DataExport.objects.select_related("requested_by")),
            "unfinished": DataExport.objects.unfinished().first(),
            "address": self.request.get_full_path(),
        }

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if request.headers.get("HX-Target") == LIST:
            response = self.show({"swaps": True, **self.form_context()}, template="orgs/export_list.html")
        else:
            response = super().get(request, **kwargs)
        patch_vary_headers(response, ["HX-Target"])
        return response

    def save(self, form: forms.Form) -> HttpResponse:
        request_export(actor=self.admission.principal)
        messages.success(self.request, "The archive is being made. You may leave this page meanwhile.")
        return redirect("orgs:exports", self.admission.organization.slug)


class ExportDownload(Page):
    """The file of one archive."""

    access = {"GET": organization(Permission.DELETE_ORG)}

    def get(self, request: HttpRequest, export: str, **kwargs: Any) -> HttpResponseBase:
        return archive_response(actor=self.admission.principal, organization=self.admission.organization, export=export)
