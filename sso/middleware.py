"""What a session must do before anything else."""

from collections.abc import Callable

from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from orgs.services import browser_sessions

ALLOWED = ("account_change_password", "account_logout", "account_reauthenticate")


class SignInMiddleware:
    """Ends sessions that came in by a way which nobody judged. Everything that signs in notes how (orgs.sessions)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if SESSION_KEY in request.session and browser_sessions.sign_in_of(request.session) is None:
            request.session.flush()
        return self.get_response(request)


class PasswordChangeMiddleware:
    """Leads whoever has a temporary password to the page that changes it; nothing else opens before."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # A request without a session must not make Django look for one: programs have none.
        if SESSION_KEY in request.session and getattr(request.user, "must_change_password", False):
            allowed = (*(reverse(name) for name in ALLOWED), "/static/", "/theme")
            if not request.path.startswith(allowed):
                return redirect("account_change_password")
        return self.get_response(request)
