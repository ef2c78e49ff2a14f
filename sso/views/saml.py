"""Where SAML providers post their answers, where the browser then comes for them, and our metadata."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt

from config.kernel.access import PUBLIC
from config.kernel.context import current_request
from config.kernel.pages import path_here
from config.kernel.tenancy.scope import tenant_scope
from config.kernel.throttling import require_try
from sso.causes import CONNECTION_DISABLED, REPLAYED, STATE_UNKNOWN, UNSOLICITED, Known, SignInRefused
from sso.models import Connection
from sso.protocols.received import Received
from sso.protocols.saml import claimed_request_id, read_response
from sso.protocols.saml_documents import our_metadata
from sso.services.used_assertions import use_once
from sso.views.flow import FlowView, require_fresh
from sso.views.pending import Pending, Purpose, arrived, keep_arrived, remembered_request, take, use_arrived

POSTS = "600/minute"
LONGEST_RELAY_STATE = 2000


@method_decorator(csrf_exempt, name="dispatch")
class AssertionConsumerView(FlowView):
    """The post comes from the provider's site, so the browser sends no cookies of ours along, and we give it none.

    The answer is checked here, used up, and kept for the browser, which is sent on to come for it with its cookies.
    """

    access = {"POST": PUBLIC}
    protocol = Connection.Protocol.SAML
    asked: dict[str, str] | None = None

    @property
    def purpose(self) -> str:
        return self.asked["purpose"] if self.asked else Purpose.SIGN_IN

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        require_try("saml answers", f"{current_request().ip}", limit=POSTS)
        connection, organization = self.entered.connection, self.entered.organization
        encoded = request.POST.get("SAMLResponse", "")
        self.asked = remembered_request(claimed_request_id(encoded), connection_id=connection.id)
        if self.asked is not None:
            self.configuration = self.configuration_named(self.asked["configuration_id"])
        configuration = self.configuration
        if configuration is None or not (connection.is_enabled or self.purpose == Purpose.TEST):
            raise SignInRefused(CONNECTION_DISABLED, "The connection is switched off.")
        with tenant_scope(organization.id):
            answer = read_response(connection, configuration, encoded)
            received = answer.received
            known = Known(received.email, received.subject, received.claims)
            if answer.request_id is None and not connection.allow_idp_initiated:
                raise SignInRefused(UNSOLICITED, "The assertion answers no request of ours.", known=known)
            name = answer.assertion_id
            if not use_once(connection=connection, kind="assertion", name=name, good_until=answer.good_until):
                raise SignInRefused(REPLAYED, f"The assertion {name} was used already.", known=known)
        relayed = path_here(request.POST.get("RelayState", "")[:LONGEST_RELAY_STATE])
        handle = keep_arrived(
            {
                "connection_id": str(connection.id),
                "configuration_id": str(configuration.id),
                "request_id": answer.request_id,
                "received": received.as_data(),
                "next_path": relayed if answer.request_id is None else "",
            }
        )
        address = f"{reverse('sso:finish', args=[connection.public_id])}?{urlencode({'answer': handle})}"
        return HttpResponse(status=303, headers={"Location": address})


class FinishView(FlowView):
    """The browser comes, with its cookies, for the answer that was posted. What nobody asked for is asked about."""

    access = {"GET": PUBLIC, "POST": PUBLIC}
    protocol = Connection.Protocol.SAML

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        handle, record = self._arrived(request.GET)
        received = Received.of_data(record["received"])
        connection = self.entered.connection
        if record["request_id"] is None:
            # Anybody can post their own answer from anywhere: nobody is signed in as somebody without noticing.
            context = {
                "answer": handle,
                "email": received.email,
                "organization_name": self.entered.organization.name,
                "current": request.user if request.user.is_authenticated else None,
            }
            return render(request, "sso/confirm_provider_sign_in.html", context)
        known = Known(received.email, received.subject, received.claims)
        pending = take(request.session, record["request_id"], connection_id=connection.id)
        if pending is None or pending.configuration_id != record["configuration_id"] or not use_arrived(handle):
            exactly = f"The request {record['request_id']} was not sent by this browser, or is answered already."
            raise SignInRefused(STATE_UNKNOWN, exactly, known=known)
        self.pending = pending
        self.configuration = configuration = self.configuration_named(record["configuration_id"])
        require_fresh(pending, received)
        return self.arrive(received, pending, configuration)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        handle, record = self._arrived(request.POST)
        received = Received.of_data(record["received"])
        if record["request_id"] is not None or not use_arrived(handle):
            raise SignInRefused(STATE_UNKNOWN, "The answer is used already, or was asked for by another browser.")
        if not self.entered.connection.allow_idp_initiated:
            raise SignInRefused(UNSOLICITED, "Answers that nobody asked for were switched off meanwhile.")
        self.configuration = configuration = self.configuration_named(record["configuration_id"])
        pending = Pending(
            name="",
            connection_id=record["connection_id"],
            configuration_id=record["configuration_id"],
            purpose=Purpose.SIGN_IN,
            at=timezone.now().isoformat(),
            next_path=record["next_path"],
        )
        return self.arrive(received, pending, configuration)

    def _arrived(self, parameters: Any) -> tuple[str, dict[str, Any]]:
        handle = parameters.get("answer", "")
        record = arrived(handle, connection_id=UUID(str(self.entered.connection.id)))
        if record is None:
            raise SignInRefused(STATE_UNKNOWN, "The answer was fetched already, or is older than two minutes.")
        return handle, record


class MetadataView(FlowView):
    """What an identity provider is given to know us."""

    protocol = Connection.Protocol.SAML

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return HttpResponse(our_metadata(self.entered.connection), content_type="application/samlmetadata+xml")
