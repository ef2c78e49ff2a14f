"""The ways in where single sign-on is required: to the identity provider, or past it by a break-glass code."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import PUBLIC, SIGNED_IN
from config.kernel.errors import AuthFailure, RateLimited, Unavailable
from config.kernel.pages import FormPage, Page
from config.kernel.sign_in import Method
from keys.views.tokens import viewer_of
from orgs.services import break_glass
from orgs.sign_in import governing_organizations
from sso.forms.policy import BreakGlassForm
from sso.selectors import ways_in
from sso.views.entering import enter, next_of


class SsoRequiredPage(Page):
    """Leads somebody whose sign-in an organization no longer takes to its identity provider, and back."""

    access = {"GET": SIGNED_IN}
    template_name = "sso/required.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        governing = governing_organizations(user_id=viewer_of(request).id)
        if not governing:
            return redirect(next_of(request) or "orgs:home")
        found = ways_in([each.organization_id for each in governing], to=next_of(request) or "/")
        if len(found) == 1:
            return redirect(found[0].address)
        return self.show({"ways_in": found})


class BreakGlassPage(FormPage):
    """Lets an owner in by password, second factor and code. Whatever is wrong, the answer is the same."""

    access = {"GET": PUBLIC, "POST": PUBLIC}
    template_name = "sso/break_glass.html"
    form_class = BreakGlassForm

    def save(self, form: BreakGlassForm) -> HttpResponse:
        try:
            entry = break_glass.use_code(**form.cleaned_data)
        except AuthFailure:
            form.add_error(None, "This did not work. Check all four, and wait for your authenticator's next code.")
            return self.show_form(form, status=AuthFailure.status)
        except (RateLimited, Unavailable) as error:
            form.add_error(None, error.detail)
            return self.show_form(form, status=error.status)
        return enter(  # type: ignore[return-value] # allauth's stages answer with pages
            self.request,
            entry.user,
            method=Method.BREAK_GLASS,
            next_path=next_of(self.request),
            organization_id=str(entry.organization_id),
            second_factor=entry.second_factor.value,
        )
