"""A person's own page of security: authenticator, passkeys, recovery codes."""

import base64
from typing import Any
from uuid import UUID

import segno
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from config.kernel.access import SIGNED_IN
from config.kernel.errors import Absent, Conflict, SecondFactorRequired
from config.kernel.identifiers import parse_public_id
from config.kernel.pages import AccessMixin, FormPage, Page
from config.kernel.sign_in import SecondFactor
from keys.forms.credentials import OnceForm
from keys.services.once import SentBefore, sent_once
from keys.views.tokens import viewer_of
from orgs.models import Passkey
from orgs.services import passkeys, second_factor
from orgs.services.browser_sessions import note_second_factor, sign_in_of
from orgs.services.factor_notices import FEW_CODES
from orgs.services.recovery_codes import codes_left, make_recovery_codes
from orgs.views.person import person_of
from sso.challenges import Purpose, keep, take
from sso.forms.second_factor import CodeForm, NewPasskeyForm
from sso.second_factor import CodeRefused, answer_of
from sso.views.entering import NEXT, destination_of

RECENTLY = SIGNED_IN.after_recent_proof()
QR_SCALE = 5
# In the session: the authenticator whose secret it has shown.
SHOWN = "authenticator"


class SecurityPage(Page):
    """What the viewer has set up, and where it is changed."""

    access = {"GET": SIGNED_IN}
    template_name = "sso/security.html"
    navigation = "security"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        viewer = viewer_of(request)
        device = second_factor.confirmed_device(viewer)
        rows = list(Passkey.objects.filter(user=viewer).order_by("-id"))
        left = codes_left(viewer)
        return self.show(
            {
                "device": device,
                "passkeys": rows,
                "has_factor": bool(device or rows),
                "codes_left": left,
                "few_codes": left <= FEW_CODES,
                "asking": second_factor.who_asks(viewer),
                "party": passkeys.relying_party(),
            }
        )


class FactorPage(FormPage):
    """Base of the pages that change factors: whoever has one gives it first, so that nobody replaces it without."""

    access = RECENTLY
    navigation = "security"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        require_own_factor(request)
        return super().get(request, **kwargs)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        require_own_factor(request)
        return super().post(request, **kwargs)


def require_own_factor(request: HttpRequest) -> None:
    """Raises SecondFactorRequired for a session without the second factor that its person has."""
    sign_in = sign_in_of(request.session)
    if (sign_in is None or sign_in.second_factor is None) and second_factor.has_second_factor(viewer_of(request)):
        raise SecondFactorRequired


class SetUpPage(FactorPage):
    """Base of the pages that set a factor up. The first one comes with recovery codes, in that very answer."""

    def set_up(self, factor: SecondFactor, words: str) -> HttpResponse:
        """Notes the factor in this session, which has just seen it, and goes on."""
        request, viewer = self.request, viewer_of(self.request)
        note_second_factor(request.session, factor)
        place = destination_of(request) if NEXT in request.GET else reverse("sso:security")
        if codes_left(viewer):
            messages.success(request, words)
            return redirect(place)
        codes = make_recovery_codes(actor=person_of(self.admission), user=viewer)
        context = {"codes": codes, "next": place, "words": words}
        response = self.show(context, template="sso/recovery_codes_made.html")
        response["Cache-Control"] = "no-store"
        return response


@method_decorator(never_cache, name="dispatch")
class AuthenticatorPage(SetUpPage):
    """Shows the secret of an authenticator to set up, and takes its first code."""

    form_class = CodeForm
    template_name = "sso/authenticator.html"

    def form_context(self) -> dict[str, Any]:
        viewer = viewer_of(self.request)
        shown = self.request.session.get(SHOWN)
        device = second_factor.device_to_confirm(user=viewer, shown=UUID(shown) if shown else None)
        self.request.session[SHOWN] = str(device.id)
        address = second_factor.enrolment_address(device)
        return {
            "replacing": second_factor.confirmed_device(viewer) is not None,
            "secret": base64.b32encode(second_factor.seed_of(device)).decode(),
            "qr_code": segno.make(address, error="m").svg_data_uri(scale=QR_SCALE, border=2, light="white"),
        }

    def save(self, form: CodeForm) -> HttpResponse:
        if second_factor.confirm_device(user=viewer_of(self.request), code=form.cleaned_data["code"]) is None:
            raise CodeRefused
        return self.set_up(SecondFactor.TOTP, "Your authenticator is set up.")


class AuthenticatorRemove(FactorPage):
    """Says what stops, then ends the authenticator."""

    template_name = "sso/authenticator_remove.html"

    def form_context(self) -> dict[str, Any]:
        return {"device": second_factor.confirmed_device(viewer_of(self.request))}

    def save(self, form: Any) -> HttpResponse:
        second_factor.remove_authenticator(actor=person_of(self.admission), user=viewer_of(self.request))
        messages.success(self.request, "Your authenticator is removed: its codes are refused from now on.")
        return redirect("sso:security")


class PasskeyAdd(SetUpPage):
    """A name, and what the browser made."""

    form_class = NewPasskeyForm
    template_name = "sso/passkey_add.html"

    def form_context(self) -> dict[str, Any]:
        return {"party": passkeys.relying_party()}

    def save(self, form: NewPasskeyForm) -> HttpResponse:
        passkey = passkeys.add_passkey(
            actor=person_of(self.admission),
            user=viewer_of(self.request),
            name=form.cleaned_data["name"],
            challenge=take(self.request.session, Purpose.REGISTRATION),
            answer=answer_of(form.cleaned_data["credential"]),
        )
        return self.set_up(SecondFactor.PASSKEY, f"The passkey {passkey.name} is set up.")


@method_decorator(never_cache, name="dispatch")
class NewPasskeyChallenge(AccessMixin, View):
    """What the script asks before it asks the browser for a new passkey."""

    access = {"POST": RECENTLY}

    def post(self, request: HttpRequest) -> HttpResponse:
        require_own_factor(request)
        ceremony = passkeys.begin_registration(user=viewer_of(request))
        keep(request.session, Purpose.REGISTRATION, ceremony)
        return JsonResponse(ceremony.options)


class PasskeyRemove(FactorPage):
    """Says what stops, then ends the passkey."""

    template_name = "sso/passkey_remove.html"

    def form_arguments(self) -> dict[str, Any]:
        passkey_id = parse_public_id("psk", self.kwargs["passkey"])
        passkey = Passkey.objects.filter(user=viewer_of(self.request), id=passkey_id).first() if passkey_id else None
        if passkey is None:
            raise Absent
        self.passkey = passkey
        return {}

    def form_context(self) -> dict[str, Any]:
        return {"passkey": self.passkey}

    def save(self, form: Any) -> HttpResponse:
        second_factor.remove_passkey(
            actor=person_of(self.admission), user=viewer_of(self.request), passkey=self.passkey
        )  # fmt: skip
        messages.success(self.request, f"{self.passkey.name} is removed: it is refused from now on.")
        return redirect("sso:security")


class RecoveryCodesPage(FactorPage):
    """New recovery codes in place of the earlier ones, shown in the answer."""

    form_class = OnceForm
    template_name = "sso/recovery_codes.html"

    def form_context(self) -> dict[str, Any]:
        viewer = viewer_of(self.request)
        return {"has_factor": second_factor.has_second_factor(viewer), "codes_left": codes_left(viewer)}

    def save(self, form: OnceForm) -> HttpResponse:
        viewer = viewer_of(self.request)
        if not second_factor.has_second_factor(viewer):
            raise Conflict("Set up an authenticator or a passkey first: recovery codes stand in for one.")
        try:
            with sent_once(actor=self.admission.principal, token=form.cleaned_data["once"]):
                codes = make_recovery_codes(actor=person_of(self.admission), user=viewer)
        except SentBefore as error:
            form.renew()
            form.add_error(None, "These codes were made and shown before. Make new ones if you lost them.")
            return self.show_form(form, status=error.status)
        context = {"codes": codes, "next": reverse("sso:security"), "words": "Your new recovery codes are ready."}
        response = self.show(context, template="sso/recovery_codes_made.html")
        response["Cache-Control"] = "no-store"
        return response
