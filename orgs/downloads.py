"""Archives as answers, for the dashboard and the REST interface alike."""

from django.http import FileResponse

from config.kernel.principals import Principal
from orgs.models import Organization
from orgs.services.exports import open_archive


def archive_response(*, actor: Principal, organization: Organization, export: str) -> FileResponse:
    """Streams a finished archive of the organization in scope. Raises Absent and Conflict.

    The file is opened here: when the server streams it, the scope has ended.
    """
    row, file = open_archive(actor=actor, export=export)
    name = f"{organization.slug}-{row.created_at:%Y-%m-%d}.zip"
    return FileResponse(
        file, as_attachment=True, filename=name, content_type="application/zip", headers={"Cache-Control": "no-store"}
    )
