"""The dashboard's pages of exports and checkpoints, and following new records."""

import io
import json
import re
import zipfile
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from audit import exporting
from audit.models import AuditCheckpoint, AuditEvent, AuditExport, first_id_at
from audit.services import Target, record
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from orgs import plans
from projects.events import PROJECT_RESTORED
from tests.api.rows import everything
from tests.api.test_audit_exports import seal
from tests.cast import Cast

AUDIT = "/orgs/acme/audit/"
EXPORTS = f"{AUDIT}exports/"
CHECKPOINTS = f"{AUDIT}checkpoints/"
FRAGMENT = {"HX-Request": "true", "HX-Target": "audit-exports"}
TABLE = {"HX-Request": "true", "HX-Target": "records"}


def text_of(answer: Any) -> str:
    return unescape(answer.content.decode())


def exports(cast: Cast) -> list[AuditExport]:
    with tenant_scope(cast.acme.id):
        return list(AuditExport.objects.order_by("-id"))


def finish(cast: Cast) -> AuditExport:
    export = exports(cast)[0]
    with tenant_scope(cast.acme.id):
        assert exporting.make_export(export.id) == "ready"
        export.refresh_from_db()
    return export


def write(cast: Cast, label: str = "Rocket") -> AuditEvent:
    with tenant_scope(cast.acme.id), transaction.atomic():
        return record(PROJECT_RESTORED, actor=SYSTEM, target=Target("project", "prj_1", label))


def test_somebody_asks_watches_and_downloads(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    assert "No export yet" in text_of(browser.get(EXPORTS))
    asked = browser.post(EXPORTS, {"format": "csv", "event": "key.*", "actor": "system"})
    assert asked["Location"] == EXPORTS
    waiting = browser.get(EXPORTS, headers=FRAGMENT)
    assert "HX-Target" in waiting["Vary"]
    assert "<html" not in text_of(waiting)
    assert f'hx-get="{EXPORTS}" hx-trigger="every 2s"' in text_of(waiting)
    with tenant_scope(cast.acme.id):
        AuditExport.objects.update(rows_done=3, rows_total=9)
    assert 'value="3" max="9"' in text_of(browser.get(EXPORTS, headers=FRAGMENT))
    assert "New export" not in text_of(browser.get(EXPORTS))
    export = finish(cast)
    assert export.filters == {"event": "key.*", "actor": "system"}
    ready = text_of(browser.get(EXPORTS, headers=FRAGMENT))
    assert "The export is ready." in ready
    assert "every 2s" not in ready
    assert "event key.*" in ready
    assert "actor system" in ready
    assert "New export" in ready  # whose form the page has not had meanwhile
    file = browser.get(f"{EXPORTS}{export.public_id}/download/")
    assert (file["Content-Type"], file["Cache-Control"]) == ("application/zip", "no-store")
    archive = zipfile.ZipFile(io.BytesIO(b"".join(file.streaming_content)))
    assert "records.csv" in archive.namelist()


def test_an_export_says_in_words_what_it_is_narrowed_to(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    given = {"q": "laptop", "since": "2026-11-01T00:00", "until": "2026-11-02T12:30", "ip": "192.0.2.7"}
    browser.post(EXPORTS, {"format": "csv", **given})
    told = "words laptop, IP address 192.0.2.7, from 1 Nov 2026, 00:00 UTC, before 2 Nov 2026, 12:30 UTC (CSV)"
    assert told in text_of(browser.get(EXPORTS))


def test_the_filters_of_the_log_come_along(cast: Cast, browse: Any):
    page = text_of(browse(cast.viewer).get(f"{EXPORTS}?event=key.created&actor=usr_1&since=2026-11-01T00:00&x=1"))
    assert re.search(r'<option value="key.created"\s+selected', page)
    assert 'value="usr_1"' in page
    assert 'value="2026-11-01T00:00"' in page


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "required"), ({"format": "xml"}, "valid choice"), ({"format": "csv", "event": "x"}, "valid choice"),
        ({"format": "csv", "since": "soon"}, "valid date"), ({"format": "csv", "ip": "here"}, "IPv4"),
        ({"format": "csv", "since": "2026-01-02T00:00", "until": "2026-01-01T00:00"}, "after the first"),
        ({"format": "csv", "actor": "x" * 81}, "at most 80"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_the_form(cast: Cast, browse: Any, given: dict[str, str], words: str):
    browser, before = browse(cast.viewer), everything()
    refused = browser.post(EXPORTS, given)
    assert refused.status_code == 422
    assert words in text_of(refused)
    assert everything() == before


def test_one_is_made_at_a_time_and_can_be_stopped(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    browser.post(EXPORTS, {"format": "jsonl"})
    refused = browser.post(EXPORTS, {"format": "jsonl"})
    assert refused.status_code == 409
    assert "wait until it is ready, or stop it" in text_of(refused)
    (export,) = exports(cast)
    address = f"{EXPORTS}{export.public_id}"
    assert browser.get(f"{address}/download/").status_code == 409
    assert browser.post(f"{address}/cancel/")["Location"] == EXPORTS
    assert "The export was stopped." in text_of(browser.get(EXPORTS))
    assert "The export is stopped." in text_of(browser.get(EXPORTS, headers=FRAGMENT))
    browser.post(f"{address}/cancel/")
    assert "nothing to stop" in text_of(browser.get(EXPORTS))
    assert browser.get(f"{address}/download/").status_code == 409
    assert [export.state for export in exports(cast)] == ["cancelled"]


def test_another_tenants_exports_and_checkpoints_are_absent(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        export = AuditExport.objects.create(format="csv")
        checkpoint = AuditCheckpoint.objects.create(
            sequence=1, digest=b"d" * 32, sealed_at=timezone.now(), statement="s"
        )
    browser, before = browse(cast.outsider), everything()
    for base in (AUDIT, "/orgs/globex/audit/"):
        assert browser.get(f"{base}exports/{export.public_id}/download/").status_code == 404
        assert browser.post(f"{base}exports/{export.public_id}/cancel/").status_code == 404
        assert browser.get(f"{base}checkpoints/{checkpoint.public_id}/file/").status_code == 404
    assert browser.post(EXPORTS, {"format": "csv"}).status_code == 404
    assert browser.post(CHECKPOINTS).status_code == 404
    assert everything() == before


def test_checkpoints_are_listed_signed_and_kept(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    assert "No checkpoint yet" in text_of(browser.get(CHECKPOINTS))
    refused = browser.post(CHECKPOINTS)
    assert refused.status_code == 409
    assert "Nothing is sealed yet" in text_of(refused)
    seal(cast)
    assert browser.post(CHECKPOINTS)["Location"] == CHECKPOINTS
    with tenant_scope(cast.acme.id):
        row = AuditCheckpoint.objects.get()
    page = text_of(browser.get(CHECKPOINTS))
    assert f"Everything up to record {row.sequence} is signed." in page
    assert row.digest_text in page
    file = browser.get(f"{CHECKPOINTS}{row.public_id}/file/")
    assert file["Content-Disposition"] == f'attachment; filename="acme-audit-checkpoint-{row.sequence}.json"'
    assert file["Cache-Control"] == "no-store"
    kept = json.loads(file.content)
    assert (kept["statement"], kept["sequence"], kept["id"]) == (row.statement, row.sequence, row.public_id)
    for reference in ("acp_", "x", "acp_01h455vb4pex5vsknk084sn02q", "..%2F"):
        assert browser.get(f"{CHECKPOINTS}{reference}/file/").status_code == 404


# -- following -------------------------------------------------------------------------------------------------------
def poll_of(text: str) -> str:
    found = re.search(r'id="follow"[^>]* hx-get="([^"]+)"', text)
    assert found, "nothing is followed"
    return found[1]


def test_new_records_come_up_by_themselves_with_the_filters_kept(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    resting = text_of(browser.get(f"{AUDIT}?event=project.restored"))
    assert "every 2s" not in resting
    assert f'href="{AUDIT}?event=project.restored&follow=on"' in resting
    page = text_of(browser.get(f"{AUDIT}?event=project.restored&follow=on"))
    poll = poll_of(page)
    assert 'hx-trigger="every 2s"' in page
    assert f'href="{AUDIT}?event=project.restored"' in page  # the pause button
    quiet = browser.get(poll, headers=TABLE)
    assert (quiet.status_code, quiet.content) == (204, b"")
    first = write(cast, "Falcon")
    with tenant_scope(cast.acme.id):
        other = AuditEvent.objects.create(event="key.created", actor_label="Not looked for")
    answer = browser.get(poll, headers=TABLE)
    text = text_of(answer)
    assert first.public_id in text
    assert other.public_id not in text
    assert "New records." in text
    assert "HX-Push-Url" not in answer
    assert "shown=" not in text.replace(poll_of(text), "")
    assert poll_of(text) != poll
    assert browser.get(poll_of(text), headers=TABLE).status_code == 204


def test_a_record_that_was_committed_late_comes_up_among_older_ones(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    write(cast)
    poll = poll_of(text_of(browser.get(f"{AUDIT}?follow=on")))
    with tenant_scope(cast.acme.id):
        late = AuditEvent.objects.create(
            id=first_id_at(timezone.now() - timedelta(seconds=30)), event="project.restored"
        )
    assert late.public_id in text_of(browser.get(poll, headers=TABLE))


def test_older_pages_are_not_followed_and_other_tenants_not_seen(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    poll = poll_of(text_of(browser.get(f"{AUDIT}?follow=on")))
    with tenant_scope(cast.globex.id):
        foreign = AuditEvent.objects.create(event="project.restored")
    assert browser.get(poll, headers=TABLE).status_code == 204
    assert foreign.public_id not in text_of(browser.get(f"{AUDIT}?follow=on"))
    assert browse(cast.outsider).get(poll, headers=TABLE).status_code == 404
    for _ in range(51):
        write(cast)
    page = text_of(browser.get(f"{AUDIT}?follow=on"))
    older = re.search(r'href="([^"]*before=[^"]*)"', page)
    assert older
    assert "follow" not in older[1]
    assert "every 2s" not in text_of(browser.get(f"{older[1]}&follow=on"))


def test_asking_whether_there_is_news_costs_the_same_for_few_and_many(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    poll = poll_of(text_of(browser.get(f"{AUDIT}?follow=on")))
    browser.get(poll, headers=TABLE)
    with CaptureQueriesContext(connection) as few:
        assert browser.get(poll, headers=TABLE).status_code == 204
    for _ in range(60):
        write(cast)
    poll = poll_of(text_of(browser.get(f"{AUDIT}?follow=on")))
    with CaptureQueriesContext(connection) as many:
        assert browser.get(poll, headers=TABLE).status_code == 204
    assert len(few) == len(many)
    asked = [query["sql"] for query in many if "audit_event" in query["sql"]]
    assert len(asked) == 1


# -- retention -------------------------------------------------------------------------------------------------------
def test_what_the_plan_keeps_no_more_is_shown_nowhere(cast: Cast, browse: Any, api: Any):
    with tenant_scope(cast.acme.id):
        old = AuditEvent.objects.create(id=first_id_at(timezone.now() - timedelta(days=91)), event="project.restored")
        AuditEvent.objects.filter(id=old.id)
        young = AuditEvent.objects.create(id=first_id_at(timezone.now() - timedelta(days=89)), event="project.restored")
    browser, program = browse(cast.viewer), api(cast.viewer)

    def seen() -> list[bool]:
        found = []
        for one in (old, young):
            shown = [
                one.public_id in text_of(browser.get(AUDIT)),
                one.public_id in text_of(browser.get(f"{AUDIT}?event=project.restored&result=done")),
                browser.get(f"{AUDIT}{one.public_id}/").status_code == 200,
                one.public_id in program.get("/api/v1/orgs/acme/audit-events?limit=100").content.decode(),
                one.public_id
                in program.get("/api/v1/orgs/acme/audit-events?event=project.restored&result=done").content.decode(),
                program.get(f"/api/v1/orgs/acme/audit-events/{one.public_id}").status_code == 200,
            ]
            assert len(set(shown)) == 1, shown
            found.append(shown[0])
        return found

    assert seen() == [False, True]
    assert "Your plan keeps records for a time" in text_of(browser.get(AUDIT))
    with override_settings(TENANTRY_PLANS={"free": {"audit_days": None}}):
        plans.plans.cache_clear()
        assert seen() == [True, True]
        assert "Your plan keeps records for a time" not in text_of(browser.get(AUDIT))
    plans.plans.cache_clear()
