"""Dashboard pages of the registry of resources."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import organization
from config.kernel.errors import Absent
from config.kernel.pages import FORM_INVALID, FormPage, Page
from config.kernel.permissions import Permission
from projects.forms.resources import ResourceFilter, ResourceForm
from projects.models import Project, Resource
from projects.resource_names import OWN_SERVICE, parse
from projects.services import resources as services

SUGGESTED_PROJECTS = 100


class ResourceList(Page):
    """What products registered, and the projects, which are registered by themselves."""

    access = {"GET": organization(Permission.VIEW_ORG)}
    template_name = "projects/resources.html"
    navigation = "resources"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = ResourceFilter(request.GET)
        if not form.is_valid():
            return self.show({"form": form}, status=FORM_INVALID)
        listed = self.listed(Resource.objects.matching(**form.cleaned_data).select_related("project"))
        filtered = any(form.cleaned_data.values())
        return self.show({"form": form, "filtered": filtered, "own": OWN_SERVICE, **form.cleaned_data, **listed})


class ResourceRegister(FormPage):
    """Registers a resource, or changes the scopes of one that is there."""

    access = organization(Permission.MANAGE_SCHEMAS)
    template_name = "projects/resource_register.html"
    navigation = "resources"
    form_class = ResourceForm

    def form_context(self) -> dict[str, Any]:
        return {"projects": Project.objects.active().order_by("-id")[:SUGGESTED_PROJECTS]}

    def save(self, form: ResourceForm) -> HttpResponse:
        made = services.register_resource(actor=self.admission.principal, **form.wanted())
        messages.success(self.request, f"{made} is registered.")
        return redirect("projects:resources", self.admission.organization.slug)


class ResourceDeregister(FormPage):
    """Says what stops, then takes the resource out of the registry."""

    access = organization(Permission.MANAGE_SCHEMAS)
    template_name = "projects/resource_deregister.html"
    navigation = "resources"

    def form_arguments(self) -> dict[str, Any]:
        found = Resource.objects.by_reference(self.kwargs["resource_id"])
        if found is None:
            raise Absent
        self.resource = found
        return {}

    def form_context(self) -> dict[str, Any]:
        return {"resource": self.resource, "own": OWN_SERVICE}

    def save(self, form: Any) -> HttpResponse:
        name = parse(self.resource.trn)
        if name is None:
            raise Absent
        services.deregister_resource(actor=self.admission.principal, resource=name)
        messages.success(self.request, f"{self.resource} is no longer registered.")
        return redirect("projects:resources", self.admission.organization.slug)
