"""Confirming once more that it is oneself, where an access asks for a fresh proof (`Access.after_recent_proof`).

The gate's refusal leads here with `next`, the page to go on with; nothing of what was asked for has been done then.
What counts is what the person has: password, second factor, single sign-on again, or else a code by mail.
"""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from config.kernel.access import SIGNED_IN
from config.kernel.errors import Invalid, RateLimited
from config.kernel.identifiers import public_id
from config.kernel.pages import FORM_INVALID, Page, add_error
from config.kernel.sign_in import Method, SignIn
from config.kernel.tasks import enqueue
from config.kernel.throttling import Secret, require_patience
from keys.views.tokens import viewer_of
from orgs.models import User
from orgs.services import browser_sessions, confirmations
from orgs.services.passkeys import has_usable_passkey
from orgs.services.second_factor import has_second_factor
from orgs.sign_in import MethodRefused, validate_auth_method
from sso.forms.confirm import MailedCodeForm, PasswordForm
from sso.forms.second_factor import FactorForm
from sso.second_factor import proven_factor
from sso.views.entering import NEXT, address_of, destination_of

HOW = "how"
PASSWORD, FACTOR, MAILED_CODE, SEND = "password", "factor", "mailed_code", "send"
FORMS: dict[str, type[forms.Form]] = {PASSWORD: PasswordForm, FACTOR: FactorForm, MAILED_CODE: MailedCodeForm}


@method_decorator(never_cache, name="dispatch")
class ConfirmPage(Page):
    """Offers the ways that this person has, and goes on after one of them."""

    access = SIGNED_IN
    template_name = "sso/confirm.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self._ask({})

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        user, how = viewer_of(request), request.POST.get(HOW, "")
        ways = ways_of(user, self._sign_in())
        if how == SEND and MAILED_CODE in ways:
            return self._send_code(user)
        if how not in ways or how not in FORMS:
            raise Invalid("Choose one of the ways that this page offers.")
        form = FORMS[how](request.POST)
        if not form.is_valid():
            return self._ask({how: form}, status=FORM_INVALID)
        try:
            right = self._prove(user, how, form.cleaned_data)
        except RateLimited as error:
            form.add_error(None, f"That was wrong too often: wait {error.retry_after} seconds and try again.")
            return self._ask({how: form}, status=error.status)
        except Invalid as error:
            add_error(form, error)
            return self._ask({how: form}, status=error.status)
        if not right:
            form.add_error(how, WRONG[how])
            return self._ask({how: form}, status=FORM_INVALID)
        browser_sessions.note_proof(request.session)
        return redirect(destination_of(request))

    def _prove(self, user: User, how: str, given: dict[str, str]) -> bool:
        request = self.request
        if how == PASSWORD:
            cookie = request.COOKIES.get(settings.DEVICE_COOKIE_NAME, "")
            return confirmations.confirm_by_password(user=user, password=given["password"], cookie=cookie)
        if how == FACTOR:
            factor = proven_factor(request, user=user, code=given["code"], credential=given["credential"])
            browser_sessions.note_second_factor(request.session, factor)
            return confirmations.note(user=user, method=factor.value, right=True)
        session_id = browser_sessions.id_of(request.session)
        return session_id is not None and confirmations.confirm_by_mailed_code(
            user=user, session_id=session_id, code=given["mailed_code"]
        )

    def _send_code(self, user: User) -> HttpResponse:
        try:
            require_patience(Secret.MAIL, account=user.email)
        except RateLimited as error:
            form = MailedCodeForm({})
            form.errors.clear()
            form.add_error(None, f"We have sent you several mails: wait {error.retry_after} seconds for the next one.")
            return self._ask({MAILED_CODE: form}, status=error.status)
        enqueue("orgs.mail_confirmation_code", str(user.id), str(browser_sessions.id_of(self.request.session)))
        messages.success(self.request, f"A code is on its way to {user.email}.")
        return redirect(self.request.get_full_path())

    def _sign_in(self) -> SignIn | None:
        return browser_sessions.sign_in_of(self.request.session)

    def _ask(self, bound: dict[str, forms.Form], *, status: int = 200) -> HttpResponse:
        user, sign_in, destination = viewer_of(self.request), self._sign_in(), destination_of(self.request)
        ways = ways_of(user, sign_in)
        again = ""
        if sign_in is not None and sign_in.connection_id is not None and Method.SSO.value in ways:
            start = reverse("sso:start", args=[public_id("con", sign_in.connection_id)])
            again = f"{start}?{urlencode({NEXT: destination, 'prompt': 'login'})}"
        return self.show(
            {
                "forms": {how: bound.get(how) or FORMS[how]() for how in ways if how in FORMS},
                "again": again,
                "has_passkey": FACTOR in ways and has_usable_passkey(user),
                "person": user,
                "next": destination,
                "here": address_of("sso:confirm", destination),
            },
            status=status,
        )


WRONG = {
    PASSWORD: "This is not your password. Correct it and try again.",
    MAILED_CODE: "This code is wrong or too old. Correct it, or let us send a new one.",
}


def ways_of(user: User, sign_in: SignIn | None) -> list[str]:
    """How a person who signed in like that may confirm that it is them. A code by mail only where nothing else is.

    Where single sign-on is enforced, a password proves nothing.
    """
    ways = []
    if sign_in is not None and sign_in.method == Method.SSO and sign_in.connection_id is not None:
        ways.append(Method.SSO.value)
    if user.has_usable_password() and _counts(user, Method.PASSWORD):
        ways.append(PASSWORD)
    if has_second_factor(user):
        ways.append(FACTOR)
    return ways or [MAILED_CODE]


def _counts(user: User, method: Method) -> bool:
    try:
        validate_auth_method(method=method, user=user)
    except MethodRefused:
        return False
    return True
