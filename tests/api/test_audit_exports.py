"""`/api/v1/orgs/{org}/audit-exports`, and signing checkpoints."""

import io
import json
import zipfile
from typing import Any

import pytest

from audit import exporting
from audit.chain import COLUMNS, canonical, first_digest, next_digest
from audit.models import AuditCheckpoint, AuditEvent, AuditExport, AuditSeal
from audit.sealing import seal_all
from config.kernel.tenancy.scope import tenant_scope
from tests.api.rows import everything
from tests.cast import Cast

EXPORTS = "/api/v1/orgs/acme/audit-exports"
CHECKPOINTS = "/api/v1/orgs/acme/audit-checkpoints"


def make(cast: Cast, asked: dict[str, Any]) -> AuditExport:
    with tenant_scope(cast.acme.id):
        export = AuditExport.objects.by_reference(asked["id"])
        exporting.make_export(export.id)
        export.refresh_from_db()
    return export


def test_an_export_is_asked_for_made_and_downloaded(api, cast):
    viewer = api(cast.viewer)
    answer = viewer.post(EXPORTS, {"format": "jsonl", "event": "key.*", "since": "2026-01-01T00:00:00+01:00"})
    asked = answer.json()
    assert (answer.status_code, asked["state"], asked["downloadable"], asked["whole"]) == (201, "waiting", False, False)
    assert asked["filters"] == {"event": "key.*", "since": "2025-12-31T23:00:00.000000Z"}
    assert asked["requested_by"] == cast.viewer.public_id
    export = make(cast, asked)
    ready = viewer.get(f"{EXPORTS}/{asked['id']}").json()
    assert (ready["state"], ready["downloadable"], ready["size"]) == ("ready", True, export.size)
    assert ready["rows_done"] == ready["rows_total"] == 2
    assert viewer.get(EXPORTS).json() == {"data": [ready], "next": None}
    file = viewer.get(f"{EXPORTS}/{asked['id']}/download")
    assert (file.status_code, file["Content-Type"], file["Cache-Control"]) == (200, "application/zip", "no-store")
    assert file["Content-Disposition"].startswith('attachment; filename="acme-audit-')
    assert file.streaming
    archive = zipfile.ZipFile(io.BytesIO(b"".join(file.streaming_content)))
    events = [json.loads(line)["event"] for line in archive.read("records.jsonl").splitlines()]
    assert events == ["key.created", "key.created"]
    with tenant_scope(cast.acme.id):
        told = list(AuditEvent.objects.filter(target_id=asked["id"]).order_by("id").values_list("event", "actor_id"))
    assert told == [
        ("audit_export.requested", cast.viewer.public_id),
        ("audit_export.finished", "system"),
        ("audit_export.downloaded", cast.viewer.public_id),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "format"), ({"format": "xml"}, "format"), ({"format": 1}, "format"),
        ({"format": "csv", "event": "Project"}, "event"), ({"format": "csv", "result": "maybe"}, "result"),
        ({"format": "csv", "actor": "\x00"}, "actor"), ({"format": "csv", "target": "x" * 81}, "target"),
        ({"format": "csv", "ip": "somewhere"}, "ip"), ({"format": "csv", "since": "yesterday"}, "since"),
        ({"format": "csv", "since": "2026-01-02T00:00:00Z", "until": "2026-01-02T00:00:00Z"}, "until"),
        ({"format": "csv", "sinse": "2026-01-02T00:00:00Z"}, "sinse"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(api, cast, body, field):
    before = everything()
    refused = api(cast.viewer).post(EXPORTS, body)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    assert list(refused.json()["errors"]) == [field]
    assert everything() == before


def test_one_is_made_at_a_time_until_it_is_cancelled(api, cast):
    asked = api(cast.viewer).post(EXPORTS, {"format": "csv"}).json()
    before = everything()
    refused = api(cast.owner).post(EXPORTS, {"format": "csv"})
    assert (refused.status_code, refused.json()["code"]) == (409, "export_running")
    unfinished = api(cast.viewer).get(f"{EXPORTS}/{asked['id']}/download")
    assert (unfinished.status_code, unfinished.json()["code"]) == (409, "export_unfinished")
    assert everything() == before
    cancelled = api(cast.owner).post(f"{EXPORTS}/{asked['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    before = everything()
    again = api(cast.owner).post(f"{EXPORTS}/{asked['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "export_ended")
    assert api(cast.viewer).get(f"{EXPORTS}/{asked['id']}/download").json()["code"] == "export_failed"
    assert everything() == before
    assert api(cast.owner).post(EXPORTS, {"format": "csv"}).status_code == 201


def test_the_same_request_twice_asks_once(api, cast):
    headers = {"Idempotency-Key": "monthly"}
    first, again = (api(cast.viewer).post(EXPORTS, {"format": "csv"}, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    with tenant_scope(cast.acme.id):
        assert AuditExport.objects.count() == 1


def test_whoever_may_not_read_the_log_may_not_export_it(api, cast):
    asked = api(cast.viewer).post(EXPORTS, {"format": "csv"}).json()
    before = everything()
    key = api(cast.secret_key)
    for answer in (
        key.get(EXPORTS),
        key.post(EXPORTS, {"format": "csv"}),
        key.get(f"{EXPORTS}/{asked['id']}"),
        key.post(f"{EXPORTS}/{asked['id']}/cancel"),
        key.get(f"{EXPORTS}/{asked['id']}/download"),
        key.post(CHECKPOINTS),
    ):
        assert (answer.status_code, answer.json()["permission"]) == (403, "view_audit")
    assert everything() == before


def test_another_tenants_export_is_absent(api, cast):
    asked = api(cast.viewer).post(EXPORTS, {"format": "csv", "event": "key.*"}).json()
    make(cast, asked)
    before, outsider = everything(), api(cast.outsider)
    for path in (EXPORTS, "/api/v1/orgs/globex/audit-exports"):
        for address in (f"{path}/{asked['id']}", f"{path}/{asked['id']}/download"):
            assert outsider.get(address).status_code == 404
        assert outsider.post(f"{path}/{asked['id']}/cancel").status_code == 404
    assert outsider.post(EXPORTS, {"format": "csv"}).status_code == 404
    assert outsider.post(CHECKPOINTS).status_code == 404
    assert outsider.get("/api/v1/orgs/globex/audit-exports").json()["data"] == []
    assert everything() == before


def test_a_checkpoint_is_signed_on_request_and_once_for_each_link(api, cast):
    before = everything()
    early = api(cast.viewer).post(CHECKPOINTS)
    assert (early.status_code, early.json()["code"]) == (409, "nothing_sealed")
    assert everything() == before
    seal(cast)
    signed = api(cast.viewer).post(CHECKPOINTS)
    assert signed.status_code == 200
    again = api(cast.viewer).post(CHECKPOINTS)
    assert again.json() == signed.json()
    assert api(cast.viewer).get(CHECKPOINTS).json()["data"] == [signed.json()]
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.get(event="audit_checkpoint.signed")
        assert AuditCheckpoint.objects.count() == 1
    assert (event.actor_id, event.data) == (cast.viewer.public_id, {"sequence": signed.json()["sequence"]})


def seal(cast: Cast) -> None:
    """Where the test is one transaction nothing counts as committed, so a link is written as the sealer would."""
    seal_all()
    with tenant_scope(cast.acme.id):
        if not AuditSeal.objects.exists():
            row = AuditEvent.objects.order_by("id").values_list(*COLUMNS).first()
            digest = next_digest(first_digest(cast.acme.id), canonical(row))
            AuditSeal.objects.create(id=row[0], sequence=1, digest=digest)
