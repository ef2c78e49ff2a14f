"""Mails of sign-in, in text and HTML. They are sent by the worker: whether there is one to send, no answer tells."""

from datetime import datetime
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.internal.userkit import filter_users_by_email
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from config.kernel.sign_in import Method
from orgs.services.refused_sign_ins import note_method_refused
from orgs.sign_in import MethodRefused, is_authorized, validate_auth_method
from sso.services import mailed_sign_ins

# What may be told of by `mail_notification`.
NOTIFICATIONS = (
    "account/email/password_changed",
    "account/email/password_reset",
    "account/email/password_set",
    "account/email/email_changed",
    "account/email/email_confirm",
    "account/email/email_deleted",
)


def send(name: str, *, to: str, context: dict[str, Any]) -> None:
    """One mail from `{name}_subject.txt`, `_message.txt` and `_message.html`. Raises OSError without mail server."""
    context = {"email": to, **context}
    subject = " ".join(render_to_string(f"{name}_subject.txt", context).split())
    message = EmailMultiAlternatives(
        subject, render_to_string(f"{name}_message.txt", context).strip(), settings.DEFAULT_FROM_EMAIL, [to]
    )
    message.attach_alternative(render_to_string(f"{name}_message.html", context), "text/html")
    message.send()


def link(name: str, *arguments: Any) -> str:
    """The whole address of one of our pages."""
    return settings.TENANTRY_URL + reverse(name, args=arguments)


def mail_sign_in(email: str, request_digest: str, next_path: str) -> str:
    """Mails a link and a code to whoever may sign in by them. Returns `sent`, `to confirm` or `nobody`.

    `request_digest` names the browser that asked (sso.services.mailed_sign_ins); somebody who never confirmed their
    address is asked to do that first, as when they sign in with their password.
    """
    user = mailed_sign_ins.addressee(email)
    if user is None:
        return "nobody"
    address = EmailAddress.objects.filter(user=user, email=email).first()
    if address is None or not address.verified:
        return mail_confirmation(address.pk) if address is not None else "nobody"
    issued = mailed_sign_ins.issue(user=user, email=email, request_digest=request_digest, next_path=next_path)
    send(
        "account/email/login_code",
        to=email,
        context={
            "code": issued.code,
            "link": link("sso:mailed-link", issued.token),
            "minutes": mailed_sign_ins.MINUTES,
        },
    )
    return "sent"


def mail_password_reset(email: str) -> str:
    """Mails the way to a new password to whoever may have one. Returns `sent` or `nobody`."""
    outcome = "nobody"
    for user in filter_users_by_email(email, is_active=True, prefer_verified=True, for_login=True):
        try:
            validate_auth_method(method=Method.PASSWORD, user=user, email=email)
        except MethodRefused as refusal:
            note_method_refused(refusal, method=Method.PASSWORD, user=user)
            continue
        key = default_token_generator.make_token(user)
        page = link("account_reset_password_from_key", user_pk_to_url_str(user), key)
        send("account/email/password_reset_key", to=email, context={"password_reset_url": page})
        outcome = "sent"
    return outcome


def mail_confirmation(address_id: int) -> str:
    """Mails the link that confirms an address. Returns `to confirm`, or `nobody` for one that is gone or confirmed."""
    address = EmailAddress.objects.select_related("user").filter(id=address_id, verified=False).first()
    if address is None or not is_authorized(address.email):
        return "nobody"
    key = EmailConfirmationHMAC(address).key
    context = {"activate_url": link("account_confirm_email", key)}
    send("account/email/email_confirmation", to=address.email, context=context)
    return "to confirm"


def mail_account_exists(email: str) -> str:
    """Tells somebody who signs up that they have an account. Returns `sent`, or `nobody` where there is none."""
    if not filter_users_by_email(email, is_active=True):
        return "nobody"
    pages = {"login_url": link("account_login"), "password_reset_url": link("account_reset_password")}
    send("account/email/account_already_exists", to=email, context=pages)
    return "sent"


def mail_notification(name: str, email: str, at: str, ip: str, user_agent: str) -> str:
    """Tells somebody that their account changed. Returns `sent`. Raises KeyError for an unknown `name`."""
    if name not in NOTIFICATIONS:
        raise KeyError(name)
    send(name, to=email, context={"timestamp": datetime.fromisoformat(at), "ip": ip, "user_agent": user_agent})
    return "sent"
