"""The archive of everything: whole, the organization's own, without secrets."""

import json
import zipfile

import pytest
import time_machine
from django.core.files.storage import default_storage
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.errors import Absent, Conflict
from config.kernel.tenancy.scope import tenant_scope
from orgs import exporting
from orgs.models import DataExport
from orgs.services import exports
from orgs.tasks import tend_exports
from tests.brokers import Broker
from tests.cast import Cast


def finished(cast: Cast) -> DataExport:
    export = exports.request_export(actor=cast.principal(cast.owner))
    assert exporting.make_export(export.id) == "ready"
    export.refresh_from_db()
    return export


def test_the_archive_holds_every_table_of_the_organization_and_nothing_of_another(cast: Cast):
    with tenant_scope(cast.acme.id):
        export = finished(cast)
    with default_storage.open(export.path) as file, zipfile.ZipFile(file) as archive:
        tables = {name: archive.read(name).decode().splitlines() for name in archive.namelist()}
    assert len(tables) == export.tables_total == export.tables_done
    assert {json.loads(line)["email"] for line in tables["users.jsonl"]} == {
        "olivia@acme.example", "adam@acme.example", "dora@acme.example", "victor@acme.example",
    }  # fmt: skip
    assert len(tables["keys_key.jsonl"]) == 2
    everything = "\n".join(line for lines in tables.values() for line in lines)
    assert "Globex" not in everything
    assert str(cast.globex.id) not in everything
    assert cast.secret_key not in everything
    assert cast.owner.password not in everything
    assert "digest" not in everything


def test_only_one_is_made_at_a_time(cast: Cast):
    with tenant_scope(cast.acme.id):
        exports.request_export(actor=cast.principal(cast.owner))
        with pytest.raises(Conflict):
            exports.request_export(actor=cast.principal(cast.owner))
        assert DataExport.objects.count() == 1


def test_one_that_a_killed_worker_left_is_made_from_the_beginning(cast: Cast):
    with tenant_scope(cast.acme.id):
        export = exports.request_export(actor=cast.principal(cast.owner))
        DataExport.objects.update(state="running", tables_done=3, rows=99)
        assert exporting.make_export(export.id) == "ready"
        assert exporting.make_export(export.id) == "gone"
        export.refresh_from_db()
        assert export.tables_done == export.tables_total


def test_one_that_the_queue_forgot_is_made_all_the_same(committed_cast: Cast, broker: Broker):
    with tenant_scope(committed_cast.acme.id):
        exports.request_export(actor=committed_cast.principal(committed_cast.owner))
    broker.kill()
    broker.start()
    assert tend_exports() == "asked 0", "it may be on its way yet"
    with time_machine.travel(timezone.now() + exporting.STALE, tick=True):
        assert (tend_exports(), tend_exports()) == ("asked 1", "asked 0")
        assert broker.work() == [("orgs.make_export", "ready")]
        assert tend_exports() == "asked 0"
    with time_machine.travel(timezone.now() + 3 * exporting.STALE, tick=True):
        assert tend_exports() == "asked 0"


def test_downloads_are_on_the_record_and_other_organizations_find_nothing(cast: Cast):
    with tenant_scope(cast.acme.id):
        export = finished(cast)
        exports.open_archive(actor=cast.principal(cast.owner), export=export.public_id)[1].close()
        assert AuditEvent.objects.filter(event="export.downloaded", target_id=export.public_id).count() == 1
    with tenant_scope(cast.globex.id), pytest.raises(Absent):
        exports.open_archive(actor=cast.principal(cast.outsider), export=export.public_id)


def test_old_archives_make_room(cast: Cast):
    with tenant_scope(cast.acme.id):
        made = [finished(cast) for _ in range(exporting.KEPT + 1)]
        assert not default_storage.exists(made[0].path)
        with pytest.raises(Absent):
            exports.open_archive(actor=cast.principal(cast.owner), export=made[0].public_id)
        assert default_storage.exists(made[-1].path)
