"""Signing in with a passkey alone: the device knows whose it is, and verifies them."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from audit.services import record_refused
from config.kernel.access import PUBLIC
from config.kernel.context import current_request
from config.kernel.pages import AccessMixin, FormPage
from config.kernel.principals import ANONYMOUS
from config.kernel.sign_in import Method, SecondFactor
from config.kernel.tenancy.scope import INSTALLATION_ID
from config.kernel.throttling import require_try
from orgs import events
from orgs.services.passkeys import PasskeyRefused, begin_use, relying_party, use_passkey
from sso.challenges import Purpose, keep, take
from sso.forms.second_factor import PasskeyForm
from sso.second_factor import answer_of
from sso.views.entering import destination_of, enter
from sso.views.second_factor import signed_in_user

ADDRESS_LIMIT = "60/minute"
WHAT = "passkey sign-in"


@method_decorator(never_cache, name="dispatch")
class PasskeyLogin(FormPage):
    """The button, and what comes of it."""

    access = {"GET": PUBLIC, "POST": PUBLIC}
    form_class = PasskeyForm
    template_name = "sso/passkey_login.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if signed_in_user(request) is not None:
            return redirect(destination_of(request))
        return super().dispatch(request, *args, **kwargs)

    def form_context(self) -> dict[str, Any]:
        return {"party": relying_party(), "next": destination_of(self.request)}

    def save(self, form: PasskeyForm) -> HttpResponse:
        require_try(WHAT, current_request().ip or "unknown", limit=ADDRESS_LIMIT)
        try:
            challenge = take(self.request.session, Purpose.SIGN_IN)
            passkey = use_passkey(challenge=challenge, answer=answer_of(form.cleaned_data["credential"]))
        except PasskeyRefused as error:
            record_refused(
                events.USER_SIGN_IN_FAILED,
                actor=ANONYMOUS,
                data={"method": Method.PASSKEY.value, "cause": error.cause},
                org_id=INSTALLATION_ID,
            )
            raise
        return enter(  # type: ignore[return-value] # allauth's stages answer with pages
            self.request,
            passkey.user,
            method=Method.PASSKEY,
            next_path=destination_of(self.request),
            second_factor=SecondFactor.PASSKEY.value,
        )


@method_decorator(never_cache, name="dispatch")
class PasskeyChallenge(AccessMixin, View):
    """What the script asks before it asks whichever passkey is at hand."""

    access = {"POST": PUBLIC}

    def post(self, request: HttpRequest) -> HttpResponse:
        require_try(f"{WHAT} challenge", current_request().ip or "unknown", limit=ADDRESS_LIMIT)
        ceremony = begin_use()
        keep(request.session, Purpose.SIGN_IN, ceremony)
        return JsonResponse(ceremony.options)
