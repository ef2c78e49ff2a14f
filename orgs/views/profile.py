"""The person's own page, and the theme, which needs nobody signed in."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import PUBLIC, SIGNED_IN
from config.kernel.errors import Invalid
from config.kernel.pages import FormPage, Page, path_here
from orgs.forms.profile import ProfileForm, ThemeForm
from orgs.selectors import memberships_of, offers_to
from orgs.services.users import update_profile
from orgs.views.person import person_of

THEME_COOKIE = "theme"
THEME_COOKIE_AGE = 365 * 24 * 3600


class ProfilePage(FormPage):
    """Name, theme, organizations, and the ways to the rest of the account."""

    access = SIGNED_IN
    form_class = ProfileForm
    template_name = "orgs/profile.html"
    navigation = "profile"

    def form_arguments(self) -> dict[str, Any]:
        return {"initial": {"name": self.request.user.name}}  # type: ignore[union-attr]

    def form_context(self) -> dict[str, Any]:
        person = person_of(self.admission)
        theme = self.request.COOKIES.get(THEME_COOKIE, "")
        return {
            "belongings": memberships_of(person.user_id),
            "offers": offers_to(person.user_id),
            "theme_form": ThemeForm(initial={"theme": theme or "system", "next": self.request.path}),
        }

    def save(self, form: ProfileForm) -> HttpResponse:
        update_profile(actor=person_of(self.admission), name=form.cleaned_data["name"])
        messages.success(self.request, "Your profile is saved.")
        return redirect("orgs:profile")


class ThemePage(Page):
    """Remembers light or dark in a cookie and goes back to where the form stood."""

    access = {"POST": PUBLIC}

    def post(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        form = ThemeForm(request.POST)
        if not form.is_valid():
            raise Invalid.field("theme", "Choose light, dark or system.")
        response = redirect(path_here(form.cleaned_data["next"]) or "/")
        response.set_cookie(
            THEME_COOKIE,
            form.cleaned_data["theme"],
            max_age=THEME_COOKIE_AGE,
            secure=settings.SECURE,
            httponly=True,
            samesite="Lax",
        )
        return response
