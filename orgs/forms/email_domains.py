"""Forms of the pages of e-mail domains."""

from django import forms

LONGEST_TYPED = 300
AS_TYPED = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class EmailDomainForm(forms.Form):
    """A domain to register. What is wrong with it the service says."""

    domain = forms.CharField(
        max_length=LONGEST_TYPED,
        help_text="What stands behind the @ of your addresses, such as example.com. Each domain below it is one of its "
        "own.",
        widget=forms.TextInput(attrs=AS_TYPED),
    )


class RemovalForm(forms.Form):
    """The domain, typed to show that it is meant; the service says when that is needed."""

    confirm = forms.CharField(
        max_length=LONGEST_TYPED, required=False, label="Confirmation", widget=forms.TextInput(attrs=AS_TYPED)
    )
