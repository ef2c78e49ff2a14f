"""The pages of data exports: ask, watch, download."""

import io
import zipfile
from typing import Any

import pytest
from django.core.files.storage import default_storage

from audit.models import AuditEvent
from config.kernel.tenancy.scope import tenant_scope
from orgs import exporting
from orgs.models import DataExport
from orgs.services import exports
from tests.cast import Cast

PAGE = "/orgs/acme/settings/exports/"


def text_of(answer: Any) -> str:
    return answer.content.decode()


def ask(cast: Cast) -> DataExport:
    with tenant_scope(cast.acme.id):
        return exports.request_export(actor=cast.principal(cast.owner))


def finish(cast: Cast) -> DataExport:
    export = ask(cast)
    with tenant_scope(cast.acme.id):
        exporting.make_export(export.id)
        export.refresh_from_db()
    return export


def downloads(cast: Cast) -> int:
    with tenant_scope(cast.acme.id):
        return AuditEvent.objects.filter(event="export.downloaded").count()


def download(cast: Cast, browser: Any, export: DataExport) -> Any:
    return browser.get(f"{PAGE}{export.public_id}/download/")


def test_an_owner_asks_watches_and_downloads(cast: Cast, browse: Any):
    browser = browse(cast.owner)
    assert PAGE in text_of(browser.get("/orgs/acme/settings/"))
    assert "No archive yet" in text_of(browser.get(PAGE))
    assert browser.post(PAGE)["Location"] == PAGE
    waiting = text_of(browser.get(PAGE))
    assert "Being made" in waiting
    assert "Make an archive" not in waiting
    with tenant_scope(cast.acme.id):
        export = DataExport.objects.get()
        assert export.requested_by_id == cast.owner.id
        exporting.make_export(export.id)
    ready = text_of(browser.get(PAGE))
    assert "Make an archive" in ready
    assert f"{PAGE}{export.public_id}/download/" in ready
    answer = download(cast, browser, export)
    assert answer["Content-Type"] == "application/zip"
    assert answer["Content-Disposition"] == f'attachment; filename="acme-{export.created_at:%Y-%m-%d}.zip"'
    assert answer["Cache-Control"] == "no-store"
    archive = b"".join(answer.streaming_content)
    assert int(answer["Content-Length"]) == len(archive)
    assert "projects_project.jsonl" in zipfile.ZipFile(io.BytesIO(archive)).namelist()
    assert downloads(cast) == 1


def test_the_list_alone_polls_while_an_archive_is_made_and_says_when_it_is_ready(cast: Cast, browse: Any):
    browser, fragment = browse(cast.owner), {"HX-Request": "true", "HX-Target": "exports"}
    export = ask(cast)
    with tenant_scope(cast.acme.id):
        DataExport.objects.update(state="running", tables_done=3, tables_total=9, rows=1)
    running = browser.get(PAGE, headers=fragment)
    assert "HX-Target" in running["Vary"]
    assert "<html" not in text_of(running)
    assert f'hx-get="{PAGE}" hx-trigger="every 2s"' in text_of(running)
    assert 'value="3" max="9"' in text_of(running)
    assert "1 row so far" in text_of(running)
    with tenant_scope(cast.acme.id):
        exporting.make_export(export.id)
    ready = text_of(browser.get(PAGE, headers=fragment))
    assert "every 2s" not in ready
    assert "The archive is ready." in ready
    assert "The archive is ready." not in text_of(browser.get(PAGE))


def test_a_failure_is_said(cast: Cast, browse: Any):
    export = ask(cast)
    with tenant_scope(cast.acme.id):
        DataExport.objects.update(state="failed")
    browser = browse(cast.owner)
    assert "Failed" in text_of(browser.get(PAGE))
    assert "making it failed" in text_of(browser.get(PAGE, headers={"HX-Request": "true", "HX-Target": "exports"}))
    refused = download(cast, browser, export)
    assert refused.status_code == 409
    assert "ask for another" in text_of(refused)


def test_one_is_made_at_a_time(cast: Cast, browse: Any):
    ask(cast)
    refused = browse(cast.owner).post(PAGE)
    assert refused.status_code == 409
    assert "wait until it is ready" in text_of(refused)
    with tenant_scope(cast.acme.id):
        assert DataExport.objects.count() == 1


def test_an_unfinished_archive_cannot_be_downloaded(cast: Cast, browse: Any):
    export = ask(cast)
    for state in ("waiting", "running"):
        with tenant_scope(cast.acme.id):
            DataExport.objects.update(state=state)
        refused = download(cast, browse(cast.owner), export)
        assert refused.status_code == 409
        assert "wait until it is ready" in text_of(refused)
    assert downloads(cast) == 0


def test_an_archive_without_its_file_is_absent_and_no_download_is_recorded(cast: Cast, browse: Any):
    browser, export = browse(cast.owner), finish(cast)
    default_storage.delete(export.path)
    assert download(cast, browser, export).status_code == 404
    with tenant_scope(cast.acme.id):
        DataExport.objects.update(path="")
    assert "Made room for newer ones" in text_of(browser.get(PAGE))
    assert download(cast, browser, export).status_code == 404
    assert downloads(cast) == 0


@pytest.mark.parametrize("role", ["admin", "developer", "viewer"])
def test_only_owners_see_archives(cast: Cast, browse: Any, role: str):
    browser, export = browse(cast.member(role)), finish(cast)
    assert PAGE not in text_of(browser.get("/orgs/acme/settings/"))
    for answer in (browser.get(PAGE), browser.post(PAGE), download(cast, browser, export)):
        assert answer.status_code == 403
        assert "delete_org" in text_of(answer)
    assert downloads(cast) == 0
    with tenant_scope(cast.acme.id):
        assert DataExport.objects.count() == 1


def test_another_tenants_archive_is_absent(cast: Cast, browse: Any):
    browser, export = browse(cast.outsider), finish(cast)
    assert browser.get(PAGE).status_code == 404
    assert browser.post(PAGE).status_code == 404
    for reference in (export.public_id, "exp_01h455vb4pex5vsknk084sn02q", "exp_", "x%00", "..%2F.."):
        assert browser.get(f"/orgs/globex/settings/exports/{reference}/download/").status_code == 404
    assert export.public_id not in text_of(browser.get("/orgs/globex/settings/exports/"))
    assert downloads(cast) == 0


def test_old_archives_are_on_older_pages(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        made = [DataExport.objects.create(state="failed") for _ in range(51)]
        DataExport.objects.filter(id=made[0].id).update(state="waiting")
    newest = text_of(browse(cast.owner).get(PAGE))
    assert newest.count("<tr>") == 51
    assert "Older" in newest
