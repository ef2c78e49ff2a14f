"""What the steps of a single sign-on share: the connection of the address, and what a refusal looks like."""

from dataclasses import replace
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from config.kernel.access import PUBLIC
from config.kernel.context import current_request
from config.kernel.errors import Absent
from config.kernel.pages import AccessMixin, principal_of
from config.kernel.principals import UserPrincipal
from config.kernel.sign_in import Method
from config.kernel.tenancy.scope import tenant_scope
from orgs.services import browser_sessions
from sso.access import Entrance, configuration_of, entrance
from sso.addresses import redirect_uri, start_url
from sso.causes import CONFIGURATION_CHANGED, PROOF_STALE, STATE_UNKNOWN, Known, SignInRefused
from sso.models import Configuration, Connection
from sso.protocols import openid_connect
from sso.protocols.received import CLOCK_SKEW, Received
from sso.protocols.saml_documents import authn_request
from sso.services import connection_tests
from sso.services.sign_ins import confirm, note_refused, sign_in
from sso.views.entering import enter
from sso.views.pending import Pending, Purpose, keep, remember_request


@method_decorator(never_cache, name="dispatch")
class FlowView(AccessMixin, View):
    """One step, at an address of a connection. Whatever refuses the sign-in is logged there and shown here.

    `configuration` and `pending` are set as soon as a step knows them, so that the refusal is logged rightly.
    """

    access = {"GET": PUBLIC}
    protocol: ClassVar[Connection.Protocol | None] = None
    entered: Entrance
    configuration: Configuration | None
    pending: Pending | None = None

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.entered = entrance(str(kwargs["connection"]))
        self.configuration = self.entered.live
        if self.protocol is not None and self.entered.connection.protocol != self.protocol:
            raise Absent
        try:
            return super().dispatch(request, *args, **kwargs)
        except SignInRefused as refusal:
            return self.refused(refusal)

    @property
    def purpose(self) -> str:
        """What this step belongs to, as far as is known yet."""
        return self.pending.purpose if self.pending else Purpose.SIGN_IN

    def refused(self, refusal: SignInRefused) -> HttpResponse:
        """The page of a refusal; of a test, the page that shows its outcome."""
        organization, connection, ip = self.entered.organization, self.entered.connection, current_request().ip
        if self.purpose == Purpose.TEST and self.configuration is not None:
            entry = connection_tests.note_failed(
                organization=organization, configuration=self.configuration, refusal=refusal, ip=ip
            )
            return to_test(self.entered, entry)
        note_refused(organization=organization, configuration=self.configuration, refusal=refusal, ip=ip)
        again = start_url(connection) if connection.is_enabled and self.entered.live else ""
        context = {
            "refusal": refusal,
            "organization_name": organization.name,
            "again": again,
            "request_id": getattr(self.request, "request_id", ""),
        }
        return render(self.request, "sso/refused.html", context, status=refusal.status)

    def configuration_named(self, configuration_id: str) -> Configuration:
        """The one that a sign-in began with. Raises SignInRefused when it was replaced meanwhile."""
        with tenant_scope(self.entered.organization.id):
            found = configuration_of(self.entered, UUID(configuration_id))
        if found is None:
            raise SignInRefused(CONFIGURATION_CHANGED, "The configuration that it began with was replaced meanwhile.")
        return found

    def arrive(self, received: Received, pending: Pending, configuration: Configuration) -> HttpResponseBase:
        """Goes on with somebody whom the provider's word, checked, is about. Raises SignInRefused."""
        organization = self.entered.organization
        if pending.purpose == Purpose.TEST:
            entry = connection_tests.conclude(
                actor=self._beginner(pending), organization=organization, configuration=configuration, received=received
            )
            return to_test(self.entered, entry)
        if pending.purpose == Purpose.CONFIRM:
            self._beginner(pending)
            confirm(
                organization=organization, configuration=configuration, received=received, user_id=UUID(pending.user_id)
            )
            browser_sessions.note_proof(self.request.session)
            return redirect(pending.next_path or "/")
        signed_in = sign_in(organization=organization, configuration=configuration, received=received)
        return enter(
            self.request,
            signed_in.user,
            method=Method.SSO,
            next_path=pending.next_path,
            email=signed_in.verdict.email,
            organization_id=str(organization.id),
            connection_id=str(configuration.connection_id),
            configuration_id=str(configuration.id),
            provider_session=received.provider_session,
        )

    def _beginner(self, pending: Pending) -> UserPrincipal:
        """Who is signed in, when they began this. Raises SignInRefused for anybody else."""
        principal = principal_of(self.request)
        if not isinstance(principal, UserPrincipal) or str(principal.user_id) != pending.user_id:
            raise SignInRefused(STATE_UNKNOWN, "Somebody else, or nobody, is signed in in this browser now.")
        return principal


def begin(
    request: HttpRequest,
    connection: Connection,
    configuration: Configuration,
    *,
    purpose: Purpose,
    next_path: str = "",
    login_hint: str = "",
    fresh: bool = False,
) -> str:
    """Notes in the session that a sign-in begins. Returns where the browser goes for it. Raises SignInRefused."""
    pending = Pending(
        name="",
        connection_id=str(connection.id),
        configuration_id=str(configuration.id),
        purpose=purpose,
        at=timezone.now().isoformat(),
        next_path=next_path,
        fresh=fresh,
        user_id="" if purpose == Purpose.SIGN_IN else request.session[SESSION_KEY],
    )
    if connection.protocol == Connection.Protocol.SAML:
        asked = authn_request(connection, configuration, fresh=fresh)
        pending, address = replace(pending, name=asked.id), asked.url
        remember_request(pending)
    else:
        question = openid_connect.Question.new()
        address = openid_connect.authorization_url(
            configuration, question, redirect_uri=redirect_uri(connection), login_hint=login_hint, fresh=fresh
        )
        pending = replace(pending, name=question.state, nonce=question.nonce, verifier=question.verifier)
    keep(request.session, pending)
    return address


def require_fresh(pending: Pending, received: Received) -> None:
    """Raises SignInRefused when the person should have proven themselves again, and did not."""
    at = received.authenticated_at
    if pending.fresh and (at is None or at < pending.began_at - CLOCK_SKEW):
        known = Known(received.email, received.subject, received.claims)
        raise SignInRefused(PROOF_STALE, f"The provider says that they proved themselves at {at}.", known=known)


def to_test(entered: Entrance, entry_id: str) -> HttpResponse:
    """To the page of the connection's tests, which shows this outcome."""
    address = redirect("sso:connection-test", entered.organization.slug, entered.connection.public_id).url
    return HttpResponse(status=303, headers={"Location": f"{address}?outcome={entry_id}"})
