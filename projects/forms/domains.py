"""Forms of the pages of domains."""

from django import forms

from projects.hosts import LONGEST_ORIGIN


class DomainForm(forms.Form):
    """A host or a wildcard to register. What is wrong with it the service says."""

    domain = forms.CharField(
        max_length=LONGEST_ORIGIN,
        help_text="A host such as shop.example.com, or *.example.com for every host below it.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )
