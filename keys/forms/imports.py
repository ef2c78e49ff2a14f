"""The form that takes over keys of another system."""

import csv
import io
from datetime import UTC, datetime, time
from typing import Any

from django import forms

from config.kernel.permissions import KEY_PRESETS, PERSONAL_PERMISSIONS, Permission
from keys.forms.keys import PRESETS
from keys.models import Key
from keys.services.imports import MOST_LINES, Line

LONGEST_TEXT = 50_000
NAME_LENGTH = 120
FEWEST_CELLS, MOST_CELLS = 3, 4


class ImportForm(forms.Form):
    """Pasted lines of CSV. `holder` is what the viewer may do in the project."""

    lines = forms.CharField(
        label="Keys",
        max_length=LONGEST_TEXT,
        help_text=f"One key a line, {MOST_LINES} at most: its SHA-256 in hexadecimal, its first characters, a name, "
        "and if it ends the last day (2031-05-04).",
        widget=forms.Textarea(
            attrs={
                "rows": 10,
                "spellcheck": "false",
                "placeholder": "9f86d081…,old_live_4x,Checkout,2031-05-04",
            }
        ),
    )
    mode = forms.ChoiceField(
        label="Environment",
        initial=Key.Mode.LIVE,
        widget=forms.RadioSelect,
        choices=[(Key.Mode.LIVE.value, "Live"), (Key.Mode.TEST.value, "Test")],
    )
    preset = forms.ChoiceField(label="Permissions", initial="none", widget=forms.RadioSelect)

    def __init__(self, *args: Any, holder: frozenset[Permission], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        presets = [(name, text) for name, text in PRESETS.items() if KEY_PRESETS[name] & PERSONAL_PERMISSIONS <= holder]
        nothing = ("none", "None: other programs only verify them")
        self.fields["preset"].choices = [nothing, *presets]  # type: ignore[attr-defined] # a choice field

    def clean_lines(self) -> list[list[str]]:
        rows = [
            [cell.strip() for cell in row]
            for row in csv.reader(io.StringIO(self.cleaned_data["lines"]), strict=False)
            if any(cell.strip() for cell in row)
        ]
        if rows and rows[0][0].lower() == "sha256":
            rows = rows[1:]
        if not rows:
            raise forms.ValidationError("Paste at least one line.")
        if len(rows) > MOST_LINES:
            raise forms.ValidationError(f"Paste at most {MOST_LINES} lines at a time.")
        for number, row in enumerate(rows, start=1):
            if not FEWEST_CELLS <= len(row) <= MOST_CELLS or not 1 <= len(row[2]) <= NAME_LENGTH:
                raise forms.ValidationError(
                    f"Line {number} needs a SHA-256, the first characters and a name of at most {NAME_LENGTH} "
                    "characters, separated by commas."
                )
            if len(row) == MOST_CELLS and row[3]:
                row[3] = self._end_of(row[3], number).isoformat()
        return rows

    @staticmethod
    def _end_of(text: str, number: int) -> datetime:
        try:
            day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - only its day is used
        except ValueError:
            raise forms.ValidationError(f"Line {number}: write the last day as 2031-05-04.") from None
        return datetime.combine(day, time(23, 59, 59), tzinfo=UTC)

    def wanted(self) -> list[Line]:
        """What the service takes."""
        preset = self.cleaned_data["preset"]
        return [
            Line(
                sha256=row[0],
                start=row[1],
                name=row[2],
                mode=self.cleaned_data["mode"],
                permissions=[] if preset == "none" else preset,
                expires_at=datetime.fromisoformat(row[3]) if len(row) == MOST_CELLS and row[3] else None,
            )
            for row in self.cleaned_data["lines"]
        ]
