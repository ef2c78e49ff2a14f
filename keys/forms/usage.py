"""The form that says which usage to look at."""

from typing import Any

from django import forms

from config.kernel.errors import Invalid
from projects.models.usage import CALLER_LENGTH, DOMAIN_LENGTH, NAME_LENGTH
from projects.selectors import period_of

GROUPS = [("day", "Day"), ("name", "Event"), ("project", "Project"), ("key", "Key"), ("domain", "Domain")]
LONGEST_REFERENCE = 80
FILTERS = ("project", "key", "domain", "name")


class DayField(forms.DateField):
    """A day in UTC."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class UsageForm(forms.Form):
    """Days, grouping, and filters that the links in the table set. `period` holds the days after validation."""

    since = DayField(required=False, label="From (UTC)")
    until = DayField(required=False, label="To (UTC)")
    by = forms.ChoiceField(required=False, label="Group by", choices=GROUPS)
    project = forms.CharField(required=False, max_length=LONGEST_REFERENCE, widget=forms.HiddenInput)
    key = forms.CharField(required=False, max_length=CALLER_LENGTH, widget=forms.HiddenInput)
    domain = forms.CharField(required=False, max_length=DOMAIN_LENGTH, widget=forms.HiddenInput)
    name = forms.CharField(required=False, max_length=NAME_LENGTH, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            cleaned["period"] = period_of(cleaned["since"], cleaned["until"])
        except Invalid as error:
            for sentences in error.errors.values():
                self.add_error("until", sentences)
        return cleaned
