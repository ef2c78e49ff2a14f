"""Erasing an organization for good, once its grace period is over."""

from uuid import UUID

import structlog
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from audit.services import Target, record
from config.kernel.principals import SYSTEM
from config.kernel.stored_files import delete_folder
from config.kernel.tenancy.grants import privileges_of
from config.kernel.tenancy.models import TenantModel
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from orgs import encryption, events
from orgs.models import Organization

logger = structlog.get_logger()


def erase_due() -> int:
    """Erases each organization that is due, one by one: a failing one does not stop the others. Returns how many."""
    erased = 0
    for organization_id in Organization.objects.due_for_erasure().values_list("id", flat=True):
        try:
            erased += erase(organization_id)
        except (DatabaseError, OSError):
            logger.exception("organization could not be erased", organization_id=str(organization_id))
    return erased


def erase(organization_id: UUID) -> bool:
    """Deletes every file and row, and leaves a tombstone on the installation's log. False when it is not due.

    Files go first: what is due cannot be restored any more, and a process killed in between leaves it due.
    """
    due = Organization.objects.due_for_erasure().filter(id=organization_id).first()
    if due is None or not due.may_be_erased():
        return False
    delete_folder(f"tenants/{organization_id}")
    with transaction.atomic():
        organization = (
            Organization.objects.due_for_erasure()
            .select_for_update(skip_locked=True)
            .filter(id=organization_id)
            .first()
        )
        if organization is None:
            return False
        target = Target("organization", organization.public_id, organization.name)
        with tenant_scope(organization_id):
            rows = _delete_rows(organization_id)
        organization.delete()
        record(
            events.ORGANIZATION_ERASED,
            actor=SYSTEM,
            target=target,
            data={"rows": rows},
            org_id=INSTALLATION_ID,
        )
    encryption.forget(organization_id)
    return True


def _delete_rows(organization_id: UUID) -> dict[str, int]:
    """Counts by table. The ledger's rows go through a function of the owner's, which checks that it is time.

    They go first: from then on nothing is sealed until the end, so that nothing is added to what is known of them.
    """
    deleted = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT audit_erase_organization(%s)", [organization_id])
        deleted["audit_event"] = cursor.fetchone()[0]
        # Backwards, so that rows which go with others are counted first.
        for model in reversed(apps.get_models()):
            if issubclass(model, TenantModel) and "DELETE" in privileges_of(model):
                deleted[model._meta.db_table] = model.objects.all().delete_all()
    return {table: count for table, count in deleted.items() if count}
