"""The page between staff's password and Django admin: set up an authenticator once, then a code in every session."""

import base64
from typing import Any

import segno
from django import forms
from django.contrib.auth.views import redirect_to_login
from django.core.validators import RegexValidator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_otp import login

from audit.services import record, record_refused
from config.kernel.errors import Forbidden
from config.kernel.principals import UserPrincipal
from config.kernel.tenancy.scope import INSTALLATION_ID
from orgs import events
from orgs.models import TOTPDevice, User
from orgs.services import second_factor
from orgs.services.targets import user_target

METHOD = "totp"
NEXT = "next"
QR_SCALE = 5


class CodeForm(forms.Form):
    """The six digits."""

    code = forms.CharField(
        label="Code",
        help_text="The six digits that your authenticator shows now.",
        strip=True,
        validators=[RegexValidator(r"\A[0-9]{6}\Z", "Write the six digits that your authenticator shows.")],
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
    )


@never_cache
@require_http_methods(["GET", "POST"])
def second_factor_page(request: HttpRequest) -> HttpResponseBase:
    """Asks staff for a code, or lets them set up a device when they have none. Raises Forbidden for everybody else."""
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return redirect_to_login(request.get_full_path())
    if not user.is_staff:
        raise Forbidden("Only the operator's staff have a way in here.")
    if user.is_verified():  # type: ignore[attr-defined] # django-otp's middleware adds it
        return redirect(_destination(request))
    enrolled = second_factor.confirmed_device(user) is not None
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        check = second_factor.accepted_device if enrolled else second_factor.confirm_device
        device = check(user=user, code=form.cleaned_data["code"])
        if device is not None:
            return _enter(request, user, device)
        _refuse(user)
        form.add_error("code", "This code is not right, or it was tried too soon: wait for the next one and try again.")
    context: dict[str, Any] = {"form": form, "enrolled": enrolled, "next": request.GET.get(NEXT, "")}
    if not enrolled:
        context |= _enrolment(user)
    return render(request, "staff/second_factor.html", context, status=422 if form.errors else 200)


def _enrolment(user: User) -> dict[str, str]:
    """What the person's authenticator needs: the secret as text and as a QR code of its `otpauth:` address."""
    device = second_factor.device_to_confirm(user=user)
    secret = base64.b32encode(second_factor.seed_of(device)).decode()
    address = second_factor.enrolment_address(device)
    image = segno.make(address, error="m").svg_data_uri(scale=QR_SCALE, border=2, light="white")
    return {"secret": secret, "qr_code": image}


def _enter(request: HttpRequest, user: User, device: TOTPDevice) -> HttpResponse:
    request.session.cycle_key()
    login(request, device)
    with transaction.atomic():
        record(
            events.USER_SIGNED_IN,
            actor=UserPrincipal.of(user_id=user.id, email=user.email),
            target=user_target(user),
            data={"method": METHOD},
            org_id=INSTALLATION_ID,
        )
    return redirect(_destination(request))


def _refuse(user: User) -> None:
    record_refused(
        events.USER_SIGN_IN_FAILED,
        actor=UserPrincipal.of(user_id=user.id, email=user.email),
        target=user_target(user),
        data={"method": METHOD},
        org_id=INSTALLATION_ID,
    )


def _destination(request: HttpRequest) -> str:
    """Where the person wanted to go, if that is here."""
    wanted = request.GET.get(NEXT, "")
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None, require_https=request.is_secure()):
        return wanted
    return reverse("admin:index")
