"""`/api/v1/orgs/{org}/exports`: archives of everything that an organization owns."""

import io
import zipfile

import pytest
from django.core.files.storage import default_storage

from audit.models import AuditEvent
from config.kernel.api.schema import document
from config.kernel.tenancy.scope import tenant_scope
from orgs import exporting
from orgs.models import DataExport
from tests.api.rows import everything

EXPORTS = "/api/v1/orgs/acme/exports"


def make(cast, made):
    with tenant_scope(cast.acme.id):
        export = DataExport.objects.by_reference(made["id"])
        exporting.make_export(export.id)
        export.refresh_from_db()
    return export


def test_an_archive_is_asked_for_made_and_downloaded(api, cast):
    owner = api(cast.owner)
    answer = owner.post(EXPORTS)
    made = answer.json()
    assert (answer.status_code, made["state"], made["downloadable"]) == (201, "waiting", False)
    assert made["requested_by"] == cast.owner.public_id
    export = make(cast, made)
    ready = owner.get(f"{EXPORTS}/{made['id']}").json()
    assert (ready["state"], ready["downloadable"], ready["size"]) == ("ready", True, export.size)
    assert ready["tables_done"] == ready["tables_total"] > 5
    assert owner.get(EXPORTS).json() == {"data": [ready], "next": None}
    file = owner.get(f"{EXPORTS}/{made['id']}/download")
    assert (file.status_code, file["Content-Type"], file["Cache-Control"]) == (200, "application/zip", "no-store")
    assert file["Content-Disposition"].startswith('attachment; filename="acme-')
    archive = zipfile.ZipFile(io.BytesIO(b"".join(file.streaming_content)))
    assert b"Rocket" in archive.read("projects_project.jsonl")
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.get(event="export.downloaded")
    assert (event.target_id, event.actor_id) == (made["id"], cast.owner.public_id)


def test_the_same_request_twice_asks_once(api, cast):
    headers = {"Idempotency-Key": "nightly"}
    first, again = (api(cast.owner).post(EXPORTS, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert again["Idempotency-Replayed"] == "true"
    before = everything()
    refused = api(cast.owner).post(EXPORTS)
    assert (refused.status_code, refused.json()["code"]) == (409, "export_running")
    assert everything() == before


@pytest.mark.parametrize(
    ("state", "code"), [("waiting", "export_unfinished"), ("running", "export_unfinished"), ("failed", "export_failed")]
)
def test_what_is_not_ready_cannot_be_downloaded(api, cast, state, code):
    made = api(cast.owner).post(EXPORTS).json()
    with tenant_scope(cast.acme.id):
        DataExport.objects.update(state=state)
    before = everything()
    refused = api(cast.owner).get(f"{EXPORTS}/{made['id']}/download")
    assert (refused.status_code, refused.json()["code"]) == (409, code)
    assert everything() == before


def test_a_lost_file_is_absent_and_no_download_is_recorded(api, cast):
    made = api(cast.owner).post(EXPORTS).json()
    default_storage.delete(make(cast, made).path)
    before = everything()
    refused = api(cast.owner).get(f"{EXPORTS}/{made['id']}/download")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert everything() == before


@pytest.mark.parametrize("role", ["admin", "developer", "viewer"])
def test_only_owners_may(api, cast, role):
    made = api(cast.owner).post(EXPORTS).json()
    make(cast, made)
    before, member = everything(), api(cast.member(role))
    for answer in (
        member.get(EXPORTS),
        member.post(EXPORTS),
        member.get(f"{EXPORTS}/{made['id']}"),
        member.get(f"{EXPORTS}/{made['id']}/download"),
    ):
        assert (answer.status_code, answer.json()["permission"]) == (403, "delete_org")
    assert everything() == before


def test_no_key_may(api, cast):
    answer = api(cast.secret_key).get(EXPORTS)
    assert (answer.status_code, answer.json()["permission"]) == (403, "delete_org")


def test_another_tenants_archive_is_absent(api, cast):
    made = api(cast.owner).post(EXPORTS).json()
    make(cast, made)
    before, outsider = everything(), api(cast.outsider)
    for path in (EXPORTS, f"/api/v1/orgs/globex/exports/{made['id']}"):
        for address in (path, f"{path}/download"):
            assert outsider.get(address).status_code == 404
    assert outsider.post(EXPORTS).status_code == 404
    assert outsider.get("/api/v1/orgs/globex/exports").json()["data"] == []
    assert everything() == before


@pytest.mark.parametrize("reference", ["exp_", "exp_zzz", "key_01h455vb4pex5vsknk084sn02q", "%00", "x" * 300])
def test_a_malformed_id_is_absent(api, cast, reference):
    for address in (f"{EXPORTS}/{reference}", f"{EXPORTS}/{reference}/download"):
        assert api(cast.owner).get(address).status_code == 404


def test_a_body_that_says_something_is_refused(api, cast):
    refused = api(cast.owner).post(EXPORTS, {"tables": ["keys"]})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    with tenant_scope(cast.acme.id):
        assert not DataExport.objects.exists()


def test_the_document_says_that_the_download_is_a_file():
    answers = document()["paths"]["/api/v1/orgs/{organization}/exports/{export}/download"]["get"]["responses"]
    assert list(answers["200"]["content"]) == ["application/zip"]
    assert "409" in answers
