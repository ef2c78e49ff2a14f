"""Inviting people: one, or a list."""

import csv
import io
import re
from email.utils import parseaddr
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from orgs.forms.role_choice import RoleChoiceForm
from orgs.models import Invitation

SEPARATORS = re.compile(r"[\r\n,;]+")
ADDRESS_COLUMNS = {"email", "e-mail", "mail", "address", "email address", "e-mail address"}


class InvitationFilterForm(forms.Form):
    """Which invitations are listed."""

    state = forms.ChoiceField(required=False, choices=[*Invitation.State.choices, ("all", "All")])


class InviteForm(RoleChoiceForm):
    """One person."""

    email = forms.EmailField(
        max_length=254, label="E-mail address", widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    field_order = ["email", "role"]


class BulkInviteForm(RoleChoiceForm):
    """A pasted list, a CSV file, or both: `cleaned_data["emails"]` has every entry in order, right or wrong."""

    pasted = forms.CharField(
        required=False,
        max_length=100_000,
        label="Addresses",
        help_text="One on a line, or separated by commas or semicolons.",
        widget=forms.Textarea(attrs={"rows": 8, "autocomplete": "off", "spellcheck": "false"}),
    )
    file = forms.FileField(
        required=False,
        label="CSV file",
        help_text="With a column named “email”, or with the address in any column.",
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,text/csv,text/plain"}),
    )
    field_order = ["pasted", "file", "role"]

    def clean_file(self) -> list[str]:
        """The addresses of the file."""
        upload: UploadedFile | None = self.cleaned_data["file"]
        if upload is None:
            return []
        try:
            return addresses_of_csv(upload.read().decode("utf-8-sig"))
        except (UnicodeDecodeError, csv.Error):
            raise forms.ValidationError("Send a CSV file encoded in UTF-8.") from None

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        values["emails"] = addresses_of_text(values.get("pasted") or "") + (values.get("file") or [])
        if not values["emails"] and not self.errors:
            self.add_error("pasted", "Paste at least one address, or choose a file.")
        return values


def addresses_of_text(text: str) -> list[str]:
    """The entries of a pasted list; `Ada Lovelace <ada@example.com>` counts as its address."""
    entries = [entry.strip() for entry in SEPARATORS.split(text)]
    return [bare_address(entry) for entry in entries if entry]


def addresses_of_csv(text: str) -> list[str]:
    """The addresses of a table with commas, semicolons or tabs. Raises csv.Error.

    From the column that the first row names, else from the first cell with an @ in it. A row without one gives its
    first cell, so that the result can say what is wrong with it.
    """
    if "\0" in text:
        raise csv.Error("NUL")
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)]
    rows = [row for row in rows if any(row)]
    heads = [cell.lower() for cell in rows[0]] if rows else []
    column = next((number for number, head in enumerate(heads) if head in ADDRESS_COLUMNS), None)
    if column is not None:
        return [bare_address(row[column]) if column < len(row) else "" for row in rows[1:]]
    return [bare_address(next((cell for cell in row if "@" in cell), row[0])) for row in rows]


def bare_address(entry: str) -> str:
    """The address inside `Name <address>`, or the entry as it is."""
    return parseaddr(entry)[1] or entry if "<" in entry else entry
