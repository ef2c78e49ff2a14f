"""Forms of the pages of agents."""

from typing import Any

from django import forms

from config.kernel.permissions import KEY_PERMISSIONS, KEY_PRESETS, PERSONAL_PERMISSIONS, Permission
from keys.forms.credentials import CHOSEN, OnceForm, permission_choices
from keys.models import Agent
from keys.models.agent import LIFETIME

NAME_LENGTH = Agent._meta.get_field("name").max_length
PRESETS = {
    "runner": "Runner: verifies keys, asks for decisions, reports usage, reads the environment",
    "admin": "Admin: everything that a program can do in its project",
}
LIFETIMES = [
    (900, "15 minutes"),
    (LIFETIME, "1 hour"),
    (4 * 3600, "4 hours"),
    (12 * 3600, "12 hours"),
    (24 * 3600, "24 hours"),
]


def lifetime_words(seconds: int) -> str:
    """How long a token lives, for people."""
    return dict(LIFETIMES).get(seconds, f"{seconds} seconds")


class AgentFilter(forms.Form):
    """What a list of agents is narrowed to."""

    state = forms.ChoiceField(
        required=False,
        label="Status",
        choices=[("", "Every status"), *((state.value, state.label) for state in Agent.State)],
    )


class AgentFields(forms.Form):
    """What an agent is called and may do. `holder` is what the viewer may: nothing beyond it is offered."""

    name = forms.CharField(
        max_length=NAME_LENGTH,
        help_text="What runs, and where: “Nightly import on build-7”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    preset = forms.ChoiceField(label="Permissions", initial="runner", widget=forms.RadioSelect)
    permissions = forms.MultipleChoiceField(
        required=False,
        label="Chosen permissions",
        widget=forms.CheckboxSelectMultiple,
    )
    token_lifetime_seconds = forms.TypedChoiceField(
        label="Each token lives for",
        coerce=int,
        initial=LIFETIME,
        help_text="The agent renews it by itself before that. A copy of it is of no use afterwards.",
    )

    def __init__(self, *args: Any, holder: frozenset[Permission], lifetime: int = LIFETIME, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        presets = [
            (name, words) for name, words in PRESETS.items() if KEY_PRESETS[name] & PERSONAL_PERMISSIONS <= holder
        ]
        fields: dict[str, Any] = self.fields
        fields["preset"].choices = [*presets, (CHOSEN, "Only the permissions chosen here")]
        fields["permissions"].choices = permission_choices(KEY_PERMISSIONS - (PERSONAL_PERMISSIONS - holder))
        # One that was set over REST is offered beside the usual ones.
        offered = sorted({lifetime, *dict(LIFETIMES)})
        fields["token_lifetime_seconds"].choices = [(seconds, lifetime_words(seconds)) for seconds in offered]

    def wanted_permissions(self) -> str | list[str]:
        """A preset's name, or a list."""
        preset = self.cleaned_data["preset"]
        return self.cleaned_data["permissions"] if preset == CHOSEN else preset

    def wanted(self) -> dict[str, Any]:
        """What the services take."""
        return {
            "name": self.cleaned_data["name"],
            "permissions": self.wanted_permissions(),
            "token_lifetime_seconds": self.cleaned_data["token_lifetime_seconds"],
        }


class AgentForm(AgentFields, OnceForm):
    """A new agent."""
