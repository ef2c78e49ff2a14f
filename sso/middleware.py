"""What a session must do before anything else."""

from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from config.kernel.errors import SsoRequired
from config.kernel.problems import speaks_json
from orgs.models import User
from orgs.services import browser_sessions, devices
from orgs.services.refused_sign_ins import note_method_refused
from orgs.sign_in import MethodRefused, validate_auth_method
from sso.selectors import ways_in

ALLOWED = ("account_change_password", "account_logout", "sso:confirm")


class SignInMiddleware:
    """Ends sessions that came in by a way which nobody judged. Everything that signs in notes how (orgs.sessions)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if SESSION_KEY in request.session and browser_sessions.sign_in_of(request.session) is None:
            request.session.flush()
        if SESSION_KEY in request.session:
            request.session.note_use()  # type: ignore[attr-defined] # a method of our SESSION_ENGINE
        return self.get_response(request)


class DeviceMiddleware:
    """Notices sign-ins from new browsers, by whatever way, and keeps the cookie that makes a browser a known one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        before = browser_sessions.id_of(request.session)
        response = self.get_response(request)
        sign_in = browser_sessions.sign_in_of(request.session)
        if sign_in is None or browser_sessions.id_of(request.session) == before:
            return response
        user_id = request.session.get(SESSION_KEY)
        user = User.objects.filter(id=user_id).first() if user_id else None
        if user is not None:
            cookie = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
            response.set_cookie(
                settings.DEVICE_COOKIE_NAME,
                devices.meet(user=user, cookie=cookie, method=sign_in.method),
                max_age=devices.COOKIE_LIFETIME,
                secure=settings.SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response


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


class EnforcementMiddleware:
    """Ends sessions that began by a way which an organization no longer lets their person come in by. One query.

    The answer is a page that leads to single sign-on, whatever was asked for: nothing of the request is done.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # A request without a session must not make Django look for one; and programs' routes look at none.
        if speaks_json(request) or SESSION_KEY not in request.session:
            return self.get_response(request)
        sign_in = browser_sessions.sign_in_of(request.session)
        if sign_in is None:
            return self.get_response(request)
        user_id = UUID(request.session[SESSION_KEY])
        try:
            validate_auth_method(method=sign_in.method, user_id=user_id, organization_id=sign_in.organization_id)
        except MethodRefused as refusal:
            note_method_refused(refusal, method=sign_in.method, user=User.objects.filter(id=user_id).first())
            request.session.flush()
            return self._ended(request, refusal)
        return self.get_response(request)

    def _ended(self, request: HttpRequest, refusal: MethodRefused) -> HttpResponse:
        request.user = AnonymousUser()
        here = request.get_full_path() if request.method == "GET" else reverse("orgs:home")
        context = {"ways_in": ways_in(refusal.organization_ids, to=here)}
        response = render(request, "sso/session_ended.html", context, status=SsoRequired.status)
        if request.headers.get("HX-Request") == "true":
            response["HX-Refresh"] = "true"
        return response
