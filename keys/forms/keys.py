"""Forms of the pages of keys."""

from datetime import timedelta
from typing import Any

from django import forms

from config.kernel.permissions import (
    KEY_PERMISSIONS,
    KEY_PRESETS,
    PERSONAL_PERMISSIONS,
    Permission,
)
from keys.forms.credentials import CHOSEN, KEEP, LIFETIMES, ExpiryForm, OnceForm, permission_choices
from keys.forms.terms import LimitsForm
from keys.models import Key

NAME_LENGTH = Key._meta.get_field("name").max_length
NOTE_LENGTH = Key._meta.get_field("note").max_length
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


class KeyFilter(forms.Form):
    """What a list of keys is narrowed to."""

    mode = forms.ChoiceField(required=False, choices=Key.Mode.choices)
    kind = forms.ChoiceField(required=False, choices=[("", "Every kind"), *Key.Kind.choices])
    state = forms.ChoiceField(
        required=False,
        label="Status",
        choices=[
            ("", "Every status"),
            ("active", "Working"),
            ("expiring", "Expiring soon"),
            ("unused", "Unused for 90 days"),
            ("leaked", "Leaked"),
            ("ended", "Ended"),
        ],
    )


class KeyForm(LimitsForm, ExpiryForm, OnceForm):
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


class RotateForm(ExpiryForm, OnceForm):
    """How long the old key goes on working, and when the new one ends.

    A key with `has_limited_uses` is replaced at once: what is left of them goes over.
    """

    overlap = forms.TypedChoiceField(
        label="The old key goes on working for",
        coerce=int,
        choices=OVERLAPS,
        initial=24 * 3600,
        widget=forms.RadioSelect,
    )
    expires = forms.ChoiceField(
        label="The new key expires",
        choices=[(KEEP, "When the old one would"), *LIFETIMES[1:]],
        initial=KEEP,
        required=False,
    )
    field_order = ["overlap", "expires", "expires_on"]

    def __init__(self, *args: Any, has_limited_uses: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if has_limited_uses:
            overlap = self.fields["overlap"]
            overlap.choices = OVERLAPS[:1]  # type: ignore[attr-defined] # it is a choice field
            overlap.initial = OVERLAPS[0][0]
            overlap.help_text = "The uses that are left go over to the new key, so the old one stops at once."

    def clean_overlap(self) -> timedelta:
        return timedelta(seconds=self.cleaned_data["overlap"])
