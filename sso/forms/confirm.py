"""Forms of confirming once more that it is oneself."""

from django import forms


class PasswordForm(forms.Form):
    """The person's password."""

    password = forms.CharField(
        label="Password",
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        error_messages={"required": "Write your password."},
    )


class MailedCodeForm(forms.Form):
    """The code that was mailed."""

    mailed_code = forms.CharField(
        label="Code from the mail",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
        error_messages={"required": "Write the code that the mail brings."},
    )
