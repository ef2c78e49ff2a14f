"""Data keys of organizations: wrapping them under a new master key, while everything runs."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction

from audit.services import Target, record
from config.kernel.principals import Principal
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope
from orgs import events
from orgs.encryption import configured_keys, missing_master_keys, unwrapped, wrap
from orgs.models import DataKey

BATCH = 200


@dataclass(frozen=True)
class Rewrapping:
    """How far it is: data keys wrapped anew in this batch, those still under another master key, and of them those
    whose master key is not configured, by its id.
    """

    rewrapped: int
    left: int
    missing: list[str]


def rewrap_all(*, actor: Principal, batch: int = BATCH) -> Iterator[Rewrapping]:
    """Wraps every data key under the newest master key, a transaction for each `batch`; yields after each.

    Whatever ends it, the batches before stand, and calling it again does the rest. Data keys themselves stay the
    same, so whoever reads or writes meanwhile notices nothing. Raises UnreadableError for a damaged data key.
    """
    while True:
        progress = rewrap_batch(actor=actor, size=batch)
        yield progress
        if progress.rewrapped == 0:
            return


@transaction.atomic
def rewrap_batch(*, actor: Principal, size: int) -> Rewrapping:
    """Wraps up to `size` data keys anew. Those that somebody else works on are passed over."""
    newest, *others = configured_keys()
    with system_scope("wrap the data keys of every organization anew"):
        old = DataKey.objects.exclude(master_key_id=newest.id)
        rows = list(
            old.select_for_update(skip_locked=True)
            .filter(master_key_id__in=[key.id for key in others])
            .order_by("id")[:size]
        )
        for row in rows:
            wrap(row, unwrapped(row))
            row.save(update_fields=["wrapped", "master_key_id", "updated_at"])
        progress = Rewrapping(
            rewrapped=len(rows),
            left=old.count(),
            missing=missing_master_keys(),
        )
    if rows:
        record(
            events.ENCRYPTION_KEY_ROTATED,
            actor=actor,
            target=Target("master_key", newest.id, newest.id),
            data={"rewrapped": progress.rewrapped, "left": progress.left},
            org_id=INSTALLATION_ID,
        )
    return progress
