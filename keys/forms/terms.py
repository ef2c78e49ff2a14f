"""Forms of what a key may, how often and until when, and of what an organization demands."""

import re
from typing import Any

from django import forms

from config.kernel.permissions import KEY_PERMISSIONS, PERSONAL_PERMISSIONS, Permission
from keys.forms.credentials import KEEP, LIFETIMES, ON_DATE, ExpiryForm, permission_choices
from keys.forms.metadata import MetadataField, metadata_text
from keys.models import LONGEST_LIFETIME_DAYS, Key, KeyPolicy
from keys.services.terms import LARGEST_RATE, MOST_USES, RateLimit

ALLOWED_IPS_LENGTH = 4000
WINDOWS = [(1, "a second"), (60, "a minute"), (3600, "an hour"), (86400, "a day")]


def first_lifetime(policy: KeyPolicy) -> str | None:
    """What to offer first where a policy demands an end: the longest choice that fits. None where it demands none."""
    if policy.longest_lifetime_days is None and not policy.is_expiry_required:
        return None
    longest = policy.longest_lifetime_days or LONGEST_LIFETIME_DAYS
    fitting = [days for days, _ in LIFETIMES if days.isdigit() and int(days) <= longest]
    return max(fitting, key=int, default=ON_DATE)


class LimitsForm(forms.Form):
    """From where and how often a key can be used, and what is told of it."""

    allowed_ips = forms.CharField(
        required=False,
        max_length=ALLOWED_IPS_LENGTH,
        label="Allowed addresses",
        help_text="Addresses or networks such as 203.0.113.0/24, one a line. Empty allows every address.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    rate = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_RATE,
        label="Rate limit",
        help_text="So many requests and verifications in each window. Empty: no limit.",
    )
    window = forms.TypedChoiceField(required=False, label="Window", coerce=int, choices=WINDOWS, initial=60)
    remaining = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_USES,
        label="Remaining uses",
        help_text="How often it can be verified from now on. Empty: always.",
    )
    metadata = MetadataField()

    def clean_allowed_ips(self) -> list[str]:
        return [network for network in re.split(r"[\s,;]+", self.cleaned_data["allowed_ips"]) if network]

    def rate_limit(self) -> RateLimit | None:
        """What was asked for."""
        rate = self.cleaned_data["rate"]
        return RateLimit(rate, self.cleaned_data["window"] or WINDOWS[1][0]) if rate else None


class TermsForm(LimitsForm, ExpiryForm):
    """What a key may, as it is now, to be changed. `holder` is what the viewer may do in the project.

    Uses are spent while the page is open, so the remaining ones are changed only to a number that was typed.
    """

    permissions = forms.MultipleChoiceField(
        required=False,
        help_text="None is fine for a key that other programs only verify.",
        widget=forms.CheckboxSelectMultiple,
    )
    field_order = ["permissions", "expires", "expires_on", "allowed_ips", "rate", "window", "remaining", "metadata"]

    def __init__(self, *args: Any, key: Key, holder: frozenset[Permission], **kwargs: Any) -> None:
        rate_limit = RateLimit.of(key)
        initial = {
            "permissions": key.permissions,
            "expires": KEEP,
            "allowed_ips": "\n".join(key.allowed_ips),
            "rate": key.rate_limit,
            "window": key.rate_window_seconds or WINDOWS[1][0],
            "remaining": key.remaining,
            "metadata": metadata_text(key.metadata),
        }
        super().__init__(*args, **{"initial": initial, **kwargs})
        now = f"{key.expires_at:%Y-%m-%d %H:%M} UTC" if key.expires_at else "never"
        choices: dict[str, Any] = {
            "expires": [(KEEP, f"As now: {now}"), *LIFETIMES],
            "permissions": permission_choices(KEY_PERMISSIONS - (PERSONAL_PERMISSIONS - holder)),
            "window": WINDOWS,
        }
        if rate_limit is not None and rate_limit.window_seconds not in dict(WINDOWS):
            choices["window"] = [(rate_limit.window_seconds, f"{rate_limit.window_seconds} seconds"), *WINDOWS]
        self.fields["remaining"].show_hidden_initial = True
        for name, offered in choices.items():
            self.fields[name].choices = offered  # type: ignore[attr-defined] # all of them are choice fields
        if key.kind == Key.Kind.PUBLISHABLE:
            del self.fields["permissions"], self.fields["allowed_ips"]

    def changes(self) -> dict[str, Any]:
        """What the service takes."""
        wanted = self.cleaned_data
        found: dict[str, Any] = {name: wanted[name] for name in ("permissions", "allowed_ips") if name in wanted}
        if "remaining" in self.changed_data:
            found["remaining"] = wanted["remaining"]
        if wanted["expires"] != KEEP:
            found["expires_at"] = wanted["expires_at"]
        return {**found, "rate_limit": self.rate_limit(), "metadata": wanted["metadata"]}


class KeyPolicyForm(forms.Form):
    """What an organization demands of its keys."""

    longest_lifetime_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_LIFETIME_DAYS,
        label="Longest lifetime in days",
        help_text="From the making of a key to its end. Empty: no limit.",
    )
    is_expiry_required = forms.BooleanField(required=False, label="Every key must have an end")
    on_leak = forms.ChoiceField(
        label="When somebody shows that a key leaked",
        widget=forms.RadioSelect,
        choices=[
            (
                KeyPolicy.OnLeak.QUARANTINE.value,
                "Quarantine: refused until somebody who manages keys releases it",
            ),
            (KeyPolicy.OnLeak.REVOKE.value, "Revoke: it is refused for good"),
            (KeyPolicy.OnLeak.REPORT.value, "Report: it goes on working, and the owners are told"),
        ],
    )
