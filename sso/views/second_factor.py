"""The page that asks for a second factor: while signing in, and later of whoever began without one."""

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from audit.services import record
from config.kernel.access import PUBLIC
from config.kernel.errors import AuthFailure, RateLimited
from config.kernel.pages import AccessMixin, FormPage
from config.kernel.principals import UserPrincipal
from config.kernel.sign_in import SecondFactor
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.models import User
from orgs.services.browser_sessions import note_second_factor, sign_in_of
from orgs.services.passkeys import begin_use, has_usable_passkey, relying_party
from orgs.services.second_factor import has_second_factor, who_asks
from orgs.services.targets import user_target
from sso.challenges import Purpose, keep
from sso.forms.second_factor import FactorForm
from sso.second_factor import SecondFactorStage, pending_stage, proven_factor
from sso.views.entering import destination_of

CANCEL = "cancel"


def signed_in_user(request: HttpRequest) -> User | None:
    """Whoever has a session here."""
    user = request.user
    return user if isinstance(user, User) and sign_in_of(request.session) is not None else None


@method_decorator(never_cache, name="dispatch")
class SecondFactorPage(FormPage):
    """Asks for one of the person's second factors; leads whoever has none to set one up."""

    access = {"GET": PUBLIC, "POST": PUBLIC}
    form_class = FactorForm
    template_name = "sso/second_factor.html"
    person: User
    stage: SecondFactorStage | None

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self._elsewhere() or super().get(request, **kwargs)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        elsewhere = self._elsewhere()
        if elsewhere is not None:
            return elsewhere
        if CANCEL in request.POST and self.stage is not None:
            return self.stage.abort()
        return super().post(request, **kwargs)

    def _elsewhere(self) -> HttpResponse | None:
        """The answer to whoever is not asked here."""
        request, user = self.request, signed_in_user(self.request)
        self.stage = None if user else pending_stage(request)
        if user is None and self.stage is None:
            return redirect_to_login(destination_of(request))
        if user is None:
            self.person = self.stage.login.user  # type: ignore[union-attr] # a stage that holds has one
            return None
        self.person = user
        sign_in = sign_in_of(request.session)
        if sign_in is not None and sign_in.second_factor is not None:
            return redirect(destination_of(request))
        if not has_second_factor(user):
            context = {"asking": who_asks(user), "next": destination_of(request), "passkeys": relying_party()}
            return self.show(context, template="sso/second_factor_missing.html")
        return None

    def form_context(self) -> dict[str, Any]:
        return {
            "person": self.person,
            "pending": self.stage is not None,
            "has_passkey": has_usable_passkey(self.person),
        }

    def save(self, form: FactorForm) -> HttpResponse:
        given = {"code": form.cleaned_data["code"], "credential": form.cleaned_data["credential"]}
        try:
            factor = proven_factor(self.request, user=self.person, **given)
        except RateLimited as error:
            form.add_error("code", error.detail)
            return self.show_form(form, status=error.status)
        if self.stage is not None:
            return self.stage.finish(factor)
        add_factor(self.request, self.person, factor)
        return redirect(destination_of(self.request))


def add_factor(request: HttpRequest, user: User, factor: SecondFactor) -> None:
    """Notes a factor that was given in a session without one."""
    request.session.cycle_key()
    note_second_factor(request.session, factor)
    with transaction.atomic():
        record(
            events.USER_SECOND_FACTOR_GIVEN,
            actor=UserPrincipal.of(user_id=user.id, email=user.email),
            target=user_target(user),
            data={"factor": factor.value},
            org_id=INSTALLATION_ID,
        )


@method_decorator(never_cache, name="dispatch")
class SecondFactorChallenge(AccessMixin, View):
    """What the script asks before it asks the person's passkey: while signing in, or of somebody signed in."""

    access = {"POST": PUBLIC}

    def post(self, request: HttpRequest) -> HttpResponseBase:
        user = signed_in_user(request)
        stage = None if user else pending_stage(request)
        person: Any = user or (stage.login.user if stage else None)
        if person is None:
            raise AuthFailure
        ceremony = begin_use(user=person)
        keep(request.session, Purpose.SECOND_FACTOR, ceremony)
        return JsonResponse(ceremony.options)
