"""Files of the ledger as answers, for the dashboard and the REST interface alike."""

import json
from typing import Any

from django.http import FileResponse, HttpResponse

from audit.services.exports import open_archive
from config.kernel.principals import Principal
from config.kernel.stored_files import as_download


def archive_response(*, actor: Principal, organization: Any, export: str) -> FileResponse:
    """Streams a finished export of the organization in scope. Raises Absent and Conflict."""
    row, file = open_archive(actor=actor, export=export)
    return as_download(file, f"{organization.slug}-audit-{row.created_at:%Y-%m-%d}.zip")


def checkpoint_response(record: dict[str, Any], *, organization: Any) -> HttpResponse:
    """A checkpoint as a file to keep: what REST answers of it, which verify_audit and the sample read."""
    name = f"{organization.slug}-audit-checkpoint-{record['sequence']}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(json.dumps(record, default=str) + "\n", content_type="application/json", headers=headers)
