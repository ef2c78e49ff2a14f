"""The webhooks app."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Endpoints and the delivery of events to them."""

    name = "webhooks"
    verbose_name = "Webhooks"
