"""The form that filters the ledger."""

from itertools import groupby
from typing import Any

from django import forms

from audit.models import AuditEvent
from config.kernel.events import EventType, declared_events

ID_LENGTH = AuditEvent._meta.get_field("actor_id").max_length


def event_choices() -> list[Any]:
    """Every declared event below its noun, which can be chosen as a whole."""
    choices: list[Any] = [("", "Every event")]
    for noun, events in groupby(declared_events(), key=lambda event_type: event_type.subject):
        choices.append((words_of(noun), [(f"{noun}.*", f"{noun}.*"), *map(choice_of, events)]))
    return choices


def choice_of(event_type: EventType) -> tuple[str, str]:
    """One event of the list."""
    return event_type.name, event_type.name


def words_of(noun: str) -> str:
    """`Personal token` for `personal_token`."""
    return noun.replace("_", " ").capitalize()


class MomentField(forms.DateTimeField):
    """A moment in UTC."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class AuditFilter(forms.Form):
    """What the ledger is narrowed to."""

    event = forms.ChoiceField(required=False, choices=event_choices)
    result = forms.ChoiceField(required=False, choices=[("", "Every result"), *AuditEvent.Result.choices])
    actor = forms.CharField(
        required=False,
        max_length=ID_LENGTH,
        label="Actor",
        widget=forms.TextInput(attrs={"placeholder": "usr_… or key_…", "spellcheck": "false"}),
    )
    target = forms.CharField(
        required=False,
        max_length=ID_LENGTH,
        label="Target",
        widget=forms.TextInput(attrs={"placeholder": "prj_…, key_…, usr_…", "spellcheck": "false"}),
    )
    since = MomentField(required=False, label="From (UTC)")
    until = MomentField(required=False, label="Before (UTC)")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since >= until:
            self.add_error("until", "Choose a time after the first one.")
        return cleaned
