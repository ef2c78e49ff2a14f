"""Who has come in through a connection, and as whom the provider knows them."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from sso.models import FederatedIdentity
from sso.services.identities import unlink
from sso.views.connections import MANAGER, OfConnection


class ConnectionPeople(OfConnection):
    """The people, the newest first."""

    access = {"GET": MANAGER}
    template_name = "sso/connection_people.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        rows = FederatedIdentity.objects.filter(connection=self.connection).select_related("user")
        return self.show({**self.context(), **self.listed(rows)})


class ConnectionPersonUnlink(OfConnection):
    """Forgets what account at the provider somebody has."""

    access = {"POST": MANAGER.after_recent_proof()}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        row = unlink(actor=self.admission.principal, connection_id=self.connection.id, identity=self.kwargs["identity"])
        messages.success(request, f"The next sign-in with the address {row.user.email} is linked anew.")
        return redirect("sso:connection-people", self.admission.organization.slug, self.connection.public_id)
