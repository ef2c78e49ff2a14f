"""Members with a role of their own in one project."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import project
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.identifiers import required_id
from config.kernel.permissions import Permission
from orgs.api.members import member
from projects.models import ProjectMembership
from projects.serializers import ProjectMemberRecord, ProjectRoleChoice
from projects.services import members as services


class ProjectMembers(ApiView):
    """The members with a role of their own in a project."""

    access = {"GET": project(Permission.VIEW_ORG)}

    @listing("list_project_members", ProjectMemberRecord)
    def get(self, request: Request, organization: str, project: str) -> Response:
        """The members whose role in this project differs. All others have their organization role here."""
        return self.page(ProjectMembership.objects.of_project(self.admission.project.id), ProjectMemberRecord)


class ProjectMember(ApiView):
    """One member's role in a project."""

    access = {"PUT": project(Permission.MANAGE_MEMBERS), "DELETE": project(Permission.MANAGE_MEMBERS)}

    @operation("set_project_role", ProjectMemberRecord, body=ProjectRoleChoice)
    def put(self, request: Request, organization: str, project: str, user: str) -> Response:
        """Raises or lowers a member in this project. An owner is an owner everywhere."""
        row = services.set_project_role(
            actor=self.admission.principal,
            project_id=self.admission.project.id,
            user_id=member(user).user_id,
            role=self.read()["role"],
        )
        return self.answer(row, ProjectMemberRecord)

    @operation("clear_project_role")
    def delete(self, request: Request, organization: str, project: str, user: str) -> Response:
        """Lets the member's organization role hold in this project again."""
        services.clear_project_role(
            actor=self.admission.principal,
            project_id=self.admission.project.id,
            user_id=required_id("usr", user),
        )
        return Response(status=204)
