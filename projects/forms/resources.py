"""Forms of the registry of resources."""

from typing import Any

from django import forms

from projects.forms.reference import ProjectReference
from projects.resource_names import KIND_LENGTH, NAME_LENGTH, SERVICE_LENGTH

NO_SPELLING = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
SCOPES_LENGTH = 4000


class ResourceFilter(forms.Form):
    """What the list is narrowed to."""

    service = forms.CharField(required=False, max_length=SERVICE_LENGTH)
    kind = forms.CharField(required=False, max_length=KIND_LENGTH)


class ResourceForm(forms.Form):
    """A resource to register. `projects` are those that it may belong to."""

    service = forms.CharField(
        max_length=SERVICE_LENGTH,
        help_text="The product that owns it: lower-case letters, digits and hyphens.",
        widget=forms.TextInput(attrs=NO_SPELLING),
    )
    kind = forms.CharField(
        max_length=KIND_LENGTH, help_text="What it is, such as dataset.", widget=forms.TextInput(attrs=NO_SPELLING)
    )
    name = forms.CharField(
        max_length=NAME_LENGTH,
        help_text="What the product calls it, such as customers/2026.",
        widget=forms.TextInput(attrs=NO_SPELLING),
    )
    scopes = forms.CharField(
        required=False,
        max_length=SCOPES_LENGTH,
        help_text="The product's own words for what can be done with it, separated by spaces.",
        widget=forms.TextInput(attrs=NO_SPELLING),
    )
    project = ProjectReference(
        label="Its project",
        help_text="By slug or id. Roles in that project then decide. Leave it empty for the whole organization.",
    )

    def clean_scopes(self) -> list[str]:
        return self.cleaned_data["scopes"].split()

    def wanted(self) -> dict[str, Any]:
        """The arguments of the service."""
        wanted = dict(self.cleaned_data)
        return {"project_id": wanted.pop("project"), **wanted}
