"""What we ask of somebody who signs up."""

from typing import Any

from django import forms
from django.http import HttpRequest


class SignUpNameForm(forms.Form):
    """What we ask beside allauth's own fields."""

    name = forms.CharField(max_length=120, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    field_order = ["name", "email", "password1"]

    def signup(self, request: HttpRequest, user: Any) -> None:
        """allauth calls this with the user just saved."""
        user.name = self.cleaned_data["name"]
        user.save(update_fields=["name", "updated_at"])
