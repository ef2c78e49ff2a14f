"""Forms of second factors."""

from typing import Any

from django import forms
from django.core.validators import RegexValidator

from orgs.models import Passkey

# Longer than any answer of a browser that has no attestation of a whole chain of certificates in it.
CREDENTIAL_LENGTH = 32_768
CODE_LENGTH = 40
NAME_LENGTH = Passkey._meta.get_field("name").max_length


class CodeForm(forms.Form):
    """The six digits."""

    code = forms.CharField(
        label="Code",
        help_text="The six digits that your authenticator shows now.",
        strip=True,
        validators=[RegexValidator(r"\A[0-9]{6}\Z", "Write the six digits that your authenticator shows.")],
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}),
    )


class FactorForm(forms.Form):
    """A code of either kind, or, from the script, what a passkey signed."""

    code = forms.CharField(
        label="Code",
        max_length=CODE_LENGTH,
        error_messages={"required": "Write a code of your authenticator, or one of your recovery codes."},
        help_text="The six digits that your authenticator shows now, or one of your recovery codes.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )
    credential = forms.CharField(required=False, max_length=CREDENTIAL_LENGTH, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].required = not self.data.get("credential")


class PasskeyForm(forms.Form):
    """What a passkey signed, from the script."""

    credential = forms.CharField(
        max_length=CREDENTIAL_LENGTH,
        widget=forms.HiddenInput,
        error_messages={"required": "Your browser sent no passkey: switch JavaScript on and try again."},
    )


class NewPasskeyForm(PasskeyForm):
    """A new passkey and what its person calls it."""

    name = forms.CharField(
        label="Name",
        max_length=NAME_LENGTH,
        help_text="Where it is: “Laptop”, “Phone”, “Security key”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    field_order = ["name", "credential"]
