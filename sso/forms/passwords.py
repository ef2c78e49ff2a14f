"""Forms of a forgotten password."""

from typing import Any

from allauth.account.forms import ResetPasswordForm, ResetPasswordKeyForm
from django import forms
from django.http import HttpRequest

from config.kernel.sign_in import Method
from config.kernel.tasks import enqueue
from orgs.models.user import normalize_email
from orgs.services.refused_sign_ins import note_method_refused
from orgs.sign_in import MethodRefused, validate_auth_method


class PasswordResetForm(ResetPasswordForm):
    """Looks at nobody: the worker does, and mails those who have a way to a new password."""

    def clean_email(self) -> str:
        return normalize_email(self.cleaned_data["email"])

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email = self.cleaned_data["email"]
        enqueue("sso.mail_password_reset", email)
        return email


class NewPasswordForm(ResetPasswordKeyForm):
    """A new password, by the link of a mail. Of no use to whoever must sign in by single sign-on, hence refused."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        try:
            validate_auth_method(method=Method.PASSWORD, user=self.user)
        except MethodRefused as refusal:
            note_method_refused(refusal, method=Method.PASSWORD, user=self.user)
            sentence = "You sign in without a password here: go to the sign-in page and enter your address."
            raise forms.ValidationError(sentence) from None
        return cleaned
