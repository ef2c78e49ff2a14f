"""Pages of the records: the list, one of them, the latest."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from audit.forms import AuditFilter
from audit.models import AuditEvent
from audit.selectors import link_of, sealing
from config.kernel.access import organization
from config.kernel.errors import Absent
from config.kernel.pages import FORM_INVALID, Page
from config.kernel.permissions import Permission

RECORDS = "records"
LATEST = 5


class AuditList(Page):
    """The ledger, newest first. htmx asks for the table alone, under the same address."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}
    template_name = "audit/list.html"
    navigation = "audit"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = AuditFilter(request.GET)
        swaps = request.headers.get("HX-Target") == RECORDS
        template = "audit/records.html" if swaps else self.template_name
        if form.is_valid():
            wanted = form.cleaned_data
            rows = AuditEvent.objects.between(wanted["since"], wanted["until"]).matching(
                event=wanted["event"],
                actor_id=wanted["actor"],
                target_id=wanted["target"],
                result=wanted["result"],
            )
            context = {"form": form, "swaps": swaps, "filtered": any(wanted.values()), **self.listed(rows)}
            if not swaps:
                context["sealing"] = sealing()
            response = self.show(context, template=template)
        else:
            response = self.show({"form": form, "swaps": swaps}, status=FORM_INVALID, template=template)
        patch_vary_headers(response, ["HX-Target"])
        if swaps:
            response["HX-Push-Url"] = self._address()
        return response

    def _address(self) -> str:
        """The page's address without the filters that are empty."""
        query = self.request.GET.copy()
        for name in [name for name, value in query.items() if not value]:
            del query[name]
        return f"{self.request.path}?{query.urlencode()}" if query else self.request.path


class AuditDetail(Page):
    """One record with all its fields."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}
    template_name = "audit/detail.html"
    navigation = "audit"

    def get(self, request: HttpRequest, event: str, **kwargs: Any) -> HttpResponse:
        record = AuditEvent.objects.by_reference(event)
        if record is None:
            raise Absent
        return self.show({"record": record, "link": link_of(record)})


class AuditPanel(Page):
    """A fragment for the organization's overview."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}
    template_name = "audit/panel.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show({"latest": AuditEvent.objects.order_by("-id")[:LATEST]})
