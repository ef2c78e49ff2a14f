"""Forms of signing in: the address first, then what fits."""

from typing import Any

from allauth.account.fields import EmailField
from allauth.account.forms import LoginForm
from django import forms


class AddressForm(forms.Form):
    """The first step. Its field is named as the password form's, so that password managers know it."""

    login = EmailField(
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username webauthn", "autofocus": True}),
        error_messages={"invalid": "Write an address as in name@example.com.", "required": "Write your address."},
    )


class PasswordForm(LoginForm):
    """The second step: the password, under the address of the first."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].widget = forms.EmailInput(attrs={"autocomplete": "username", "readonly": True})
        del self.fields["password"].widget.attrs["placeholder"]
        self.fields["password"].widget.attrs["autofocus"] = True


class MailedCodeForm(forms.Form):
    """The code of a mail."""

    code = forms.CharField(
        max_length=40,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false",
                   "autofocus": True}
        ),
        error_messages={"required": "Write the code that the mail brings."},
    )  # fmt: skip
