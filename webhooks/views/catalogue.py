"""The catalogue of events, for whoever chooses what an endpoint gets."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from audit.forms import words_of
from config.kernel.events import declared_by_noun
from config.kernel.pages import Page
from webhooks.views.endpoints import MANAGER, NAVIGATION


class EventCatalogue(Page):
    """Every event with what its data means."""

    access = {"GET": MANAGER}
    template_name = "webhooks/catalogue.html"
    navigation = NAVIGATION

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show({"nouns": [(noun, words_of(noun), events) for noun, events in declared_by_noun()]})
