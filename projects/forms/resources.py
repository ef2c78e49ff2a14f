"""Forms of the registry of resources."""

from typing import Any

from django import forms

from projects.models import Project
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
    project = forms.CharField(
        required=False,
        max_length=NAME_LENGTH,
        label="Slug of its project",
        help_text="Roles in that project then decide. Leave it empty for the whole organization.",
        widget=forms.TextInput(attrs={**NO_SPELLING, "list": "projects"}),
    )

    def clean_scopes(self) -> list[str]:
        return self.cleaned_data["scopes"].split()

    def clean_project(self) -> Project | None:
        reference: str = self.cleaned_data["project"]
        if not reference:
            return None
        project = Project.objects.by_reference(reference)
        if project is None:
            raise forms.ValidationError("No project of this organization has this slug.")
        return project

    def wanted(self) -> dict[str, Any]:
        """The arguments of the service."""
        wanted = dict(self.cleaned_data)
        project = wanted.pop("project")
        return {**wanted, "project_id": project.id if project else None}
