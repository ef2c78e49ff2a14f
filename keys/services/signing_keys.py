"""Signing keys: rotate, withdraw, and what time does to them."""

from datetime import timedelta
from itertools import pairwise

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit.services import record
from config.kernel.errors import Absent, Conflict
from config.kernel.identifiers import required_id
from config.kernel.principals import SYSTEM, Principal
from config.kernel.tenancy.scope import INSTALLATION_ID
from keys import events, signing
from keys.models import SigningKey


@transaction.atomic
def rotate_signing_key(*, actor: Principal) -> SigningKey:
    """Lets the next key take over and publishes another one behind it. Returns the key that takes over.

    It signs as soon as every verifier that caches the key set knows it: at once, except within PUBLISHED_AHEAD of the
    rotation before. What the old key signed stays valid.
    """
    rows = signing.locked_keys()
    last = next(row for row in rows if _signs(row) and row.signs_until is None)
    following = next(row for row in rows if _waits(row))
    following.signs_from = max(timezone.now(), following.ready_at)
    _settle(rows)
    record(
        events.SIGNING_KEY_ROTATED,
        actor=actor,
        target=signing.signing_key_target(last),
        data={"replacement": following.public_id, "signs_from": following.signs_from.isoformat()},
        org_id=INSTALLATION_ID,
    )
    transaction.on_commit(signing.forget)
    return following


@transaction.atomic
def withdraw_signing_key(*, actor: Principal, key: str, reason: str) -> SigningKey:
    """Ends the trust in a key that somebody else may have: nothing that it signed is valid any more.

    If it signs now, the next key takes over at once. `key` is its public id. Raises Absent, Conflict for a key that
    is withdrawn already.
    """
    rows = signing.locked_keys()
    key_id = required_id("sgk", key)
    row = next((row for row in rows if row.id == key_id), None)
    if row is None:
        raise Absent
    if row.withdrawn_at is not None:
        raise Conflict("This key is withdrawn already.", code="key_withdrawn")
    row.withdrawn_at = timezone.now()
    row.private_key = None
    row.save()
    _settle(rows)
    record(
        events.SIGNING_KEY_WITHDRAWN,
        actor=actor,
        target=signing.signing_key_target(row),
        data={"reason": reason},
        org_id=INSTALLATION_ID,
    )
    transaction.on_commit(signing.forget)
    return row


@transaction.atomic
def tend_signing_keys() -> str:
    """Rotates when TENANTRY_SIGNING_KEY_DAYS are over, and erases the private part of keys that have retired.

    Outcomes: `rotated`, `nothing to do`.
    """
    rows = signing.locked_keys()
    now = timezone.now()
    for row in rows:
        if row.signs_until and row.signs_until + signing.MARGIN < now and row.private_key is not None:
            row.private_key = None
            row.save(update_fields=["private_key", "updated_at"])
    newest = max(row.signs_from for row in rows if _signs(row) and row.signs_from)
    if newest + timedelta(days=settings.TENANTRY_SIGNING_KEY_DAYS) > now:
        return "nothing to do"
    rotate_signing_key(actor=SYSTEM)
    return "rotated"


def _signs(row: SigningKey) -> bool:
    """Whether it signs, did, or will by a rotation that is under way."""
    return row.withdrawn_at is None and row.signs_from is not None


def _waits(row: SigningKey) -> bool:
    return row.withdrawn_at is None and row.signs_from is None


def _settle(rows: list[SigningKey]) -> None:
    """Saves the keys so that each signs until the next one does, one signs now, and another waits behind the last."""
    now = timezone.now()
    turns = [row for row in rows if _signs(row) and not (row.signs_until and row.signs_until <= now)]
    turns.sort(key=lambda row: row.signs_from or now)
    waiting = [row for row in rows if _waits(row)]
    if not turns:
        turns.append(waiting.pop())
    if turns[0].signs_from is None or turns[0].signs_from > now:
        turns[0].signs_from = now
    for row, following in pairwise(turns):
        row.signs_until = following.signs_from
    turns[-1].signs_until = None
    # In this order, since never more than one may sign without an end.
    for row in turns:
        row.save()
    if not waiting:
        another = signing.new_signing_key(ready_at=now + signing.PUBLISHED_AHEAD, signs_from=None)
        another.save()
        target = signing.signing_key_target(another)
        record(events.SIGNING_KEY_CREATED, actor=SYSTEM, target=target, org_id=INSTALLATION_ID)
