"""The button of development sign-in."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase

from config.kernel.access import PUBLIC
from config.kernel.pages import Page
from config.kernel.sign_in import Method
from sso.services.development import developer
from sso.views.entering import enter, next_of


class DevelopmentSignIn(Page):
    """Signs in as the development user. Absent unless the operator asked for it, in development."""

    access = {"POST": PUBLIC}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        return enter(request, developer(), method=Method.DEVELOPMENT, next_path=next_of(request))
