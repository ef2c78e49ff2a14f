"""Where OpenID providers tell that somebody signed out (OpenID Connect Back-Channel Logout 1.0, 2.5 to 2.8)."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt

from config.kernel.access import PUBLIC
from config.kernel.context import current_request
from config.kernel.throttling import may_try, require_try
from sso.causes import CONNECTION_DISABLED, SignInRefused
from sso.models import Connection
from sso.protocols.logout_tokens import read_logout_token
from sso.services.provider_logouts import end_by_provider, note_logout_refused
from sso.views.flow import FlowView

CALLS = "600/minute"
REFUSALS_NOTED = "60/minute"


@method_decorator(csrf_exempt, name="dispatch")
class ProviderLogoutView(FlowView):
    """A disabled connection takes logouts too: its sessions may live on."""

    access = {"POST": PUBLIC}
    protocol = Connection.Protocol.OIDC

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        require_try("sso logouts", f"{current_request().ip}", limit=CALLS)
        if self.configuration is None:
            raise SignInRefused(CONNECTION_DISABLED, "The connection has no live configuration.")
        token = read_logout_token(request.POST.get("logout_token", ""), configuration=self.configuration)
        end_by_provider(organization=self.entered.organization, configuration=self.configuration, token=token)
        return HttpResponse()

    def refused(self, refusal: SignInRefused) -> HttpResponse:
        """The provider is told no more than that it was wrong; the log has the rest."""
        noted = may_try("sso refusals", f"{self.entered.connection.id}:{current_request().ip}", limit=REFUSALS_NOTED)
        if noted and self.configuration is not None:
            organization = self.entered.organization
            note_logout_refused(organization=organization, configuration=self.configuration, refusal=refusal)
        body = {"error": "invalid_request", "error_description": "The logout token was refused."}
        return JsonResponse(body, status=400)
