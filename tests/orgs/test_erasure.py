"""Deleting an organization: the grace period, restoring, and what is left when it is over."""

from datetime import timedelta

import pytest
import time_machine
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.errors import Conflict, Invalid
from config.kernel.tenancy.models import TenantModel
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from orgs.erasure import erase_due
from orgs.models import Organization
from orgs.services import organizations
from tests.cast import Cast
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


def end_grace_period(organization: Organization) -> None:
    Organization.objects.filter(id=organization.id).update(erase_after=timezone.now() - timedelta(seconds=1))


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
