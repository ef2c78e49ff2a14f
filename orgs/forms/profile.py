"""The person's own settings."""

from django import forms

from orgs.models import User

THEMES = [("system", "Same as the system"), ("light", "Light"), ("dark", "Dark")]


class ProfileForm(forms.Form):
    """How others see the person."""

    name = forms.CharField(
        max_length=User._meta.get_field("name").max_length,
        label="Your name",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )


class ThemeForm(forms.Form):
    """Light, dark or as the system says."""

    theme = forms.ChoiceField(choices=THEMES, label="Theme", widget=forms.RadioSelect)
    next = forms.CharField(required=False, max_length=2000, widget=forms.HiddenInput)
