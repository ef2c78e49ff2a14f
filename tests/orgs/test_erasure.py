"""Deleting an organization: the grace period, restoring, and what is left when it is over."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.errors import Conflict, Invalid
from config.kernel.tenancy.models import TenantModel
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from orgs.erasure import erase_due
from orgs.models import Membership, Organization
from orgs.retention import grace_days
from orgs.services import organizations
from tests.cast import Cast
from tests.database import owner_connection
from tests.grace import end_grace_period
from tests.webhooks.rows import endpoint_rows


@pytest.fixture
def deleting(committed_cast: Cast) -> Cast:
    with tenant_scope(committed_cast.acme.id):
        organizations.delete_organization(actor=committed_cast.principal(committed_cast.owner), confirmation="acme")
    return committed_cast


def rows_of(organization: Organization) -> dict[str, int]:
    counts = {}
    with system_scope("test"), connection.cursor() as cursor:
        for model in apps.get_models():
            if issubclass(model, TenantModel):
                table = model._meta.db_table
                cursor.execute(f"SELECT count(*) FROM {table} WHERE org_id = %s", [organization.id])
                counts[table] = cursor.fetchone()[0]
    return counts


def test_the_slug_must_be_typed(cast: Cast):
    with tenant_scope(cast.acme.id), pytest.raises(Invalid):
        organizations.delete_organization(actor=cast.principal(cast.owner), confirmation="Acme")
    cast.acme.refresh_from_db()
    assert cast.acme.status == "active"


def test_nothing_is_erased_within_the_grace_period(deleting: Cast):
    before = rows_of(deleting.acme)
    with time_machine.travel(timezone.now() + timedelta(days=13, hours=23)):
        assert erase_due() == 0
    assert rows_of(deleting.acme) == before


def test_it_can_be_restored(deleting: Cast):
    with tenant_scope(deleting.acme.id):
        organizations.restore_organization(actor=deleting.principal(deleting.owner))
        with pytest.raises(Conflict):
            organizations.restore_organization(actor=deleting.principal(deleting.owner))
    deleting.acme.refresh_from_db()
    assert (deleting.acme.status, deleting.acme.erase_after) == ("active", None)


def test_it_cannot_be_restored_when_the_grace_period_is_over(deleting: Cast):
    end_grace_period(deleting.acme)
    with tenant_scope(deleting.acme.id), pytest.raises(Conflict):
        organizations.restore_organization(actor=deleting.principal(deleting.owner))


@pytest.mark.parametrize("besides", ["", ", deleting_since = now() - interval '1 year'"])
def test_whoever_writes_dates_past_the_services_does_not_shorten_the_grace_period(committed_cast: Cast, besides: str):
    """With the password of the runtime role, say. Twice: the second time it is being deleted already."""
    cast = committed_cast
    name = default_storage.save(f"tenants/{cast.acme.id}/exports/a.txt", ContentFile(b"data"))
    before = rows_of(cast.acme)
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE orgs_organization SET status = 'deleting', erase_after = now() - interval '1 year'"
                f"{besides} WHERE id = %s",
                [cast.acme.id],
            )
    assert erase_due() == 0
    with system_scope("test"), pytest.raises(DatabaseError, match="not due"), transaction.atomic():
        connection.cursor().execute("SELECT audit_erase_organization(%s)", [cast.acme.id])
    with tenant_scope(cast.acme.id), pytest.raises(DatabaseError, match="last owner"), transaction.atomic():
        Membership.objects.all().delete_all()
    assert rows_of(cast.acme) == before
    assert default_storage.exists(name)
    with tenant_scope(cast.acme.id):
        organizations.restore_organization(actor=cast.principal(cast.owner))
    cast.acme.refresh_from_db()
    assert (cast.acme.status, cast.acme.erase_after, cast.acme.deleting_since) == ("active", None, None)
    default_storage.delete(name)


def test_an_organization_does_not_take_over_the_grace_period_of_another_one(committed_cast: Cast):
    """With the password of the runtime role: one that was deleted long ago is given its id."""
    cast = committed_cast
    end_grace_period(cast.globex)
    before = rows_of(cast.acme)
    rename = "UPDATE orgs_organization SET id = %s WHERE id = %s"
    with system_scope("test"), pytest.raises(DatabaseError, match="not due"), transaction.atomic():
        cursor = connection.cursor()
        cursor.execute(rename, [uuid4(), cast.acme.id])
        cursor.execute(rename, [cast.acme.id, cast.globex.id])
        cursor.execute("SELECT audit_erase_organization(%s)", [cast.acme.id])
    assert rows_of(cast.acme) == before


def test_the_grace_period_begins_anew_with_each_deletion(deleting: Cast):
    end_grace_period(deleting.acme)
    Organization.objects.filter(id=deleting.acme.id).update(status="active", erase_after=None)
    past = timezone.now() - timedelta(days=1)
    Organization.objects.filter(id=deleting.acme.id).update(status="deleting", erase_after=past)
    assert erase_due() == 0


@pytest.mark.parametrize(("days", "erased"), [(0, 1), (1, 0)])
def test_the_database_waits_for_as_long_as_migrate_told_it(committed_cast: Cast, settings: Any, days: int, erased: int):
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        settings.TENANTRY_DELETION_GRACE_DAYS = days
        owner.execute(grace_days())
        try:
            with tenant_scope(committed_cast.acme.id):
                organizations.delete_organization(
                    actor=committed_cast.principal(committed_cast.owner), confirmation="acme"
                )
            Organization.objects.update(erase_after=timezone.now(), status="deleting")
            assert erase_due() == erased * 2
        finally:
            settings.TENANTRY_DELETION_GRACE_DAYS = 14
            owner.execute(grace_days())


def test_erasing_takes_every_row_and_file_and_leaves_a_tombstone(deleting: Cast):
    with tenant_scope(deleting.acme.id):
        endpoint_rows()
    name = default_storage.save(f"tenants/{deleting.acme.id}/exports/a.txt", ContentFile(b"data"))
    foreign = rows_of(deleting.globex)
    end_grace_period(deleting.acme)
    assert erase_due() == 1
    assert set(rows_of(deleting.acme).values()) == {0}
    assert not Organization.objects.filter(id=deleting.acme.id).exists()
    assert rows_of(deleting.globex) == foreign
    assert not default_storage.exists(name)
    with tenant_scope(INSTALLATION_ID):
        tombstone = AuditEvent.objects.get(event="organization.erased")
    assert tombstone.target_id == deleting.acme.public_id
    rows = tombstone.data["rows"]
    # Attempts go with their deliveries, and are counted all the same.
    assert (rows["orgs_membership"], rows["webhook_delivery"], rows["webhook_attempt"]) == (4, 3, 4)
    assert erase_due() == 0
