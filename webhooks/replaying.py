"""Making up for what an endpoint missed: what failed is delivered once more, what no delivery was made for at last.

Works in chunks, each a transaction of its own that notes in the endpoint's row how far it came, and asks for the rest
as a task of its own after some of them. So nothing is lost with a worker that is killed or a queue that forgets: a
replay that stands still is asked for again. Several tasks for one replay share it.

A change that began while the endpoint was disabled notes nothing for it, and may be committed after the replay was
asked for, with a record that is older than others. So a replay begins when all have ended that began before it. And it
reads on for as long as clocks of servers may differ, since ids are made by those: what comes by itself comes once.
"""

import time
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from audit.models import AuditEvent, first_id_at, moment_of
from config.kernel.tasks import enqueue
from config.kernel.tenancy.scope import system_scope, tenant_scope
from webhooks.models import Delivery, Endpoint
from webhooks.patterns import is_for
from webhooks.services.deliveries import replay_reach

CHUNK = 1000
CHUNKS_A_TASK = 20
# A replay comes forward far more often while a task is at it.
STALE = timedelta(minutes=5)
# By how much the clocks of two servers may differ.
CLOCKS = timedelta(minutes=1)
# Changes take milliseconds. Longer ones are not waited for in here.
LOOKS, PAUSE_SECONDS = 100, 0.05
BETWEEN_SECONDS = 0.15

# Whether a transaction that began before the one of a record is not ended. A record of another cluster, from which the
# database was restored, may have a number that this one has not come to yet. Those of other databases count along; who
# holds the lock on its own number tells them apart, except for prepared ones, which have nobody.
OTHERS = """
SELECT EXISTS (
    SELECT FROM audit_event e
    CROSS JOIN pg_current_snapshot() AS snapshot
    CROSS JOIN pg_snapshot_xip(snapshot) AS other
    JOIN pg_locks l ON l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
        AND l.transactionid::text::bigint = other::text::bigint & 4294967295
    LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE e.id = %s AND other::text::bigint < e.transaction_id
        AND e.transaction_id < pg_snapshot_xmax(snapshot)::text::bigint
        AND (a.datname IS NULL OR a.datname = current_database())
)
"""


def replay(endpoint_id: UUID) -> str:
    """Goes on with the replay of an endpoint in scope. Returns `done`, `more`, `waits` for changes that take long, or
    `gone` where there is none, or none any more because the endpoint is deleted or disabled by now.
    """
    if not _others_end(endpoint_id):
        return "waits"
    for _ in range(CHUNKS_A_TASK):
        with transaction.atomic():
            # Not against the making of deliveries, which would wait through most of a long replay.
            endpoint = Endpoint.objects.select_for_update(no_key=True).filter(id=endpoint_id).first()
            if endpoint is None or endpoint.replay_from is None or endpoint.replay_until is None:
                return "gone"
            going_on = None
            if endpoint.is_enabled:
                going_on = _replay_chunk(endpoint, endpoint.replay_from, endpoint.replay_until)
            endpoint.replay_from, endpoint.replay_moved_at = going_on, timezone.now()
            if going_on is None:
                endpoint.replay_until, endpoint.replay_moved_at = None, None
            endpoint.save(update_fields=["replay_from", "replay_until", "replay_moved_at"])
        if going_on is None:
            return "done" if endpoint.is_enabled else "gone"
        # Workers write what the endpoint answers between two chunks, as soon as they look.
        time.sleep(BETWEEN_SECONDS)
    enqueue("webhooks.replay", str(endpoint_id))
    return "more"


def tend_replays() -> int:
    """Asks again for replays that stand still, each once in a while. Returns how many."""
    now = timezone.now()
    with system_scope("replays of webhooks that stand still"):
        standing = list(Endpoint.objects.standing_since(now - STALE).values_list("org_id", "id"))
    asked = 0
    for organization_id, endpoint_id in standing:
        with tenant_scope(organization_id):
            if Endpoint.objects.standing_since(now - STALE).filter(id=endpoint_id).update(replay_moved_at=now):
                enqueue("webhooks.replay", str(endpoint_id))
                asked += 1
    return asked


def _others_end(endpoint_id: UUID) -> bool:
    """Whether all changes that began before the replay was asked for have ended. Waits for some seconds until then."""
    until = Endpoint.objects.filter(id=endpoint_id).values_list("replay_until", flat=True).first()
    for _ in range(LOOKS):
        with connection.cursor() as cursor:
            cursor.execute(OTHERS, [until])
            if not cursor.fetchone()[0]:
                return True
        time.sleep(PAUSE_SECONDS)
    return False


def _replay_chunk(endpoint: Endpoint, start: UUID, until: UUID) -> UUID | None:
    """Returns where the next chunk begins; None after the last one."""
    # Events from before the endpoint were never meant for it, and of older ones nobody knows what was delivered.
    earliest = first_id_at(max(endpoint.created_at, timezone.now() - replay_reach()))
    end = first_id_at(moment_of(until) + CLOCKS)
    rows = AuditEvent.objects.filter(id__gte=max(start, earliest), id__lt=end)
    found = list(rows.only("id", "event", "target_kind", "target_id", "data").order_by("id")[:CHUNK])
    if not found:
        return None
    now = timezone.now()
    wanted = [row for row in found if is_for(endpoint, row)]
    failed = Delivery.objects.filter(
        endpoint=endpoint, state=Delivery.State.FAILED, event_id__in=[row.id for row in wanted]
    )
    list(failed.select_for_update().order_by("id").values_list("id"))
    failed.update(state=Delivery.State.PENDING, due_at=now, tries=0, finished_at=None, updated_at=now)
    missed = [Delivery(endpoint=endpoint, event_id=row.id, event=row.event, due_at=now) for row in wanted]
    Delivery.objects.bulk_create(missed, ignore_conflicts=True)
    return UUID(int=found[-1].id.int + 1) if len(found) == CHUNK else None
