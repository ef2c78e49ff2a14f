"""The page on which admins test a connection before anybody depends on it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from config.kernel.context import current_request
from config.kernel.errors import Absent
from config.kernel.identifiers import parse_public_id
from sso.causes import SignInRefused, all_causes
from sso.models import ConnectionLogEntry
from sso.services.connection_tests import note_failed
from sso.views.connections import MANAGER, OfConnection
from sso.views.flow import begin
from sso.views.pending import Purpose

OUTCOMES = (ConnectionLogEntry.Outcome.TEST_PASSED, ConnectionLogEntry.Outcome.TEST_FAILED)
SENTENCES = {cause.code: cause.sentence for cause in all_causes()}


class ConnectionTestPage(OfConnection):
    """GET shows the newest outcome, or that of `?outcome=`; POST sends the admin to the identity provider."""

    access = {"GET": MANAGER, "POST": MANAGER.after_recent_proof()}
    template_name = "sso/connection_test.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        outcomes = ConnectionLogEntry.objects.filter(connection=self.connection, outcome__in=OUTCOMES)
        named = parse_public_id("sle", request.GET.get("outcome", ""))
        entry = outcomes.filter(id=named).first() if named else outcomes.order_by("-id").first()
        return self.show(
            {
                **self.context(),
                "entry": entry,
                "passed": entry is not None and entry.outcome == ConnectionLogEntry.Outcome.TEST_PASSED,
                "sentence": SENTENCES.get(entry.code, "") if entry else "",
                "claims": _claims(entry) if entry else [],
            }
        )

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        # The draft, if there is one: that is what waits for a test.
        configuration = self.connection.draft or self.connection.live
        if configuration is None:
            raise Absent
        try:
            address = begin(request, self.connection, configuration, purpose=Purpose.TEST)
        except SignInRefused as refusal:
            note_failed(
                organization=self.admission.organization,
                configuration=configuration,
                refusal=refusal,
                ip=current_request().ip,
            )
            return self.get(request, **kwargs)
        return leave_to(request, address)


def leave_to(request: HttpRequest, address: str) -> HttpResponse:
    """A page that goes on to another site. After a form a redirect would not: our policy keeps forms on this site."""
    return render(request, "sso/leaving.html", {"address": address})


def _claims(entry: ConnectionLogEntry) -> list[tuple[str, list[str]]]:
    """Each claim with its values as texts."""
    return [
        (name, [str(each) for each in (value if isinstance(value, list) else [value])])
        for name, value in sorted(entry.claims.items())
    ]
