"""Signing in by a mail: asking for one, the code in the browser that asked, the link in any."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from config.kernel.access import PUBLIC
from config.kernel.errors import AuthFailure
from config.kernel.pages import FORM_INVALID, Page
from config.kernel.sign_in import Method
from config.kernel.tasks import enqueue
from config.kernel.throttling import Secret, forgive, may_try, require_patience
from orgs.models.user import normalize_email
from sso.forms.sign_in import AddressForm, MailedCodeForm
from sso.services import mailed_sign_ins
from sso.views.entering import address_of, enter, next_of
from sso.views.sign_in import ADDRESS

# What the session keeps of the mail that its browser asked for.
ASKED = "mailed_sign_in"
TRIES = "5/15minutes"


class MailSignIn(Page):
    """Asks for a mail. Nobody is told whether there is one to send."""

    access = {"POST": PUBLIC}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        form = AddressForm(request.POST)
        if not form.is_valid():
            return redirect(address_of("account_login", next_of(request)))
        email = normalize_email(form.cleaned_data["login"])
        require_patience(Secret.MAIL, account=email)
        secret = mailed_sign_ins.new_request()
        request.session[ADDRESS] = email
        request.session[ASKED] = {"secret": secret, "email": email, "next": next_of(request)}
        enqueue("sso.mail_sign_in", email, mailed_sign_ins.digest_of_request(secret), next_of(request))
        return redirect("sso:mailed-code")


class MailedCode(Page):
    """Where the code is typed, in the browser that asked for it."""

    access = {"GET": PUBLIC, "POST": PUBLIC}
    template_name = "account/mailed_code.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        asked = request.session.get(ASKED)
        if asked is None or request.user.is_authenticated:
            return redirect("account_login")
        return self.show({"form": MailedCodeForm(), **asked, "minutes": mailed_sign_ins.MINUTES})

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        asked = request.session.get(ASKED)
        if asked is None:
            return redirect("account_login")
        form = MailedCodeForm(request.POST)
        if form.is_valid():
            require_patience(Secret.MAILED_CODE, account=asked["email"])
            if not may_try("mailed code", mailed_sign_ins.digest_of_request(asked["secret"]), limit=TRIES):
                del request.session[ASKED]
                messages.error(request, "Too many codes were wrong: ask for a new mail.")
                return redirect(address_of("account_login", asked["next"]))
            try:
                found = mailed_sign_ins.sign_in_by_code(request_secret=asked["secret"], code=form.cleaned_data["code"])
            except AuthFailure:
                form.add_error("code", "This is not the code of the last mail, or the mail is too old.")
            else:
                forgive(Secret.MAILED_CODE, account=asked["email"])
                return _enter(request, found)
        return self.show({"form": form, **asked, "minutes": mailed_sign_ins.MINUTES}, status=FORM_INVALID)


class MailedLink(Page):
    """What the link opens: a page with one button, since mail scanners open links, too."""

    access = {"GET": PUBLIC, "POST": PUBLIC}
    template_name = "account/mailed_link.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = super().dispatch(request, *args, **kwargs)
        # The address is the secret: no cache and no Referer gets it (as for orgs.views.landing.InvitationPage).
        response["Referrer-Policy"] = "strict-origin"
        response["Cache-Control"] = "no-store"
        return response

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        email = mailed_sign_ins.email_of_link(kwargs["token"])
        return self.show({"email": email}, status=200 if email else 404)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        try:
            found = mailed_sign_ins.sign_in_by_link(kwargs["token"])
        except AuthFailure:
            return self.show({"email": None}, status=404)
        return _enter(request, found)


def _enter(request: HttpRequest, found: mailed_sign_ins.MailedSignIn) -> HttpResponseBase:
    for name in (ASKED, ADDRESS):
        request.session.pop(name, None)
    return enter(request, found.user, method=Method.MAGIC_LINK, next_path=found.next_path, email=found.email)
