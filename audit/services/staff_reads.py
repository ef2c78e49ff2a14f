"""What the operator's staff look at inside an organization, on the organization's own record."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from audit import events
from audit.models import AuditEvent, AuditEventQuerySet
from audit.services.records import LABEL_LENGTH, Target, record
from config.kernel.principals import Principal
from config.kernel.tenancy.scope import tenant_scope

# One person who looks at one thing again and again within that time is one record.
QUIET = timedelta(minutes=10)


@transaction.atomic
def record_staff_read(
    *, actor: Principal, organization_id: UUID, what: str, kind: str, reference: str, label: str, search: str = ""
) -> None:
    """Records `staff.read`. `what` is `object`, `list` or `download`; `kind`, `reference` and `label` say of what.

    `search` are the words that a list was narrowed by; with other ones it is another thing.
    """
    if organization_id not in import_string(settings.TENANTRY_AUDIT_DAYS)([organization_id]):
        return  # nobody has it, so there is nothing to look at either
    with tenant_scope(organization_id):
        lately = AuditEvent.objects.between(timezone.now() - QUIET, None).matching(
            event=events.STAFF_READ.name, actor_id=actor.id, target_id=reference
        )
        if any(seen.get("what") == what and seen.get("search", "") == search for seen in _data(lately)):
            return
        data = {"what": what, "kind": kind}
        record(
            events.STAFF_READ,
            actor=actor,
            target=Target(kind, reference, label[:LABEL_LENGTH]),
            data={**data, "search": search} if search else data,
        )


def _data(rows: AuditEventQuerySet) -> list[dict[str, str]]:
    return list(rows.values_list("data", flat=True))
