"""The form that filters the ledger."""

from collections.abc import Iterable
from typing import Any

from django import forms

from audit.models import AuditEvent, AuditExport
from audit.searching import Criteria
from audit.words import MOST_WORDS, QUERY_LENGTH, words_in
from config.kernel.events import EventType, declared_by_noun

ID_LENGTH = AuditEvent._meta.get_field("actor_id").max_length


def event_choices() -> list[Any]:
    """Every declared event below its noun, which can be chosen as a whole."""
    choices: list[Any] = [("", "Every event")]
    for noun, events in declared_by_noun():
        choices.append((words_of(noun), [(f"{noun}.*", f"{noun}.*"), *map(choice_of, events)]))
    return choices


def choice_of(event_type: EventType) -> tuple[str, str]:
    """One event of the list."""
    return event_type.name, event_type.name


def words_of(noun: str) -> str:
    """`Personal token` for `personal_token`, `SSO connection` for `sso_connection`."""
    words = noun.replace("sign_in", "sign-in").replace("_", " ")
    return words.replace("sso", "SSO", 1) if words.startswith("sso") else words.capitalize()


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


class AuditSearch(AuditFilter):
    """What the list of records is narrowed to: the filters, and words."""

    q = forms.CharField(
        required=False,
        max_length=QUERY_LENGTH,
        label="Words",
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Words, names, ids", "spellcheck": "false"}),
    )
    ip = forms.GenericIPAddressField(required=False, label="IP address")

    field_order: Iterable[str] | None = ("q",)

    def clean_q(self) -> str:
        text = self.cleaned_data["q"]
        words = words_in(text)
        if text and not words:
            raise forms.ValidationError("Write a word with letters or digits.")
        if len(words) > MOST_WORDS:
            raise forms.ValidationError(f"Search for {MOST_WORDS} words at most.")
        return text

    @property
    def criteria(self) -> Criteria:
        """What a valid form asks for."""
        return Criteria.of(self.cleaned_data)


class AuditExportForm(AuditSearch):
    """What is exported, and how it is written."""

    format = forms.ChoiceField(
        choices=AuditExport.Format.choices,
        help_text="JSON Lines for programs, CSV for spreadsheets. Both prove themselves when nothing is filtered out.",
    )

    field_order: Iterable[str] | None = ("format", "q")
