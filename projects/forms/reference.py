"""The field in which people name a project."""

from typing import Any
from uuid import UUID

from django import forms

from projects.models import Project

REFERENCE_LENGTH = 80


class ProjectReference(forms.CharField):
    """A project of the organization in scope, by slug or id; its value is the id, None if nothing is written.

    The page offers some in a datalist with the id `projects`.
    """

    def __init__(self, **kwargs: Any) -> None:
        attributes = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false", "list": "projects"}
        super().__init__(
            required=False, max_length=REFERENCE_LENGTH, widget=forms.TextInput(attrs=attributes), **kwargs
        )

    def clean(self, value: Any) -> UUID | None:
        """Raises ValidationError for a project that is not here."""
        reference = super().clean(value)
        if not reference:
            return None
        project = Project.objects.by_reference(reference)
        if project is None:
            raise forms.ValidationError("No project of this organization has this slug or id.")
        return project.id
