"""Where a single sign-on begins, and where OpenID providers send people back to."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from config.kernel.context import current_request
from config.kernel.throttling import require_try
from orgs.models.user import normalize_email
from orgs.services import browser_sessions
from sso.addresses import redirect_uri
from sso.causes import CONNECTION_DISABLED, ORGANIZATION_INACTIVE, STATE_UNKNOWN, SignInRefused
from sso.models import Connection
from sso.protocols.openid_connect import Question, read_answer
from sso.views.entering import next_of
from sso.views.flow import FlowView, begin, require_fresh
from sso.views.pending import Purpose, take

# A whole company may come from one address.
STARTS = "600/minute"
LONGEST_HINT = 254


class StartView(FlowView):
    """`?next=` is where to go on, a path here. `prompt=login` asks for a fresh proof of whoever is signed in."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        require_try("sso start", f"{current_request().ip}", limit=STARTS)
        entered = self.entered
        if not entered.organization.is_active:
            raise SignInRefused(ORGANIZATION_INACTIVE, f"The organization is {entered.organization.status}.")
        if not entered.connection.is_enabled or entered.live is None:
            raise SignInRefused(CONNECTION_DISABLED, "The connection is switched off.")
        fresh = request.GET.get("prompt") == "login"
        signed_in = browser_sessions.sign_in_of(request.session)
        address = begin(
            request,
            entered.connection,
            entered.live,
            purpose=Purpose.CONFIRM if fresh and signed_in is not None else Purpose.SIGN_IN,
            next_path=next_of(request),
            login_hint=normalize_email(request.GET.get("login_hint", ""))[:LONGEST_HINT],
            fresh=fresh,
        )
        return redirect(address)


class CallbackView(FlowView):
    """The redirect address of a connection, its own: an answer meant for another connection finds no sign-in here."""

    protocol = Connection.Protocol.OIDC

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        connection = self.entered.connection
        pending = take(request.session, request.GET.get("state", ""), connection_id=connection.id)
        if pending is None:
            raise SignInRefused(STATE_UNKNOWN, "The state of the answer is none that this browser was sent with.")
        self.pending = pending
        self.configuration = configuration = self.configuration_named(pending.configuration_id)
        received = read_answer(
            configuration,
            {name: str(value) for name, value in request.GET.items()},
            Question(state=pending.name, nonce=pending.nonce, verifier=pending.verifier),
            redirect_uri=redirect_uri(connection),
        )
        require_fresh(pending, received)
        return self.arrive(received, pending, configuration)
