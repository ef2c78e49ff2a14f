"""Forms of what a key may, how often and until when, and of what an organization demands."""

import json
import re
from datetime import datetime
from typing import Any, cast

from django import forms
from django.http import QueryDict

from config.kernel.permissions import KEY_PERMISSIONS, PERSONAL_PERMISSIONS, Permission
from keys.forms.credentials import KEEP, LIFETIMES, ON_DATE, ExpiryForm, permission_choices
from keys.models import LONGEST_LIFETIME_DAYS, Key, KeyPolicy
from keys.services.terms import LARGEST_RATE, MOST_USES, RateLimit

ALLOWED_IPS_LENGTH = 4000
WINDOWS = [(1, "a second"), (60, "a minute"), (3600, "an hour"), (86400, "a day")]
CHANGED_MEANWHILE = "Somebody changed this meanwhile: look at the value now and save again."
UNREADABLE = "Open this page again and repeat what you changed."
# What is said about a term, and its value now, stand in these fields.
FIELDS_OF_TERMS = {
    "permissions": ["permissions"],
    "expires_at": ["expires", "expires_on"],
    "allowed_ips": ["allowed_ips"],
    "rate_limit": ["rate", "window"],
}


def first_lifetime(policy: KeyPolicy) -> str | None:
    """What to offer first where a policy demands an end: the longest choice that fits. None where it demands none."""
    if policy.longest_lifetime_days is None and not policy.is_expiry_required:
        return None
    longest = policy.longest_lifetime_days or LONGEST_LIFETIME_DAYS
    fitting = [days for days, _ in LIFETIMES if days.isdigit() and int(days) <= longest]
    return max(fitting, key=int, default=ON_DATE)


class LimitsForm(forms.Form):
    """From where and how often a key can be used."""

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
        help_text="So many verifications in each window. Empty: no limit.",
    )
    window = forms.TypedChoiceField(required=False, label="Window", coerce=int, choices=WINDOWS, initial=60)
    remaining = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_USES,
        label="Remaining uses",
        help_text="How often it can be verified from now on. Empty: always.",
    )

    def clean_allowed_ips(self) -> list[str]:
        return [network for network in re.split(r"[\s,;]+", self.cleaned_data["allowed_ips"]) if network]

    def rate_limit(self) -> RateLimit | None:
        """What was asked for."""
        rate = self.cleaned_data["rate"]
        return RateLimit(rate, self.cleaned_data["window"] or WINDOWS[1][0]) if rate else None


def plain(value: Any) -> Any:
    """A term as JSON has it."""
    if isinstance(value, RateLimit):
        return value.told()
    return value.isoformat() if isinstance(value, datetime) else value


class TermsForm(LimitsForm, ExpiryForm):
    """What a key may, as it is now, to be changed. `holder` is what the viewer may do in the project.

    Only what differs from what the page showed is changed: uses are spent and others save while a page is open. A term
    that others changed, too, is refused and shown as it is now. Of the remaining uses what was typed holds.
    """

    shown = forms.CharField(widget=forms.HiddenInput, error_messages={"required": UNREADABLE})
    permissions = forms.MultipleChoiceField(
        required=False,
        help_text="None is fine for a key that other programs only verify.",
        widget=forms.CheckboxSelectMultiple,
    )
    field_order = ["permissions", "expires", "expires_on", "allowed_ips", "rate", "window", "remaining"]

    def __init__(self, *args: Any, key: Key, holder: frozenset[Permission], **kwargs: Any) -> None:
        rate_limit = RateLimit.of(key)
        terms = {
            "permissions": sorted(key.permissions),
            "expires_at": key.expires_at,
            "allowed_ips": key.allowed_ips,
            "rate_limit": rate_limit,
            "remaining": key.remaining,
        }
        self.present = {name: plain(value) for name, value in terms.items()}
        initial = {
            "shown": json.dumps(self.present),
            "permissions": key.permissions,
            "expires": KEEP,
            "allowed_ips": "\n".join(key.allowed_ips),
            "rate": key.rate_limit,
            "window": key.rate_window_seconds or WINDOWS[1][0],
            "remaining": key.remaining,
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
        for name, offered in choices.items():
            self.fields[name].choices = offered  # type: ignore[attr-defined] # all of them are choice fields
        if key.kind == Key.Kind.PUBLISHABLE:
            del self.fields["permissions"], self.fields["allowed_ips"]

    def clean_shown(self) -> dict[str, Any]:
        try:
            shown = json.loads(self.cleaned_data["shown"])
        except (ValueError, RecursionError):
            shown = None
        if not isinstance(shown, dict) or shown.keys() != self.present.keys():
            raise forms.ValidationError(UNREADABLE)
        return shown

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        shown = cleaned.get("shown")
        if shown is None:
            return cleaned
        # An end is in the form only when it was chosen.
        wanted = {
            name: value
            for name, value in self._wanted(cleaned).items()
            if name == "expires_at" or plain(value) != shown[name]
        }
        meanwhile = [name for name in wanted if name != "remaining" and shown[name] != self.present[name]]
        for name in meanwhile:
            self.add_error(FIELDS_OF_TERMS[name][0], CHANGED_MEANWHILE)
        if meanwhile:
            self._show_again(meanwhile, shown)
        cleaned["changes"] = wanted
        return cleaned

    def _wanted(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """The terms as they were sent, as far as they can be read."""
        wanted: dict[str, Any] = {name: cleaned[name] for name in ("allowed_ips", "remaining") if name in cleaned}
        if "permissions" in cleaned:
            wanted["permissions"] = sorted(cleaned["permissions"])
        if cleaned.get("expires", KEEP) != KEEP:
            wanted["expires_at"] = cleaned["expires_at"]
        if cleaned.keys() >= {"rate", "window"}:
            wanted["rate_limit"] = self.rate_limit()
        return wanted

    def _show_again(self, terms: list[str], shown: dict[str, Any]) -> None:
        """Shows these as they are now instead of as they were sent."""
        data = cast("QueryDict", self.data).copy()
        for field in (field for name in terms for field in FIELDS_OF_TERMS[name]):
            value = self.initial.get(field)
            data.setlist(field, value if isinstance(value, list) else ["" if value is None else str(value)])
        data["shown"] = json.dumps({**shown, **{name: self.present[name] for name in terms}})
        self.data = data

    def changes(self) -> dict[str, Any]:
        """What the service takes."""
        return self.cleaned_data["changes"]


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
