"""Forms of the pages of deliveries."""

from datetime import datetime, timedelta

from django import forms
from django.utils import timezone

from audit.forms import MomentField, event_choices
from webhooks.models import Delivery

STATES = [
    ("", "Every state"),
    (Delivery.State.PENDING.value, "Pending or retrying"),
    (Delivery.State.DELIVERED.value, "Delivered"),
    (Delivery.State.FAILED.value, "Failed"),
]
USUAL_SINCE = timedelta(days=1)


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
