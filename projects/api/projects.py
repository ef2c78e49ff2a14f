"""Projects."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization, project
from config.kernel.api.idempotency import idempotent
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Conflict
from config.kernel.permissions import Permission
from projects.models import Project
from projects.serializers import NewProject, ProjectChanges, ProjectQuery, ProjectRecord
from projects.services import projects as services


class Projects(ApiView):
    """The projects of an organization."""

    access = {"GET": organization(Permission.VIEW_ORG), "POST": organization(Permission.MANAGE_APPS)}

    @listing("list_projects", ProjectRecord, query=ProjectQuery)
    def get(self, request: Request, organization: str) -> Response:
        """The projects, newest first. A key sees its own only."""
        rows = Project.objects.visible_to(self.admission.principal).matching(status=self.query.get("status", ""))
        return self.page(rows, ProjectRecord)

    @idempotent
    @operation("create_project", ProjectRecord, body=NewProject, status=201, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Makes a project."""
        created = services.create_project(actor=self.admission.principal, **self.read())
        return self.answer(created, ProjectRecord, status=201)


class OneProject(ApiView):
    """One project."""

    access = {"GET": project(Permission.VIEW_ORG), "PATCH": project(Permission.MANAGE_APPS)}

    @operation("get_project", ProjectRecord)
    def get(self, request: Request, organization: str, project: str) -> Response:
        """One project."""
        return self.answer(self.admission.project, ProjectRecord)

    @operation("update_project", ProjectRecord, body=ProjectChanges, matches=True, refusals=[Conflict])
    def patch(self, request: Request, organization: str, project: str) -> Response:
        """Changes the name or the slug. Addresses with the old slug end."""
        project_id = self.admission.project.id
        with self.matching(lambda: services.locked_project(project_id), ProjectRecord):
            updated = services.update_project(actor=self.admission.principal, project_id=project_id, **self.read())
        return self.answer(updated, ProjectRecord)


class Archiving(ApiView):
    """Putting a project to rest."""

    access = {"POST": project(Permission.MANAGE_APPS)}

    @operation("archive_project", ProjectRecord)
    def post(self, request: Request, organization: str, project: str) -> Response:
        """Refuses the project's keys from now on. Nothing is deleted, and doing so twice is no error."""
        archived = services.archive_project(actor=self.admission.principal, project_id=self.admission.project.id)
        return self.answer(archived, ProjectRecord)


class Restoring(ApiView):
    """Waking a project."""

    access = {"POST": project(Permission.MANAGE_APPS)}

    @operation("restore_project", ProjectRecord)
    def post(self, request: Request, organization: str, project: str) -> Response:
        """Accepts the keys of an archived project again. Doing so twice is no error."""
        restored = services.restore_project(actor=self.admission.principal, project_id=self.admission.project.id)
        return self.answer(restored, ProjectRecord)
