"""Archives as answers, for the dashboard and the REST interface alike."""

from django.http import FileResponse

from config.kernel.principals import Principal
from config.kernel.stored_files import as_download
from orgs.models import Organization
from orgs.services.exports import open_archive


def archive_response(*, actor: Principal, organization: Organization, export: str) -> FileResponse:
    """Streams a finished archive of the organization in scope. Raises Absent and Conflict."""
    row, file = open_archive(actor=actor, export=export)
    return as_download(file, f"{organization.slug}-{row.created_at:%Y-%m-%d}.zip")
