"""What the forms of all credentials share."""

from datetime import UTC, datetime, time, timedelta
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils import timezone

from config.kernel.permissions import DESCRIPTIONS, Permission
from keys.services.once import new_form_token

CHOSEN = "chosen"
KEEP = "keep"
NEVER = "never"
ON_DATE = "date"
LIFETIMES = [(NEVER, "Never"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"), (ON_DATE, "On a date")]


def permission_choices(permissions: frozenset[Permission]) -> list[tuple[str, str]]:
    """Choices in the order of the names, with what each means."""
    return [
        (permission.value, f"{DESCRIPTIONS[permission]} ({permission.value})") for permission in sorted(permissions)
    ]


class OnceForm(forms.Form):
    """A form that can be sent once (keys/services/once.py)."""

    once = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput, initial=new_form_token)

    def renew(self) -> None:
        """Gives a form that is shown again a token of its own."""
        data = cast("QueryDict", self.data).copy()
        data["once"] = new_form_token()
        self.data = data


class ExpiryForm(forms.Form):
    """When a credential ends."""

    expires = forms.ChoiceField(label="Expires", choices=LIFETIMES, initial=NEVER)
    expires_on = forms.DateField(
        required=False,
        label="Last day",
        help_text="It works until the end of this day, UTC.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        expires, day = cleaned.get("expires"), cleaned.get("expires_on")
        cleaned["expires_at"] = None
        if expires == ON_DATE and day is None and "expires_on" not in self.errors:
            self.add_error("expires_on", "Choose the last day on which it works.")
        elif expires == ON_DATE and day is not None:
            cleaned["expires_at"] = datetime.combine(day, time(23, 59, 59), tzinfo=UTC)
            if cleaned["expires_at"] <= timezone.now():
                self.add_error("expires_on", "Choose today or a day in the future.")
        elif expires and expires.isdigit():
            cleaned["expires_at"] = timezone.now() + timedelta(days=int(expires))
        return cleaned
