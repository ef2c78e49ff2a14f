"""Dashboard pages that change an endpoint: settings, headers, enabling, disabling, deleting."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.pages import EditPage, FormPage
from orgs.forms.confirmation import TypedConfirmation
from webhooks.forms.endpoints import EndpointFields, HeadersForm
from webhooks.models import Delivery
from webhooks.selectors import preview_deletion
from webhooks.services import endpoints as services
from webhooks.services.authority import locked_endpoint
from webhooks.services.deliveries import missed_since
from webhooks.views.endpoints import MANAGER, OfEndpoint, suggested_projects, to_endpoint

TAB = "settings"


class EndpointSettings(OfEndpoint):
    """What is set, with ways to change it."""

    access = {"GET": MANAGER}
    template_name = "webhooks/settings.html"
    tab = TAB

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show(self.context())


class EndpointFormPage(OfEndpoint, FormPage):
    """What the forms about one endpoint share."""

    tab = TAB

    def form_context(self) -> dict[str, Any]:
        return self.context()


class EndpointEdit(EndpointFormPage, EditPage):
    """Address, events, project and description."""

    access = MANAGER.after_recent_proof()
    template_name = "webhooks/edit.html"
    form_class = EndpointFields

    def form_arguments(self) -> dict[str, Any]:
        row = self.endpoint
        project = row.project.slug if row.project else ""
        initial = {"url": row.url, "description": row.description, "project": project}
        return {"present": row.events, "initial": initial}

    def form_context(self) -> dict[str, Any]:
        return {**self.context(), "projects": suggested_projects()}

    def lock(self) -> None:
        locked_endpoint(self.endpoint.id)
        self.endpoint.refresh_from_db()

    def save(self, form: EndpointFields) -> HttpResponse:
        services.update_endpoint(actor=self.admission.principal, endpoint_id=self.endpoint.id, **form.wanted())
        messages.success(self.request, "Saved. It holds for whatever is sent from now on.")
        return to_endpoint(self.admission, self.endpoint, TAB)


class EndpointHeaders(EndpointFormPage):
    """Other extra headers in place of the present ones, whose values nobody is shown."""

    access = MANAGER.after_recent_proof()
    template_name = "webhooks/headers.html"
    form_class = HeadersForm

    def save(self, form: HeadersForm) -> HttpResponse:
        headers = form.cleaned_data["headers"]
        services.update_endpoint(actor=self.admission.principal, endpoint_id=self.endpoint.id, headers=headers)
        words = "These headers go along from now on." if headers else "No extra header goes along any more."
        messages.success(self.request, words)
        return to_endpoint(self.admission, self.endpoint, TAB)


class EndpointEnable(OfEndpoint):
    """Sends events to it again, and leads to the replay of what it missed."""

    access = {"POST": MANAGER}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        since = missed_since(self.endpoint)
        services.enable_endpoint(actor=self.admission.principal, endpoint_id=self.endpoint.id)
        if since is None:
            messages.success(request, "Events are sent to it.")
            return to_endpoint(self.admission, self.endpoint)
        messages.success(request, "Events are sent to it again. Replay here what it missed meanwhile.")
        page = to_endpoint(self.admission, self.endpoint, "replay")
        page["Location"] += f"?since={since:%Y-%m-%dT%H:%M}"
        return page


class EndpointDisable(EndpointFormPage):
    """Says what stops, then sends nothing any more."""

    access = MANAGER
    template_name = "webhooks/disable.html"

    def form_context(self) -> dict[str, Any]:
        pending = Delivery.objects.filter(endpoint=self.endpoint).pending().count()
        return {**self.context(), "pending": pending}

    def save(self, form: Any) -> HttpResponse:
        services.disable_endpoint(actor=self.admission.principal, endpoint_id=self.endpoint.id)
        messages.success(self.request, "Nothing is sent to it any more.")
        return to_endpoint(self.admission, self.endpoint)


class EndpointDelete(EndpointFormPage):
    """Says what stops, then deletes an endpoint with its deliveries."""

    access = MANAGER.after_recent_proof()
    template_name = "webhooks/delete.html"
    form_class = TypedConfirmation

    def form_arguments(self) -> dict[str, Any]:
        return {"words": self.endpoint.host}

    def form_context(self) -> dict[str, Any]:
        return {**self.context(), "ending": preview_deletion(self.endpoint)}

    def save(self, form: TypedConfirmation) -> HttpResponse:
        services.delete_endpoint(actor=self.admission.principal, endpoint_id=self.endpoint.id)
        messages.success(self.request, f"The endpoint at {self.endpoint.host} is deleted.")
        return redirect("webhooks:list", self.admission.organization.slug)
