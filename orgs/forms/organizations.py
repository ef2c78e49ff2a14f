"""Making and changing an organization."""

from django import forms

from config.kernel.slugs import SLUG_LENGTH

NAME_LENGTH = 120
ADDRESS_ATTRIBUTES = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class OrganizationForm(forms.Form):
    """A new organization. Without a slug one is made from the name."""

    name = forms.CharField(
        max_length=NAME_LENGTH, label="Name", widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )
    slug = forms.CharField(
        max_length=SLUG_LENGTH,
        required=False,
        label="Slug",
        help_text="It stands in addresses: lower-case letters, digits, hyphens. Left empty, it is made from the name.",
        widget=forms.TextInput(attrs={**ADDRESS_ATTRIBUTES, "data-slug-of": "id_name"}),
    )


class SettingsForm(forms.Form):
    """The name and slug of an organization."""

    name = forms.CharField(
        max_length=NAME_LENGTH, label="Name", widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )
    slug = forms.CharField(
        max_length=SLUG_LENGTH,
        label="Slug",
        help_text="It stands in addresses. After a change the old addresses go on leading here, and nobody else can "
        "take them.",
        widget=forms.TextInput(attrs=ADDRESS_ATTRIBUTES),
    )


class ConfirmationForm(forms.Form):
    """Words typed to confirm; the service compares them."""

    confirm = forms.CharField(max_length=200, label="Confirmation")
