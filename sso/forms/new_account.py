"""The form of signing up. allauth itself reads sso.forms.sign_up, so this one has a module of its own."""

from typing import Any

from allauth.account.forms import SignupForm
from django import forms
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from config.kernel.sign_in import Method
from orgs.models import User
from orgs.services.refused_sign_ins import note_if_refused
from orgs.sign_in import governs_domain, is_authorized


class SignUpForm(SignupForm):
    """Refuses by the address's domain alone; whether the address has an account, nobody is told."""

    account_already_exists: bool

    def clean_email(self) -> str:
        email = self.cleaned_data["email"]
        if not is_authorized(email):
            raise forms.ValidationError("Nobody signs up here with an address of this domain.")
        if governs_domain(email):
            note_if_refused(method=Method.PASSWORD, email=email)
            sentence = "Your organization signs in by single sign-on: go to the sign-in page and enter your address."
            raise forms.ValidationError(sentence)
        return super().clean_email()

    def try_save(self, request: HttpRequest) -> Any:
        if self.account_already_exists:
            # Takes as long as it takes to make an account.
            User().set_password(self.cleaned_data["password1"])
            return super().try_save(request)
        try:
            with transaction.atomic():
                return super().try_save(request)
        except IntegrityError:  # somebody else signed up with the address at the same moment
            self.account_already_exists = True
            return super().try_save(request)
