"""Forms of the pages of endpoints."""

from dataclasses import dataclass
from typing import Any

from django import forms

from audit.forms import words_of
from config.kernel.errors import Invalid
from config.kernel.events import EventType, declared_by_noun
from keys.forms.credentials import OnceForm
from projects.forms.reference import ProjectReference
from webhooks.models import Endpoint
from webhooks.services.addresses import FitUrl, fit_url

ALL, CHOSEN = "all", "chosen"
EVERYTHING = "*"
HEADERS_LENGTH = 40_000
URL_LENGTH = Endpoint._meta.get_field("url").max_length
DESCRIPTION_LENGTH = Endpoint._meta.get_field("description").max_length
AS_TYPED = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


@dataclass(frozen=True)
class EventGroup:
    """One noun of the catalogue as the form offers it. `chosen` is how many of its boxes are ticked."""

    noun: str
    words: str
    pattern: str
    whole: bool
    events: list[tuple[EventType, bool]]
    chosen: int


class EventsForm(forms.Form):
    """Which events an endpoint gets: all of them, or names and patterns of the catalogue."""

    which = forms.ChoiceField(
        label="Events",
        initial=CHOSEN,
        widget=forms.RadioSelect,
        choices=[(CHOSEN, "Only the events chosen here"), (ALL, "Every event, also those that later versions bring")],
    )
    events = forms.MultipleChoiceField(required=False, label="Chosen events", widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, present: list[str] | None = None, **kwargs: Any) -> None:
        present = present or []
        if present:
            everything = EVERYTHING in present
            chosen = {"which": ALL if everything else CHOSEN, "events": [] if everything else present}
            kwargs["initial"] = {**chosen, **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        names = [
            name for noun, events in declared_by_noun() for name in (f"{noun}.*", *(event.name for event in events))
        ]
        # What the endpoint has stays choosable, also when a newer version no longer declares it.
        self.undeclared = [name for name in present if name not in names and name != EVERYTHING]
        field: forms.MultipleChoiceField = self.fields["events"]  # type: ignore[assignment]
        field.choices = [(name, name) for name in (*names, *self.undeclared)]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("which") == CHOSEN and not cleaned.get("events") and "events" not in self.errors:
            self.add_error("events", "Choose at least one event, or every event.")
        return cleaned

    def patterns(self) -> list[str]:
        """What the service takes: without the events whose whole noun is chosen."""
        if self.cleaned_data["which"] == ALL:
            return [EVERYTHING]
        chosen = self.cleaned_data["events"]
        return [name for name in chosen if name.endswith(".*") or f"{name.partition('.')[0]}.*" not in chosen]

    def groups(self) -> list[EventGroup]:
        """The catalogue with what is ticked, which comes first."""
        ticked = set(self["events"].value() or [])
        found = []
        for noun, declared in declared_by_noun():
            events = [(event, event.name in ticked) for event in declared]
            whole = f"{noun}.*" in ticked
            chosen = whole + sum(is_ticked for _, is_ticked in events)
            found.append(EventGroup(noun, words_of(noun), f"{noun}.*", whole, events, chosen))
        return sorted(found, key=lambda group: not group.chosen)

    def others(self) -> list[tuple[str, bool]]:
        """What the endpoint has that is no longer declared, with whether it is ticked."""
        ticked = set(self["events"].value() or [])
        return [(name, name in ticked) for name in self.undeclared]


class EndpointFields(EventsForm):
    """What is typed of an endpoint. Whether its address may be called is judged by the service."""

    url = forms.CharField(
        label="Address",
        max_length=URL_LENGTH,
        help_text="Where events are sent by POST. Begins with https://, without user name and password.",
        widget=forms.URLInput(attrs={**AS_TYPED, "placeholder": "https://"}),
    )
    description = forms.CharField(
        required=False,
        max_length=DESCRIPTION_LENGTH,
        help_text="What receives them, so that people recognize it later: “Slack of the platform team”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    project = ProjectReference(
        label="Only of the project",
        help_text="Its slug or id. Without one, events of the whole organization are sent.",
    )
    field_order = ["url", "description", "which", "events", "project"]

    def clean_url(self) -> FitUrl:
        """Asks the DNS, unless the address is the present one."""
        url = self.cleaned_data["url"].strip()
        if url == self.initial.get("url"):
            return FitUrl(url)
        try:
            return fit_url(url)
        except Invalid as refusal:
            raise forms.ValidationError(refusal.extra["errors"]["url"]) from None

    def wanted(self) -> dict[str, Any]:
        """What the services take."""
        return {
            "url": self.cleaned_data["url"],
            "description": self.cleaned_data["description"],
            "events": self.patterns(),
            "project_id": self.cleaned_data["project"],
        }


def headers_field() -> forms.CharField:
    """Extra headers, one a line."""
    return forms.CharField(
        required=False,
        label="Extra headers",
        max_length=HEADERS_LENGTH,
        help_text="One a line, for receivers that want one: Authorization: Bearer … "
        "Values are kept encrypted and never shown again.",
        widget=forms.Textarea(attrs={**AS_TYPED, "rows": 3}),
    )


def read_headers(text: str) -> dict[str, str]:
    """The headers that lines of `Name: value` tell. Raises ValidationError, which repeats no value."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not (name and colon and value):
            raise forms.ValidationError(f"Write line {number} as Name: value.")
        if name.lower() in {each.lower() for each in found}:
            raise forms.ValidationError(f"Name each header once; line {number} names one again.")
        found[name] = value
    return found


class EndpointForm(EndpointFields, OnceForm):
    """A new endpoint."""

    headers = headers_field()
    field_order = [*EndpointFields.field_order, "headers"]

    def clean_headers(self) -> dict[str, str]:
        return read_headers(self.cleaned_data["headers"])


class HeadersForm(forms.Form):
    """Headers that take the place of the present ones."""

    headers = headers_field()

    def clean_headers(self) -> dict[str, str]:
        return read_headers(self.cleaned_data["headers"])


OVERLAPS = [
    (0, "None: only the new secret signs from now on"),
    (3600, "1 hour"),
    (24 * 3600, "1 day"),
    (7 * 24 * 3600, "7 days"),
]


class RotateSecretForm(OnceForm):
    """How long the old secret signs beside the new one."""

    overlap = forms.TypedChoiceField(
        label="Both secrets sign for",
        coerce=int,
        choices=OVERLAPS,
        initial=24 * 3600,
        widget=forms.RadioSelect,
    )
