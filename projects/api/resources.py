"""The registry of resources."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization
from config.kernel.api.operations import listing, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent, Conflict
from config.kernel.permissions import Permission
from config.kernel.principals import Principal
from projects.models import Project, Resource
from projects.resource_names import ResourceName, parse
from projects.serializers import NewResource, ResourceQuery, ResourceRecord
from projects.services import resources as services


def project_of(principal: Principal, reference: str | None) -> Project | None:
    """The project that a body or query names; None when it names none. Raises Absent."""
    if not reference:
        return None
    project = Project.objects.visible_to(principal).by_reference(reference)
    if project is None:
        raise Absent
    return project


class Resources(ApiView):
    """The registered resources of an organization."""

    access = {"GET": organization(Permission.VIEW_ORG), "POST": organization(Permission.MANAGE_SCHEMAS)}

    @listing("list_resources", ResourceRecord, query=ResourceQuery)
    def get(self, request: Request, organization: str) -> Response:
        """The resources, newest first. A key sees its own project's, and those of the whole organization."""
        principal = self.admission.principal
        project = project_of(principal, self.query.get("project"))
        rows = Resource.objects.visible_to(principal).matching(
            service=self.query.get("service", ""),
            kind=self.query.get("kind", ""),
            project=project.id if project else None,
        )
        return self.page(rows, ResourceRecord)

    @operation("register_resource", ResourceRecord, body=NewResource, refusals=[Conflict])
    def post(self, request: Request, organization: str) -> Response:
        """Registers a resource, or gives one that is there these scopes and this project.

        What a key registers is its own project's.
        """
        body = self.read()
        project = project_of(self.admission.principal, body.pop("project", None))
        registered = services.register_resource(
            actor=self.admission.principal, project_id=project.id if project else None, **body
        )
        return self.answer(registered, ResourceRecord)


class OneResource(ApiView):
    """One registered resource, by its trn or its id."""

    access = {"GET": organization(Permission.VIEW_ORG), "DELETE": organization(Permission.MANAGE_SCHEMAS)}

    @operation("get_resource", ResourceRecord)
    def get(self, request: Request, organization: str, resource: str) -> Response:
        """One resource."""
        found = Resource.objects.visible_to(self.admission.principal).by_reference(resource)
        if found is None:
            raise Absent
        return self.answer(found, ResourceRecord)

    @operation("deregister_resource")
    def delete(self, request: Request, organization: str, resource: str) -> Response:
        """Takes a resource out of the registry. Naming one by its trn that is not registered is no error."""
        services.deregister_resource(actor=self.admission.principal, resource=self.named(resource))
        return Response(status=204)

    def named(self, reference: str) -> ResourceName:
        """The name that is meant. Raises Absent for an id that is not here, and for what is neither."""
        name = parse(reference)
        if name is not None:
            return name
        found = Resource.objects.visible_to(self.admission.principal).by_reference(reference)
        name = parse(found.trn) if found else None
        if name is None:
            raise Absent
        return name
