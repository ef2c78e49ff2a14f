"""Pages of the records: the list, one of them, the latest."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from audit.following import FOLLOW, SHOWN, fingerprint, following
from audit.forms import AuditSearch
from audit.models import AuditEvent
from audit.searching import Criteria, search
from audit.selectors import kept_since, link_of, sealing
from config.kernel.access import organization
from config.kernel.errors import Absent
from config.kernel.pages import FORM_INVALID, Page
from config.kernel.paging import decode_cursor, encode_cursor
from config.kernel.permissions import Permission

RECORDS = "records"
LATEST = 5


class AuditList(Page):
    """The ledger, newest first. htmx asks for the table alone, under the same address."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}
    template_name = "audit/list.html"
    navigation = "audit"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        follows, shown = self._taken_out(FOLLOW) == "on", self._taken_out(SHOWN)
        form = AuditSearch(request.GET)
        swaps = request.headers.get("HX-Target") == RECORDS
        template = "audit/records.html" if swaps else self.template_name
        if form.is_valid():
            since = kept_since(self.admission.organization.id)
            context = {
                "form": form,
                "swaps": swaps,
                "filtered": any(form.cleaned_data.values()),
                "kept_since": since,
                **self._records(form.criteria.not_before(since)),
            }
            if swaps and shown and shown == fingerprint(context["rows"]):
                return HttpResponse(status=204)
            if not {"before", "after"} & set(request.GET):
                context["follow"] = following(request.path, request.GET, is_on=follows, rows=context["rows"])
                context["polled"] = bool(shown)
            if not swaps:
                context["sealing"] = sealing(kept=since)
            response = self.show(context, template=template)
        else:
            context = {"form": form, "swaps": swaps}
            response = self.show(context, status=FORM_INVALID, template=template)
        patch_vary_headers(response, ["HX-Target"])
        if swaps and not shown:
            response["HX-Push-Url"] = context["follow"].on if follows and "follow" in context else self._address()
        return response

    def _records(self, criteria: Criteria) -> dict[str, Any]:
        """A page of records. A search turns to older pages and back to the newest, never to newer ones."""
        if criteria.is_direct:
            return self.listed(criteria.rows())
        before = self.request.GET.get("before")
        found = search(criteria, below=decode_cursor(before) if before else None)
        return {
            "rows": found.rows,
            "older": self._turned(before=encode_cursor(found.older) if found.older else None),
            "newest": self._address(without="before") if before else "",
            "looked_until": found.looked_until,
        }

    def _taken_out(self, name: str) -> str:
        """What the address says by that name, which is in no further address then."""
        query = self.request.GET.copy()
        values = query.pop(name, [""])
        self.request.GET = query  # type: ignore[assignment] # as mutable as Django's own tests make it
        return values[-1]

    def _address(self, *, without: str = "") -> str:
        """The page's address without the filters that are empty, and without one more."""
        query = self.request.GET.copy()
        for name in [name for name, value in query.items() if not value or name == without]:
            del query[name]
        return f"{self.request.path}?{query.urlencode()}" if query else self.request.path


class AuditDetail(Page):
    """One record with all its fields."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}
    template_name = "audit/detail.html"
    navigation = "audit"

    def get(self, request: HttpRequest, event: str, **kwargs: Any) -> HttpResponse:
        since = kept_since(self.admission.organization.id)
        record = AuditEvent.objects.between(since, None).by_reference(event)
        if record is None:
            raise Absent
        return self.show({"record": record, "link": link_of(record)})


class AuditPanel(Page):
    """A fragment for the organization's overview."""

    access = {"GET": organization(Permission.VIEW_AUDIT)}
    template_name = "audit/panel.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        since = kept_since(self.admission.organization.id)
        return self.show({"latest": AuditEvent.objects.between(since, None).order_by("-id")[:LATEST]})
