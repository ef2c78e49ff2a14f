"""Dashboard pages of endpoints: the list, a new one, one of them, and how they fare on the overview."""

from functools import cached_property
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from config.kernel.access import Admission, organization
from config.kernel.errors import Absent
from config.kernel.pages import Page
from config.kernel.permissions import Permission
from keys.views.shown_once import SecretPage
from projects.models import Project
from webhooks.forms.endpoints import EndpointForm
from webhooks.models import Endpoint, EndpointHour
from webhooks.selectors import health_of, healths_of
from webhooks.services.endpoints import create_endpoint
from webhooks.views.health_chart import charts_of, first_hour

MANAGER = organization(Permission.MANAGE_WEBHOOKS)
NAVIGATION = "webhooks"
SUGGESTED_PROJECTS = 100
PANEL_SHOWN = 5


def to_endpoint(admission: Admission, endpoint: Endpoint, page: str = "endpoint") -> HttpResponse:
    """A redirect to one of the endpoint's pages."""
    return redirect(f"webhooks:{page}", admission.organization.slug, endpoint.public_id)


def suggested_projects() -> list[Project]:
    """For the field that names one."""
    return list(Project.objects.active().order_by("-id")[:SUGGESTED_PROJECTS])


class EndpointList(Page):
    """The endpoints with how they fare; while there is none, what to do first."""

    access = {"GET": MANAGER}
    template_name = "webhooks/list.html"
    navigation = NAVIGATION

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        listed = self.listed(Endpoint.objects.select_related("project"))
        health = healths_of(listed["rows"])
        return self.show({**listed, "lines": [(row, health[row.id]) for row in listed["rows"]]})


class EndpointPanel(Page):
    """A fragment for the organization's overview."""

    access = {"GET": MANAGER}
    template_name = "webhooks/panel.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        # Those that need somebody first.
        rows = list(Endpoint.objects.order_by("state", "failing_since", "-id")[: PANEL_SHOWN + 1])
        health = healths_of(rows[:PANEL_SHOWN])
        lines = [(row, health[row.id]) for row in rows[:PANEL_SHOWN]]
        return self.show({"lines": lines, "more": len(rows) > PANEL_SHOWN})


class EndpointCreate(SecretPage):
    """A new endpoint, whose signing secret is in the answer."""

    access = MANAGER.after_recent_proof()
    template_name = "webhooks/create.html"
    made_template = "webhooks/made.html"
    sent_before_template = "webhooks/sent_before.html"
    navigation = NAVIGATION
    form_class = EndpointForm

    def form_context(self) -> dict[str, Any]:
        return {"projects": suggested_projects()}

    def make(self, form: EndpointForm) -> tuple[Endpoint, str]:
        return create_endpoint(
            actor=self.admission.principal, headers=form.cleaned_data["headers"] or None, **form.wanted()
        )


class OfEndpoint(Page):
    """Base of what is about one endpoint."""

    navigation = NAVIGATION
    tab = ""

    @cached_property
    def endpoint(self) -> Endpoint:
        """The endpoint that the address names. Raises Absent."""
        found = Endpoint.objects.by_reference(self.kwargs["endpoint"])
        if found is None:
            raise Absent
        return found

    def context(self) -> dict[str, Any]:
        """What every page of an endpoint shows."""
        return {"tab": self.tab, "endpoint": self.endpoint, "now": timezone.now()}


class EndpointDetail(OfEndpoint):
    """How one endpoint fares."""

    access = {"GET": MANAGER}
    template_name = "webhooks/endpoint.html"
    tab = "overview"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        now = timezone.now()
        hours = EndpointHour.objects.filter(endpoint=self.endpoint, hour__gte=first_hour(now))
        by_hour, by_day = charts_of(hours, now)
        health = health_of(self.endpoint)
        return self.show({**self.context(), "health": health, "by_hour": by_hour, "by_day": by_day})
