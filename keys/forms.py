"""Forms of the pages of keys and personal tokens."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any, cast

from django import forms
from django.http import QueryDict
from django.utils import timezone

from config.kernel.permissions import (
    DESCRIPTIONS,
    KEY_PERMISSIONS,
    KEY_PRESETS,
    PERSONAL_PERMISSIONS,
    Permission,
)
from keys.models import Key
from keys.services.once import new_form_token
from orgs.models import Organization

NAME_LENGTH = Key._meta.get_field("name").max_length
NOTE_LENGTH = Key._meta.get_field("note").max_length
ALLOWED_IPS_LENGTH = 4000
CHOSEN = "chosen"
ALL = "all"
NEVER = "never"
ON_DATE = "date"
LIFETIMES = [(NEVER, "Never"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In a year"), (ON_DATE, "On a date")]
OVERLAPS = [
    (0, "None: the old key stops at once"),
    (3600, "1 hour"),
    (24 * 3600, "1 day"),
    (7 * 24 * 3600, "7 days"),
    (30 * 24 * 3600, "30 days"),
]
PRESETS = {
    "runner": "Runner: verifies keys, asks for decisions, reports usage, reads the environment",
    "admin": "Admin: everything that a key can do in its project",
}


def permission_choices(permissions: frozenset[Permission]) -> list[tuple[str, str]]:
    """Choices in the order of the names, with what each means."""
    return [
        (permission.value, f"{DESCRIPTIONS[permission]} ({permission.value})") for permission in sorted(permissions)
    ]


class KeyFilter(forms.Form):
    """What a list of keys is narrowed to."""

    mode = forms.ChoiceField(required=False, choices=Key.Mode.choices)
    kind = forms.ChoiceField(required=False, choices=[("", "Every kind"), *Key.Kind.choices])
    state = forms.ChoiceField(
        required=False,
        label="Status",
        choices=[("", "Every status"), ("active", "Working"), ("expiring", "Expiring soon"), ("ended", "Ended")],
    )


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


class KeyForm(ExpiryForm, OnceForm):
    """A new key. `holder` is what the viewer may do in the project: nothing beyond it is offered."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        help_text="What uses it, so that people recognize it later: “Checkout service”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    kind = forms.ChoiceField(
        initial=Key.Kind.SECRET,
        widget=forms.RadioSelect,
        choices=[
            (Key.Kind.SECRET.value, "Secret: for servers; does what its permissions say"),
            (Key.Kind.PUBLISHABLE.value, "Publishable: public, for browsers; may do very little"),
        ],
    )
    mode = forms.ChoiceField(
        initial=Key.Mode.TEST,
        label="Environment",
        widget=forms.RadioSelect,
        choices=[(Key.Mode.TEST.value, "Test"), (Key.Mode.LIVE.value, "Live")],
    )
    preset = forms.ChoiceField(label="Permissions", initial="runner", widget=forms.RadioSelect)
    permissions = forms.MultipleChoiceField(
        required=False,
        label="Chosen permissions",
        help_text="None is fine for a key that other programs only verify.",
        widget=forms.CheckboxSelectMultiple,
    )
    allowed_ips = forms.CharField(
        required=False,
        max_length=ALLOWED_IPS_LENGTH,
        label="Allowed addresses",
        help_text="Addresses or networks such as 203.0.113.0/24, one a line. Empty allows every address.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    note = forms.CharField(required=False, max_length=NOTE_LENGTH, widget=forms.Textarea(attrs={"rows": 2}))
    field_order = ["name", "kind", "mode", "preset", "permissions", "expires", "expires_on"]

    def __init__(self, *args: Any, holder: frozenset[Permission], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        presets = [
            (name, words) for name, words in PRESETS.items() if KEY_PRESETS[name] & PERSONAL_PERMISSIONS <= holder
        ]
        self.fields["preset"].choices = [*presets, (CHOSEN, "Only the permissions chosen here")]  # type: ignore[attr-defined]
        offered = KEY_PERMISSIONS - (PERSONAL_PERMISSIONS - holder)
        self.fields["permissions"].choices = permission_choices(offered)  # type: ignore[attr-defined]

    def clean_allowed_ips(self) -> list[str]:
        return [network for network in re.split(r"[\s,;]+", self.cleaned_data["allowed_ips"]) if network]

    def wanted_permissions(self) -> str | list[str] | None:
        """What the service takes: a preset's name, a list, or None for a publishable key, which has none."""
        if self.cleaned_data["kind"] == Key.Kind.PUBLISHABLE:
            return None
        preset = self.cleaned_data["preset"]
        return self.cleaned_data["permissions"] if preset == CHOSEN else preset


class KeyEditForm(forms.Form):
    """Name and note."""

    name = forms.CharField(max_length=NAME_LENGTH, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    note = forms.CharField(required=False, max_length=NOTE_LENGTH, widget=forms.Textarea(attrs={"rows": 3}))


class RotateForm(OnceForm):
    """How long the old key goes on working."""

    overlap = forms.TypedChoiceField(
        label="The old key goes on working for",
        coerce=int,
        choices=OVERLAPS,
        initial=24 * 3600,
        widget=forms.RadioSelect,
    )

    def clean_overlap(self) -> timedelta:
        return timedelta(seconds=self.cleaned_data["overlap"])


class TokenForm(ExpiryForm, OnceForm):
    """A new personal token. `organizations` are the viewer's own."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        help_text="What uses it: “Laptop”, “Deployment script”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    organization = forms.ChoiceField(label="Works in")
    scope = forms.ChoiceField(
        label="Permissions",
        initial=ALL,
        widget=forms.RadioSelect,
        choices=[(ALL, "Everything that you may do at each moment"), (CHOSEN, "Only the permissions chosen here")],
    )
    permissions = forms.MultipleChoiceField(
        required=False,
        label="Chosen permissions",
        help_text="The token never does more than you may do yourself.",
        widget=forms.CheckboxSelectMultiple,
        choices=permission_choices(PERSONAL_PERMISSIONS),
    )
    field_order = ["name", "organization", "scope", "permissions", "expires", "expires_on"]

    def __init__(self, *args: Any, organizations: list[Organization], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organizations = {organization.public_id: organization for organization in organizations}
        self.fields["organization"].choices = [  # type: ignore[attr-defined]
            (ALL, "All my organizations"),
            *((reference, organization.name) for reference, organization in self.organizations.items()),
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("scope") == CHOSEN and not cleaned.get("permissions") and "permissions" not in self.errors:
            self.add_error("permissions", "Choose at least one permission.")
        return cleaned

    def chosen_organization(self) -> Organization | None:
        """None for all of them."""
        return self.organizations.get(self.cleaned_data["organization"])

    def wanted_permissions(self) -> list[str] | None:
        """None leaves the token everything that its owner may do."""
        return self.cleaned_data["permissions"] if self.cleaned_data["scope"] == CHOSEN else None
