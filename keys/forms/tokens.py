"""Forms of the pages of personal tokens."""

from typing import Any

from django import forms

from config.kernel.permissions import PERSONAL_PERMISSIONS
from keys.forms.credentials import CHOSEN, ExpiryForm, OnceForm, permission_choices
from keys.models import PersonalToken
from orgs.models import Organization

NAME_LENGTH = PersonalToken._meta.get_field("name").max_length
ALL = "all"


class TokenForm(ExpiryForm, OnceForm):
    """A new personal token. `organizations` are the viewer's own."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        help_text="What uses it: “Laptop”, “Deployment script”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    organization = forms.ChoiceField(label="Works in")
    scope = forms.ChoiceField(
        label="Permissions",
        initial=ALL,
        widget=forms.RadioSelect,
        choices=[(ALL, "Everything that you may do at each moment"), (CHOSEN, "Only the permissions chosen here")],
    )
    permissions = forms.MultipleChoiceField(
        required=False,
        label="Chosen permissions",
        help_text="The token never does more than you may do yourself.",
        widget=forms.CheckboxSelectMultiple,
        choices=permission_choices(PERSONAL_PERMISSIONS),
    )
    field_order = ["name", "organization", "scope", "permissions", "expires", "expires_on"]

    def __init__(self, *args: Any, organizations: list[Organization], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organizations = {organization.public_id: organization for organization in organizations}
        self.fields["organization"].choices = [  # type: ignore[attr-defined]
            (ALL, "All my organizations"),
            *((reference, organization.name) for reference, organization in self.organizations.items()),
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("scope") == CHOSEN and not cleaned.get("permissions") and "permissions" not in self.errors:
            self.add_error("permissions", "Choose at least one permission.")
        return cleaned

    def chosen_organization(self) -> Organization | None:
        """None for all of them."""
        return self.organizations.get(self.cleaned_data["organization"])

    def wanted_permissions(self) -> list[str] | None:
        """None leaves the token everything that its owner may do."""
        return self.cleaned_data["permissions"] if self.cleaned_data["scope"] == CHOSEN else None
