"""Forms of the page where people let command lines in."""

from typing import Any

from django import forms

from orgs.models import Organization

ALL = "all"


class UserCodeForm(forms.Form):
    """The code that the command line shows."""

    user_code = forms.CharField(
        label="Code",
        max_length=40,
        help_text="The eight letters that your command line shows.",
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "autofocus": True}
        ),
        error_messages={"required": "Write the code that your command line shows."},
    )


class DecisionForm(forms.Form):
    """Where the command line may work. `organizations` are the viewer's own."""

    user_code = forms.CharField(max_length=40, widget=forms.HiddenInput)
    organization = forms.ChoiceField(label="It may work in")

    def __init__(self, *args: Any, organizations: list[Organization], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organizations = {organization.public_id: organization for organization in organizations}
        self.fields["organization"].choices = [  # type: ignore[attr-defined]
            (ALL, "All my organizations"),
            *((reference, organization.name) for reference, organization in self.organizations.items()),
        ]

    def chosen_organization(self) -> Organization | None:
        """None for all of them."""
        return self.organizations.get(self.cleaned_data["organization"])
