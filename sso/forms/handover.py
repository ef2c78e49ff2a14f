"""Forms of the pages of handover."""

from django import forms

from sso.services.handover_addresses import LONGEST_ADDRESS


class HandoverAddressForm(forms.Form):
    """An address to register. What is wrong with it the service says."""

    address = forms.CharField(
        max_length=LONGEST_ADDRESS,
        help_text="In full, such as https://app.example.com/signed-in: it is compared character by character.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
