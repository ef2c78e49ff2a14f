"""The form by which people show that they mean what cannot be undone."""

from typing import Any

from django import forms


class TypedConfirmation(forms.Form):
    """Words that a page shows, such as a name, typed again. Made for the component `confirm`."""

    confirm = forms.CharField(
        label="Confirmation",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, words: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.words = words

    def clean_confirm(self) -> str:
        """Exactly the words."""
        if self.cleaned_data["confirm"] != self.words:
            raise forms.ValidationError(f"Type {self.words} to confirm.")
        return self.words
