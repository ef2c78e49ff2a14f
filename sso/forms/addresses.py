"""The form of another e-mail address."""

from allauth.account.forms import AddEmailForm
from django import forms

from config.kernel.sign_in import Method
from orgs.services.refused_sign_ins import note_if_refused
from orgs.sign_in import governs_domain, is_authorized


class NewAddressForm(AddEmailForm):
    """Refuses by the domain alone: addresses of an organization that requires single sign-on come by that."""

    def clean_email(self) -> str:
        email = self.cleaned_data["email"]
        if not is_authorized(email):
            raise forms.ValidationError("Nobody signs in here with an address of this domain.")
        if governs_domain(email):
            note_if_refused(method=Method.PASSWORD, email=email)
            sentence = "The organization of this domain requires single sign-on: sign in through it instead."
            raise forms.ValidationError(sentence)
        return super().clean_email()
