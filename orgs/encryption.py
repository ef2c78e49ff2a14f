"""Secrets at rest: each organization's are encrypted under a data key of its own, which a master key wraps.

A ciphertext is bound to its organization, table, column and row. So a table or column that holds secrets is renamed
only together with sealing them anew.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.conf import settings
from django.db import models, transaction

from config.kernel.crypto import MasterKey, Place, UnreadableError, decrypt, encrypt, master_keys, new_key
from config.kernel.sealed import SealedField
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from orgs.changes import feed
from orgs.models import DataKey

# How long a data key stays in this process's memory, unless its organization changes or is erased meanwhile.
REMEMBERED_SECONDS = 60
MOST_REMEMBERED = 10_000


def seal(row: models.Model, column: str, plaintext: str) -> None:
    """Encrypts `plaintext` and sets it as the row's `column`, a SealedField; saving is up to the caller.

    The row needs its primary key. Under the data key of `row.org_id`; of the installation for rows without org_id.
    """
    place = _place(row, column)
    # Read from the database each time: a secret must never be written under a key that only memory knows.
    with _scope(place.organization_id):
        key = _stored(place.organization_id) or _made(place.organization_id)
    setattr(row, column, encrypt(unwrapped(key), plaintext.encode(), place=place))


def unseal(row: models.Model, column: str) -> str:
    """The plaintext of a SealedField. Raises UnreadableError for what was not sealed for exactly this place."""
    place = _place(row, column)
    ciphertext = bytes(getattr(row, column) or b"")
    remembered = _remembered(place.organization_id)
    if remembered is not None:
        try:
            return decrypt(remembered, ciphertext, place=place).decode()
        except UnreadableError:
            forget(place.organization_id)
    with _scope(place.organization_id):
        key = _stored(place.organization_id)
    if key is None:
        raise UnreadableError("The organization has no data key.")
    opened = unwrapped(key)
    plaintext = decrypt(opened, ciphertext, place=place).decode()
    if key.id not in _uncommitted:
        _remember(place.organization_id, opened)
    return plaintext


def configured_keys() -> list[MasterKey]:
    """The master keys, the newest first."""
    return list(master_keys(tuple(settings.TENANTRY_ENCRYPTION_KEYS)).values())


def missing_master_keys() -> list[str]:
    """The ids of master keys that data keys are under, and that are not configured."""
    with system_scope("the master keys of every data key"):
        used = DataKey.objects.exclude(master_key_id__in=[key.id for key in configured_keys()])
        return sorted(used.order_by().values_list("master_key_id", flat=True).distinct())


def wrap(key: DataKey, opened: bytes) -> None:
    """Encrypts a data key under the newest master key, in its row; saving is up to the caller."""
    master = configured_keys()[0]
    key.wrapped = encrypt(master.key, opened, place=_place_of_key(key))
    key.master_key_id = master.id


def unwrapped(key: DataKey) -> bytes:
    """The data key itself. Raises UnreadableError when its master key is not configured."""
    master = master_keys(tuple(settings.TENANTRY_ENCRYPTION_KEYS)).get(key.master_key_id)
    if master is None:
        raise UnreadableError(f"The master key {key.master_key_id} is not among TENANTRY_ENCRYPTION_KEYS.")
    return decrypt(master.key, bytes(key.wrapped), place=_place_of_key(key))


def forget(organization_id: UUID) -> None:
    """Drops what this process remembers of an organization's data key."""
    _memory.pop(organization_id, None)


_memory: dict[UUID, tuple[float, bytes]] = {}
# Ids of data keys made in transactions that have not ended: one that is rolled back must not be remembered.
_uncommitted: set[UUID] = set()


def _place(row: models.Model, column: str) -> Place:
    field = row._meta.get_field(column)
    if not isinstance(field, SealedField):
        raise TypeError(f"{row._meta.label}.{column} is no SealedField.")
    if row.pk is None:
        raise ValueError(f"{row._meta.label} needs its primary key before it can hold a secret.")
    owner = getattr(row, "org_id", INSTALLATION_ID)
    if not isinstance(owner, UUID):
        raise TypeError(f"{row._meta.label} needs its org_id before it can hold a secret.")
    return Place(owner, row._meta.db_table, str(field.column), str(row.pk))


def _place_of_key(key: DataKey) -> Place:
    return Place(key.org_id, DataKey._meta.db_table, "wrapped", str(key.id))


@contextmanager
def _scope(owner: UUID) -> Iterator[None]:
    if owner != INSTALLATION_ID:
        with tenant_scope(owner):
            yield
        return
    with system_scope("the installation's data key, whoever is at work"), tenant_scope(owner):
        yield


def _stored(owner: UUID) -> DataKey | None:
    return DataKey.objects.filter(org_id=owner).first()


def _made(owner: UUID) -> DataKey:
    """A new data key, or the one that somebody else made at the same moment."""
    key = DataKey(org_id=owner)
    wrap(key, new_key())
    DataKey.objects.bulk_create([key], ignore_conflicts=True)
    if transaction.get_connection().in_atomic_block:
        _uncommitted.add(key.id)
        transaction.on_commit(lambda: _uncommitted.discard(key.id))
    return DataKey.objects.get(org_id=owner)


def _remembered(owner: UUID) -> bytes | None:
    until, opened = _memory.get(owner, (0.0, b""))
    return opened if time.monotonic() < until else None


def _remember(owner: UUID, opened: bytes) -> None:
    if len(_memory) >= MOST_REMEMBERED:
        _memory.clear()
    _memory[owner] = (time.monotonic() + REMEMBERED_SECONDS, opened)


def _heed(kind: str, entity: UUID | None) -> None:
    """Told of every change (orgs/changes.py): an erased organization's data key leaves the memory of every process."""
    if entity is None:
        _memory.clear()
    elif kind == "organization":
        forget(entity)


feed.subscribe(_heed)
