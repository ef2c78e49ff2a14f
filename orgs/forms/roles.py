"""Custom roles."""

from typing import Any

from django import forms

from config.kernel.permissions import DESCRIPTIONS, PERSONAL_PERMISSIONS, Permission
from orgs.models import CustomRole

# Always part of a role, so it is not asked for.
ALWAYS = Permission.VIEW_ORG


def grantable() -> list[Permission]:
    """The permissions of people in the order of the table, but for the one that every role has."""
    return [permission for permission in DESCRIPTIONS if permission in PERSONAL_PERMISSIONS and permission != ALWAYS]


class CustomRoleForm(forms.Form):
    """A role's name, description and permissions. Offers what `holder` has; the service judges what comes back."""

    name = forms.CharField(
        max_length=CustomRole._meta.get_field("name").max_length,
        label="Name",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    description = forms.CharField(
        max_length=CustomRole._meta.get_field("description").max_length, required=False, label="Description"
    )
    permissions = forms.MultipleChoiceField(
        required=False,
        label="Permissions",
        help_text="Everybody with the role can see the organization, its people and projects.",
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, holder: frozenset[Permission], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: forms.MultipleChoiceField = self.fields["permissions"]  # type: ignore[assignment]
        field.choices = [(permission.value, DESCRIPTIONS[permission]) for permission in grantable()]
        field.widget.choices = [choice for choice in field.choices if choice[0] in holder]
