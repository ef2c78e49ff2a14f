"""What the operator's staff look at inside an organization, on the organization's own record."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from audit import events
from audit.models import AuditEvent
from audit.services.records import LABEL_LENGTH, Target, record_everywhere
from config.kernel.principals import Principal
from config.kernel.tenancy.scope import system_scope

# One person who looks at one thing again and again within that time is one record.
QUIET = timedelta(minutes=10)


@transaction.atomic
def record_staff_read(
    *,
    actor: Principal,
    organization_ids: Collection[UUID],
    what: str,
    kind: str,
    reference: str,
    label: str,
    search: str = "",
) -> None:
    """Records `staff.read` in each organization. `what` is `object`, `list` or `download`; the rest says of what.

    `search` are the words that a list was narrowed by; with other ones it is another thing. However many organizations
    there are, it takes the same few statements.
    """
    # Nobody has those that do not exist, so there is nothing to look at either.
    existing = set(import_string(settings.TENANTRY_AUDIT_DAYS)(organization_ids))
    data = {"what": what, "kind": kind, **({"search": search} if search else {})}
    with system_scope("what a member of staff has looked at lately in several organizations"):
        lately = AuditEvent.objects.between(timezone.now() - QUIET, None).matching(
            event=events.STAFF_READ.name, actor_id=actor.id, target_id=reference
        )
        seen = set(lately.filter(org_id__in=existing, data=data).values_list("org_id", flat=True))
    record_everywhere(
        events.STAFF_READ,
        actor=actor,
        target=Target(kind, reference, label[:LABEL_LENGTH]),
        data=data,
        organization_ids=existing - seen,
    )
