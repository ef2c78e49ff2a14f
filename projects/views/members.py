"""Dashboard pages of the roles that members have in a project."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from config.kernel.access import project
from config.kernel.errors import Absent, Invalid
from config.kernel.identifiers import parse_public_id
from config.kernel.pages import FormPage, Page
from config.kernel.permissions import Permission, Role
from orgs.models import Membership
from projects.forms.projects import ProjectRoleForm
from projects.models import ProjectMembership
from projects.services import members as services

NEWEST = 5
SUGGESTED_MEMBERS = 100


class ProjectMembers(Page):
    """Members who have a role of their own in the project."""

    access = {"GET": project(Permission.MANAGE_MEMBERS)}
    template_name = "projects/members.html"
    navigation = "projects"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        listed = self.listed(ProjectMembership.objects.of_project(self.admission.project.id))
        # The services ask for the permission in the organization, which a role raised in one project does not give.
        manages = Permission.MANAGE_MEMBERS in self.admission.membership.permissions
        return self.show({"section": "members", "manages": manages, **listed})


class ProjectMemberSet(FormPage):
    """Gives a member another role in the project."""

    access = project(Permission.MANAGE_MEMBERS)
    template_name = "projects/member_set.html"
    navigation = "projects"
    form_class = ProjectRoleForm

    def form_arguments(self) -> dict[str, Any]:
        member = self.request.GET.get("member", "")
        return {"holder": self.admission.membership.permissions, "initial": {"member": member}}

    def form_context(self) -> dict[str, Any]:
        people = Membership.objects.with_people().exclude(role=Role.OWNER).order_by("-id")[:SUGGESTED_MEMBERS]
        return {"section": "members", "people": people}

    def save(self, form: ProjectRoleForm) -> HttpResponse:
        membership, role = form.cleaned_data["member"], form.cleaned_data["role"]
        services.set_project_role(
            actor=self.admission.principal,
            project_id=self.admission.project.id,
            user_id=membership.user_id,
            role=role,
        )
        messages.success(self.request, f"{membership.user.email} is {role} in this project now.")
        return redirect("projects:members", self.admission.organization.slug, self.admission.project.public_id)


class ProjectMemberClear(Page):
    """Lets a member's role in the organization hold in the project again."""

    access = {"POST": project(Permission.MANAGE_MEMBERS)}

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        given = request.POST.get("user", "")
        if not given:
            raise Invalid.field("user", "Choose the member whose role ends.")
        user_id = parse_public_id("usr", given)
        if user_id is None:
            raise Absent
        services.clear_project_role(
            actor=self.admission.principal, project_id=self.admission.project.id, user_id=user_id
        )
        messages.success(request, "Their role in the organization holds again.")
        return redirect("projects:members", self.admission.organization.slug, self.admission.project.public_id)
