"""Forms of the pages of deliveries."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from audit.forms import MomentField, words_of
from webhooks.forms.endpoints import catalogue
from webhooks.models import Delivery

STATES = [
    ("", "Every state"),
    (Delivery.State.PENDING.value, "Pending"),
    (Delivery.State.DELIVERED.value, "Delivered"),
    (Delivery.State.FAILED.value, "Failed"),
]
USUAL_SINCE = timedelta(days=1)


def event_choices() -> list[Any]:
    """Every declared event below its noun."""
    grouped = [(words_of(noun), [(event.name, event.name) for event in events]) for noun, events in catalogue()]
    return [("", "Every event"), *grouped]


class DeliveryFilter(forms.Form):
    """What the deliveries are narrowed to."""

    state = forms.ChoiceField(required=False, choices=STATES)
    event = forms.ChoiceField(required=False, choices=event_choices)


def a_day_ago() -> datetime:
    """What is usually meant."""
    return timezone.now() - USUAL_SINCE


class ReplayForm(forms.Form):
    """Since when what an endpoint missed is sent again."""

    since = MomentField(
        label="Since (UTC)",
        initial=a_day_ago,
        help_text="Deliveries that failed, and what happened while the endpoint was disabled.",
    )
