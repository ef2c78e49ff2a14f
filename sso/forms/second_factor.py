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
        required=False,
        label="Code",
        max_length=CODE_LENGTH,
        help_text="The six digits that your authenticator shows now, or one of your recovery codes.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "autofocus": True}),
    )
    credential = forms.CharField(required=False, max_length=CREDENTIAL_LENGTH, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not cleaned.get("code") and not cleaned.get("credential") and not self.errors:
            self.add_error("code", "Write a code of your authenticator, or one of your recovery codes.")
        return cleaned


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
