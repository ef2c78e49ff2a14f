"""Keys of another system."""

from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import project
from config.kernel.api.operations import operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Conflict
from config.kernel.permissions import Permission
from keys.serializers.imports import ForeignKeys, ImportRecord
from keys.services.imports import Line, import_keys


class KeyImport(ApiView):
    """Moving in without issuing every key anew."""

    access = {"POST": project(Permission.MANAGE_KEYS)}

    @operation("import_keys", ImportRecord, body=ForeignKeys, refusals=[Conflict])
    def post(self, request: Request, organization: str, project: str) -> Response:
        """Takes over up to 100 secret keys by their SHA-256. From then on they are verified like any other.

        One that is refused stops no other, and one that is there already stays as it is: send the same again when no
        answer comes. Rotate an imported key to have one of our own format.
        """
        results = import_keys(
            actor=self.admission.principal,
            holder=self.admission.permissions,
            project_id=self.admission.project.id,
            lines=[Line(**line) for line in self.read()["keys"]],
        )
        return Response(ImportRecord({"data": results}).data)
