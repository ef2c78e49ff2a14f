"""Forms of what an organization asks of sign-ins, and of break-glass."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms

from keys.forms.credentials import OnceForm
from orgs.models import Membership, SignInPolicy
from orgs.services.sign_in_policies import HOURS

CODE_LENGTH = 60
PASSWORD_LENGTH = 4096
NOW, LATER = "now", "later"


class PolicyForm(forms.Form):
    """For whom single sign-on is required and from when on, and what else is asked. `members` may become pilots."""

    enforcement = forms.ChoiceField(
        label="Single sign-on is",
        widget=forms.RadioSelect,
        choices=[
            ("off", "Off: everybody may sign in by every way."),
            ("pilot", "Tried by chosen members: they sign in by it and by nothing else. Nobody else notices."),
            ("required", "Required of everybody with an address in a proven domain, from a time on."),
        ],
    )
    pilots = forms.MultipleChoiceField(
        label="Who tries it",
        help_text="Leave an owner or admin out: whatever happens, they can end the trial.",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    begin = forms.ChoiceField(
        label="Required from",
        widget=forms.RadioSelect,
        required=False,
        choices=[
            (LATER, "The time below. Everybody is mailed now, and again a day before."),
            (NOW, "At once."),
        ],
    )
    required_from = forms.DateTimeField(
        label="Date and time (UTC)",
        required=False,
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )
    guests = forms.ChoiceField(
        label="Members with other addresses (guests), while it is required",
        widget=forms.RadioSelect,
        choices=[
            (SignInPolicy.Guests.SECOND_FACTOR, "Get in with a second factor."),
            (SignInPolicy.Guests.REFUSED, "Do not get in."),
        ],
    )
    session_hours = forms.IntegerField(
        label="One sign-in holds for",
        help_text=f"Hours, {HOURS[0]} to {HOURS[1]}. Personal tokens work while their owner came in within that time.",
        min_value=HOURS[0],
        max_value=HOURS[1],
    )
    require_second_factor = forms.BooleanField(
        label="Ask every member for a second factor",
        help_text="Members without one are led to set it up before anything of the organization opens. Whoever comes "
        "through your identity provider is in its charge.",
        required=False,
    )

    def __init__(self, *args: Any, members: list[Membership], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(each.user_id), f"{each.user.display_name} ({each.user.email})") for each in members]
        self.fields["pilots"].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        wants_date = cleaned.get("enforcement") == SignInPolicy.Enforcement.REQUIRED and cleaned.get("begin") != NOW
        if wants_date and cleaned.get("required_from") is None and "required_from" not in self.errors:
            self.add_error("required_from", "Choose from when on it is required, or “At once”.")
        if cleaned.get("enforcement") == SignInPolicy.Enforcement.PILOT and not cleaned.get("pilots"):
            self.add_error("pilots", "Choose at least one member.")
        return cleaned

    def wanted(self) -> dict[str, Any]:
        """What the service takes."""
        cleaned = self.cleaned_data
        wanted = {name: cleaned[name] for name in ("enforcement", "guests", "session_hours", "require_second_factor")}
        if cleaned["enforcement"] == SignInPolicy.Enforcement.PILOT:
            wanted["pilots"] = [UUID(user_id) for user_id in cleaned["pilots"]]
        if cleaned["enforcement"] == SignInPolicy.Enforcement.REQUIRED and cleaned["begin"] != NOW:
            wanted["required_from"] = cleaned["required_from"]
        return wanted


def proposed_begin(now: datetime) -> datetime:
    """A week from now, at nine in the morning, UTC."""
    return (now + timedelta(days=7)).astimezone(UTC).replace(hour=9, minute=0, second=0, microsecond=0)


class MakeCodesForm(OnceForm):
    """Nothing to fill in: new codes take the place of earlier ones."""


class BreakGlassForm(forms.Form):
    """Everything that belongs to a break-glass code."""

    email = forms.EmailField(label="E-mail address", widget=forms.EmailInput(attrs={"autocomplete": "username"}))
    password = forms.CharField(
        label="Password",
        max_length=PASSWORD_LENGTH,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    second_factor = forms.CharField(
        label="Second factor",
        help_text="The code that your authenticator shows now, or a recovery code.",
        max_length=CODE_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
    )
    code = forms.CharField(
        label="Break-glass code",
        help_text="One of those that you stored. It works once.",
        max_length=CODE_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
