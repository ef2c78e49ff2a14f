"""The page where a person lets a command line sign in as them."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from config.kernel.access import SIGNED_IN
from config.kernel.errors import Absent, AuthFailure
from config.kernel.pages import FORM_INVALID, Page
from config.kernel.throttling import Secret, forgive, require_patience
from keys.views.tokens import viewer_of
from orgs.selectors import memberships_of
from orgs.services.refused_sign_ins import note_method_refused
from orgs.sign_in import MethodRefused
from orgs.views.person import person_of
from sso.forms.devices import DecisionForm, UserCodeForm
from sso.models import DeviceAuthorization
from sso.services import devices


@method_decorator(never_cache, name="dispatch")
class DevicePage(Page):
    """The code first, by hand or in the address; then what asks, from where, and yes or no."""

    access = SIGNED_IN.after_recent_proof()
    template_name = "sso/device.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        user_code = request.GET.get("user_code", "")
        return self._look(UserCodeForm({"user_code": user_code})) if user_code else self._ask(UserCodeForm())

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        decision = request.POST.get("decision")
        if decision not in ("approve", "deny"):
            return self._look(UserCodeForm(request.POST))
        form = DecisionForm(request.POST, organizations=self._organizations())
        if not form.is_valid():
            return self._look(UserCodeForm(request.POST), decision=form)
        require_patience(Secret.DEVICE_CODE, account=self._account)
        try:
            answer = self._approve(form) if decision == "approve" else self._deny(form)
        except Absent:
            return self._unknown(UserCodeForm(request.POST))
        forgive(Secret.DEVICE_CODE, account=self._account)
        return answer

    def _look(self, form: UserCodeForm, decision: DecisionForm | None = None) -> HttpResponse:
        """What waits under the code."""
        if not form.is_valid():
            return self._ask(form, status=FORM_INVALID)
        require_patience(Secret.DEVICE_CODE, account=self._account)
        device = devices.waiting(form.cleaned_data["user_code"])
        if device is None:
            return self._unknown(form)
        forgive(Secret.DEVICE_CODE, account=self._account)
        initial = {"user_code": form.cleaned_data["user_code"]}
        decision = decision or DecisionForm(organizations=self._organizations(), initial=initial)
        return self.show(
            {"form": decision, "device": device, "user_code": form.cleaned_data["user_code"]},
            template="sso/device_confirm.html",
            status=FORM_INVALID if decision.is_bound else 200,
        )

    def _approve(self, form: DecisionForm) -> HttpResponse:
        principal, user = person_of(self.admission), viewer_of(self.request)
        if principal.sign_in is None:
            raise AuthFailure
        try:
            device = devices.approve(
                actor=principal,
                user=user,
                user_code=form.cleaned_data["user_code"],
                sign_in=principal.sign_in,
                organization=form.chosen_organization(),
            )
        except MethodRefused as refusal:
            note_method_refused(refusal, method=principal.sign_in.method, user=user)
            return self.show({"refused": True}, template="sso/device_done.html", status=403)
        return self._done(device, approved=True)

    def _deny(self, form: DecisionForm) -> HttpResponse:
        device = devices.deny(actor=person_of(self.admission), user_code=form.cleaned_data["user_code"])
        return self._done(device, approved=False)

    def _done(self, device: DeviceAuthorization, *, approved: bool) -> HttpResponse:
        return self.show({"device": device, "approved": approved}, template="sso/device_done.html")

    def _unknown(self, form: UserCodeForm) -> HttpResponse:
        form.add_error("user_code", "Nothing waits under this code: it is mistyped, was used, or is too old.")
        return self._ask(form, status=FORM_INVALID)

    def _ask(self, form: UserCodeForm, *, status: int = 200) -> HttpResponse:
        return self.show({"form": form}, status=status)

    def _organizations(self) -> list[Any]:
        found = [belonging.organization for belonging in memberships_of(viewer_of(self.request).id)]
        return [organization for organization in found if organization.is_active]

    @property
    def _account(self) -> str:
        """By what wrong codes are counted: for each person, and each place."""
        return str(viewer_of(self.request).id)
