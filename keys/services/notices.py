"""Notices of keys: those that end soon, and those that nobody uses."""

from collections.abc import Iterable

from django.db import models, transaction
from django.utils import timezone

from audit.services import record
from config.kernel.permissions import Permission
from config.kernel.principals import SYSTEM
from config.kernel.tasks import enqueue
from keys import events
from keys.models import Key
from keys.services.keys import key_target
from orgs.models import Membership

# More than that wait for the next time.
MOST_AT_ONCE = 200


@transaction.atomic
def give_notice() -> int:
    """Notes once of each key of the organization in scope that it ends soon or is not used, and has those who manage
    keys told. Returns how many keys. Another process at the same work passes over the keys that this one has.
    """
    now = timezone.now()
    expiring = _locked(Key.objects.to_notice_of_end())
    unused = _locked(Key.objects.to_notice_of_disuse())
    for key in expiring:
        key.noticed_at = now
        key.save(update_fields=["noticed_at", "updated_at"])
        end = key.expires_at.isoformat() if key.expires_at else None
        record(
            events.KEY_EXPIRING,
            actor=SYSTEM,
            target=key_target(key),
            data={"project": key.project.public_id, "expires_at": end},
        )
    for key in unused:
        key.idle_noticed_at = now
        key.save(update_fields=["idle_noticed_at", "updated_at"])
        last = key.use
        record(
            events.KEY_UNUSED,
            actor=SYSTEM,
            target=key_target(key),
            data={"project": key.project.public_id, "last_used_at": last.last_used_at.isoformat() if last else None},
        )
    if expiring or unused:
        for membership in Membership.objects.holding(Permission.MANAGE_KEYS).order_by("id"):
            enqueue("keys.mail_notice", str(membership.user_id), _ids(expiring), _ids(unused))
    return len({key.id for key in [*expiring, *unused]})


def _locked(rows: models.QuerySet[Key]) -> list[Key]:
    locked = rows.select_for_update(of=("self",), skip_locked=True).select_related("project").prefetch_related("uses")
    return list(locked.order_by("id")[:MOST_AT_ONCE])


def _ids(keys: Iterable[Key]) -> str:
    return ",".join(str(key.id) for key in keys)
