"""Dashboard pages of projects."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import organization, project
from config.kernel.pages import FORM_INVALID, EditPage, FormPage, Page
from config.kernel.permissions import Permission
from projects.forms.projects import ProjectFilter, ProjectForm, ProjectSettingsForm
from projects.models import Project
from projects.services import projects as services

NEWEST = 5
SUGGESTED_MEMBERS = 100


class ProjectList(Page):
    """The organization's projects, with search, active or archived."""

    access = {"GET": organization(Permission.VIEW_ORG)}
    template_name = "projects/list.html"
    navigation = "projects"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = ProjectFilter(request.GET)
        if not form.is_valid():
            return self.show({"form": form}, status=FORM_INVALID)
        search, status = form.cleaned_data["q"], form.cleaned_data["status"] or Project.Status.ACTIVE
        listed = self.listed(Project.objects.matching(search=search, status=status))
        return self.show({"form": form, "search": search, "status": status, **listed})


class ProjectPanel(Page):
    """A fragment for the organization's overview."""

    access = {"GET": organization(Permission.VIEW_ORG)}
    template_name = "projects/panel.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        newest = Project.objects.active().order_by("-id")[:NEWEST]
        return self.show({"counts": Project.objects.counts(), "newest": newest})


class ProjectCreate(FormPage):
    """A new project."""

    access = organization(Permission.MANAGE_APPS)
    template_name = "projects/create.html"
    navigation = "projects"
    form_class = ProjectForm

    def save(self, form: ProjectForm) -> HttpResponse:
        made = services.create_project(actor=self.admission.principal, **form.cleaned_data)
        messages.success(self.request, f"{made.name} is ready. Make its first key.")
        return redirect("projects:detail", self.admission.organization.slug, made.public_id)


class ProjectDetail(Page):
    """A project at a glance: how many keys work, and the first steps."""

    access = {"GET": project(Permission.VIEW_ORG)}
    template_name = "projects/detail.html"
    navigation = "projects"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        # The keys lie above this app and are reached by the relation, never by an import.
        counts = self.admission.project.keys.counts()
        return self.show({"section": "overview", "counts": counts, "tenantry_url": settings.TENANTRY_URL})


class ProjectSettings(EditPage):
    """Name, slug and domains, and the ways to archive and restore."""

    access = project(Permission.MANAGE_APPS)
    template_name = "projects/settings.html"
    navigation = "projects"
    form_class = ProjectSettingsForm

    def form_arguments(self) -> dict[str, Any]:
        here = self.admission.project
        initial = {"name": here.name, "slug": here.slug, "unregistered_domains": here.unregistered_domains}
        return {"initial": initial}

    def form_context(self) -> dict[str, Any]:
        return {"section": "settings"}

    def lock(self) -> None:
        services.locked_project(self.admission.project.id)
        self.admission.project.refresh_from_db()

    def save(self, form: ProjectSettingsForm) -> HttpResponse:
        changed = services.update_project(
            actor=self.admission.principal, project_id=self.admission.project.id, **form.cleaned_data
        )
        messages.success(self.request, "The project was saved.")
        return redirect("projects:settings", self.admission.organization.slug, changed.public_id)


class ProjectArchive(FormPage):
    """Says which keys would stop working, then archives."""

    access = project(Permission.MANAGE_APPS)
    template_name = "projects/archive.html"
    navigation = "projects"

    def form_context(self) -> dict[str, Any]:
        return {"section": "settings", "counts": self.admission.project.keys.counts()}

    def save(self, form: Any) -> HttpResponse:
        archived = services.archive_project(actor=self.admission.principal, project_id=self.admission.project.id)
        messages.success(self.request, f"{archived.name} is archived. Its keys are refused.")
        return redirect("projects:detail", self.admission.organization.slug, archived.public_id)


class ProjectRestore(Page):
    """Ends archiving."""

    access = {"POST": project(Permission.MANAGE_APPS)}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        restored = services.restore_project(actor=self.admission.principal, project_id=self.admission.project.id)
        messages.success(request, f"{restored.name} is active again. Its keys work.")
        return redirect("projects:detail", self.admission.organization.slug, restored.public_id)
