"""The sign-in page: the address first, then what fits.

What is offered follows from the address's domain and from the settings. Nobody is looked up before a proof is sent.
"""

from typing import Any

from allauth.account.internal.templatekit import get_entrance_context_data
from allauth.account.views import LoginView
from django.conf import settings
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from config.kernel.access import PUBLIC
from config.kernel.pages import AccessMixin, Page
from config.kernel.sign_in import Method
from config.kernel.throttling import Secret, require_patience
from orgs.models.user import normalize_email
from orgs.services.refused_sign_ins import note_if_refused
from orgs.sign_in import governs_domain, is_authorized
from sso.forms.sign_in import AddressForm, PasswordForm
from sso.selectors import connections_of_domain
from sso.social import offered
from sso.views.entering import address_of, next_of, to_step

# The address of the first step, in the session.
ADDRESS = "sign_in_address"


def ways_for(email: str, next_path: str) -> dict[str, Any]:
    """What the second step offers to an address, as its template reads it."""
    return {
        "email": email,
        "next": next_path,
        "connections": connections_of_domain(email, to=next_path or reverse("orgs:home")),
        "is_governed": governs_domain(email),
        "is_authorized": is_authorized(email),
        "providers": offered(),
        "development": settings.TENANTRY_DEV_AUTH,
    }


class SignInPage(AccessMixin, LoginView):
    """The first step, and what the second one's password form is sent to."""

    access = {"GET": PUBLIC, "POST": PUBLIC}
    template_name = "account/login.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._first_step(AddressForm(initial={"login": request.session.get(ADDRESS, "")}))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        address = AddressForm(request.POST)
        if not address.is_valid():
            return self._first_step(address)
        email = normalize_email(address.cleaned_data["login"])
        if "password" in request.POST and not governs_domain(email):
            return super().post(request, *args, **kwargs)
        if "password" in request.POST:
            require_patience(Secret.PASSWORD, account=email)
            note_if_refused(method=Method.PASSWORD, email=email)
        request.session[ADDRESS] = email
        return to_step("sso:sign-in-ways", request)

    def form_invalid(self, form: Form) -> HttpResponse:
        """The second step again, with what was wrong."""
        self.template_name = "account/login_ways.html"
        email = normalize_email(form.data.get("login", ""))
        return self.render_to_response(self.get_context_data(form=form, **ways_for(email, next_of(self.request))))

    def _first_step(self, form: Form) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form, development=settings.TENANTRY_DEV_AUTH))


@method_decorator(never_cache, name="dispatch")
class WaysPage(Page):
    """The second step: what fits the address."""

    access = {"GET": PUBLIC}
    template_name = "account/login_ways.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        next_path = next_of(request)
        if request.user.is_authenticated:
            return redirect(next_path or "orgs:home")
        email = request.session.get(ADDRESS)
        if not email:
            return redirect(address_of("account_login", next_path))
        form = PasswordForm(request=request, initial={"login": email})
        return self.show({"form": form, **get_entrance_context_data(request), **ways_for(email, next_path)})
