"""The log of a connection, with the exact causes."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from config.kernel.pages import FORM_INVALID
from sso.forms.connections import LogFilter
from sso.models import ConnectionLogEntry
from sso.views.connections import MANAGER, OfConnection


class ConnectionLog(OfConnection):
    """What happened at a connection, newest first."""

    access = {"GET": MANAGER}
    template_name = "sso/connection_log.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = LogFilter(request.GET)
        if not form.is_valid():
            return self.show({**self.context(), "form": form}, status=FORM_INVALID)
        wanted = {name: value for name, value in form.cleaned_data.items() if value}
        rows = ConnectionLogEntry.objects.filter(connection=self.connection, **wanted)
        return self.show({**self.context(), "form": form, "filtered": bool(wanted), **self.listed(rows)})
