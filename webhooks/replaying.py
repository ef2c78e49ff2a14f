"""Making up for what an endpoint missed: what failed is delivered once more, what no delivery was made for at last.

Works in chunks, each a transaction of its own, and asks for the rest as a task of its own after some of them. A worker
that is killed repeats its chunks when the queue hands the task out again; that changes nothing, since an endpoint has
one delivery for an event, and a delivery that is pending is no failed one.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.models import AuditEvent, first_id_at
from config.kernel.tasks import enqueue
from webhooks.models import Delivery, Endpoint
from webhooks.patterns import matches, project_of
from webhooks.services.deliveries import replay_reach

CHUNK = 1000
CHUNKS_A_TASK = 20


def replay(endpoint_id: UUID, since: datetime, until: UUID, after: UUID | None) -> str:
    """Goes on behind the event `after`, up to the event `until`. Returns `done`, `more`, or `gone` for an endpoint that
    is deleted or disabled by now.
    """
    for _ in range(CHUNKS_A_TASK):
        with transaction.atomic():
            endpoint = Endpoint.objects.select_for_update().enabled().filter(id=endpoint_id).first()
            if endpoint is None:
                return "gone"
            after = _replay_chunk(endpoint, since, until, after)
        if after is None:
            return "done"
    enqueue("webhooks.replay", str(endpoint_id), since.isoformat(), str(until), str(after))
    return "more"


def _replay_chunk(endpoint: Endpoint, since: datetime, until: UUID, after: UUID | None) -> UUID | None:
    """The event that the chunk ended with; None after the last one."""
    # Events from before the endpoint were never meant for it, and of older ones nobody knows what was delivered.
    start = first_id_at(max(since, endpoint.created_at, timezone.now() - replay_reach()))
    rows = AuditEvent.objects.filter(id__gte=start, id__lte=until)
    if after is not None:
        rows = rows.filter(id__gt=after)
    found = list(rows.only("id", "event", "target_kind", "target_id", "data").order_by("id")[:CHUNK])
    if not found:
        return None
    first, last = found[0].id, found[-1].id
    now = timezone.now()
    failed = Delivery.objects.filter(
        endpoint=endpoint, state=Delivery.State.FAILED, event_id__gte=first, event_id__lte=last
    )
    list(failed.select_for_update().order_by("id").values_list("id"))
    failed.update(state=Delivery.State.PENDING, due_at=now, tries=0, finished_at=None, updated_at=now)
    missed = [
        Delivery(endpoint=endpoint, event_id=row.id, event=row.event, due_at=now)
        for row in found
        if _is_for(endpoint, row)
    ]
    Delivery.objects.bulk_create(missed, ignore_conflicts=True)
    return last if len(found) == CHUNK else None


def _is_for(endpoint: Endpoint, row: AuditEvent) -> bool:
    """As fan_out judges it."""
    if endpoint.project_id is not None and project_of(row) != endpoint.project_id:
        return False
    return matches(endpoint.events, row.event)
