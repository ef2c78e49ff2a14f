"""Dashboard pages of a project's domains."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import Admission, project
from config.kernel.errors import Absent, Invalid
from config.kernel.pages import FormPage, Page
from config.kernel.permissions import Permission
from orgs.plans import plan_of
from projects.forms.domains import DomainForm
from projects.hosts import LONGEST_ORIGIN, origin_host, verdict_on
from projects.models import Domain, Project, SeenDomain
from projects.models.domain import hosts_counted
from projects.services import domains as services

SEEN_SHOWN = 50


def to_domains(admission: Admission) -> HttpResponse:
    """A redirect to the page of the project's domains."""
    return redirect("projects:domains", admission.organization.slug, admission.project.public_id)


def origin_in(text: str) -> str:
    """The origin of whatever somebody pasted: an origin, the address of a page, a bare host."""
    text = text.strip()
    if text == "null":  # what browsers send for pages of no host
        return text
    return "/".join(text.split("/")[:3]) if "://" in text else f"https://{text}"


def verdicts_on(project: Project, text: str) -> dict[str, Any]:
    """What pages of an origin get, with a live and with a test key. `host` is None for what is no origin."""
    host = origin_host(origin_in(text)) if len(text) <= LONGEST_ORIGIN else None
    if host is None:
        return {"host": None}
    patterns = list(Domain.objects.of_project(project.id).standing_for(host).values_list("pattern", flat=True))
    rejects = project.unregistered_domains == Project.UnregisteredDomains.REJECT
    live, test = (
        verdict_on(host, is_registered=bool(patterns), rejects_others=rejects, is_test=mode) for mode in (False, True)
    )
    return {"host": host, "patterns": patterns, "live": live, "test": test}


class ProjectDomains(FormPage):
    """Registered domains, the hosts that were seen without being so, and what an origin would get."""

    access = {"GET": project(Permission.VIEW_ORG), "POST": project(Permission.MANAGE_KEYS)}
    template_name = "projects/domains.html"
    navigation = "projects"
    form_class = DomainForm

    def form_context(self) -> dict[str, Any]:
        here, asked = self.admission.project, self.request.GET.get("origin", "")
        seen = list(SeenDomain.objects.of_project(here.id).order_by("-id")[: SEEN_SHOWN + 1])
        return {
            "section": "domains",
            **self.listed(Domain.objects.of_project(here.id)),
            "seen": seen[:SEEN_SHOWN],
            "more_seen": len(seen) > SEEN_SHOWN,
            "counted": hosts_counted(),
            "limit": plan_of(self.admission.organization.plan).domains,
            "asked": asked,
            "checked": verdicts_on(here, asked) if asked else None,
        }

    def save(self, form: DomainForm) -> HttpResponse:
        made = services.register_domain(
            actor=self.admission.principal, project_id=self.admission.project.id, **form.cleaned_data
        )
        messages.success(self.request, f"{made.pattern} is registered. Publishable keys work in full there now.")
        return to_domains(self.admission)


class DomainRemove(FormPage):
    """Says what its pages get afterwards, then ends the registration."""

    access = project(Permission.MANAGE_KEYS)
    template_name = "projects/domain_remove.html"
    navigation = "projects"

    def form_arguments(self) -> dict[str, Any]:
        row = Domain.objects.of_project(self.admission.project.id).by_reference(self.kwargs["domain"])
        if row is None:
            raise Absent
        self.domain = row
        return {}

    def form_context(self) -> dict[str, Any]:
        return {"section": "domains", "domain": self.domain}

    def save(self, form: Any) -> HttpResponse:
        services.remove_domain(
            actor=self.admission.principal, project_id=self.admission.project.id, domain=self.domain.public_id
        )
        messages.success(self.request, f"{self.domain.pattern} is no longer registered.")
        return to_domains(self.admission)


class SeenForget(Page):
    """Forgets one host that was seen, or all of them."""

    access = {"POST": project(Permission.MANAGE_KEYS)}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        seen = None if "all" in request.POST else request.POST.get("seen", "")
        if seen == "":
            raise Invalid.field("seen", "Choose the host to forget.")
        forgotten = services.forget_seen(
            actor=self.admission.principal, project_id=self.admission.project.id, seen=seen
        )
        messages.success(request, "One host was forgotten." if forgotten == 1 else f"{forgotten} hosts were forgotten.")
        return to_domains(self.admission)
