"""Secrets at rest: good for one place only, fail closed, and gone with their organization."""

import threading
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import override_settings

from config.kernel.crypto import Place, UnreadableError, decrypt, encrypt, new_key
from config.kernel.sealed import SealedField
from config.kernel.tenancy.scope import INSTALLATION_ID, ScopeError, system_scope, tenant_scope
from orgs import encryption
from orgs.changes import feed
from orgs.encryption import forget, seal, unseal
from orgs.erasure import erase
from orgs.models import DataKey, Organization, ServiceAccount, ServiceAccountSecret
from orgs.services.organizations import delete_organization
from tests.cast import Cast
from tests.grace import end_grace_period

PLACE = Place(uuid4(), "table", "column", "1")
OLD, NEW = "T2xkIG1hc3RlciBrZXkgZm9yIHRlc3RzIG9ubHkuLi4=", "TmV3IG1hc3RlciBrZXkgZm9yIHRlc3RzIG9ubHksIG8="


class Safe(ServiceAccountSecret):
    """A row of an organization that holds a secret: unsaved, so it needs no table."""

    class Meta:
        proxy = True
        app_label = "orgs"

    def __init__(self, *args: object, org_id: object = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.org_id = org_id


@pytest.fixture(autouse=True)
def _forgetful() -> None:
    encryption._memory.clear()


def stored_secret(plaintext: str) -> ServiceAccountSecret:
    row = ServiceAccountSecret(account=ServiceAccount.objects.create(name=str(uuid4())))
    seal(row, "sealed", plaintext)
    row.save()
    return ServiceAccountSecret.objects.get(id=row.id)


def test_a_sealed_text_is_read_again_and_is_never_the_same_twice(db: None):
    first, second = stored_secret("s3cret ✓"), stored_secret("s3cret ✓")
    assert unseal(first, "sealed") == unseal(second, "sealed") == "s3cret ✓"
    assert bytes(first.sealed) != bytes(second.sealed)
    assert "s3cret" not in bytes(first.sealed).decode("latin-1")
    with system_scope("test"):
        assert DataKey.objects.filter(org_id=INSTALLATION_ID).count() == 1


def test_a_ciphertext_in_another_row_or_organization_does_not_decrypt(cast: Cast):
    with tenant_scope(cast.acme.id):
        row = Safe(org_id=cast.acme.id)
        seal(row, "sealed", "secret")
        assert unseal(row, "sealed") == "secret"
        other = Safe(org_id=cast.acme.id)
        other.sealed = row.sealed
        with pytest.raises(UnreadableError):
            unseal(other, "sealed")
    with tenant_scope(cast.globex.id):
        seal(Safe(org_id=cast.globex.id), "sealed", "so that Globex has a key")
        moved = Safe(id=row.id, org_id=cast.globex.id)
        moved.sealed = row.sealed
        with pytest.raises(UnreadableError):
            unseal(moved, "sealed")
    globally = ServiceAccountSecret(id=row.id, sealed=row.sealed)
    with pytest.raises(UnreadableError):
        unseal(globally, "sealed")


@pytest.mark.parametrize(
    "place",
    [
        Place(uuid4(), "table", "column", "1"),
        Place(PLACE.organization_id, "tabl", "ecolumn", "1"),
        Place(PLACE.organization_id, "table", "other", "1"),
        Place(PLACE.organization_id, "table", "column", "2"),
    ],
    ids=["organization", "table", "column", "row"],
)
def test_every_part_of_the_place_binds(place: Place):
    key = new_key()
    ciphertext = encrypt(key, b"secret", place=PLACE)
    assert decrypt(key, ciphertext, place=PLACE) == b"secret"
    with pytest.raises(UnreadableError):
        decrypt(key, ciphertext, place=place)
    with pytest.raises(UnreadableError):
        decrypt(new_key(), ciphertext, place=PLACE)


def test_every_changed_or_missing_byte_is_refused():
    key = new_key()
    ciphertext = encrypt(key, b"secret", place=PLACE)
    for position in range(len(ciphertext)):
        changed = bytearray(ciphertext)
        changed[position] ^= 1
        for wrong in (bytes(changed), ciphertext[:position], ciphertext + b"x"):
            with pytest.raises(UnreadableError):
                decrypt(key, wrong, place=PLACE)


def test_a_secret_of_another_organization_is_not_even_tried(cast: Cast):
    with tenant_scope(cast.acme.id):
        row = Safe(org_id=cast.acme.id)
        seal(row, "sealed", "secret")
    with tenant_scope(cast.globex.id), pytest.raises(ScopeError):
        unseal(row, "sealed")
    with tenant_scope(cast.globex.id), pytest.raises(ScopeError):
        seal(row, "sealed", "secret")


def test_only_columns_marked_for_it_hold_secrets(db: None):
    account = ServiceAccount(name="x")
    with pytest.raises(TypeError, match="SealedField"):
        seal(account, "description", "secret")
    with pytest.raises(TypeError, match="SealedField"):
        unseal(account, "description")
    assert isinstance(ServiceAccountSecret._meta.get_field("sealed"), SealedField)


def test_an_unknown_master_key_reads_nothing_and_replaces_nothing(db: None):
    with override_settings(TENANTRY_ENCRYPTION_KEYS=[OLD]):
        row = stored_secret("secret")
    with override_settings(TENANTRY_ENCRYPTION_KEYS=[NEW]):
        with pytest.raises(UnreadableError, match="TENANTRY_ENCRYPTION_KEYS"):
            unseal(row, "sealed")
        with pytest.raises(UnreadableError, match="TENANTRY_ENCRYPTION_KEYS"):
            stored_secret("another")
    with override_settings(TENANTRY_ENCRYPTION_KEYS=[NEW, OLD]):
        assert unseal(row, "sealed") == "secret"


def test_a_data_key_that_was_moved_to_another_organization_opens_nothing(cast: Cast):
    with tenant_scope(cast.acme.id):
        row = Safe(org_id=cast.acme.id)
        seal(row, "sealed", "secret")
        stolen = DataKey.objects.get()
    with tenant_scope(cast.globex.id):
        DataKey.objects.create(wrapped=stolen.wrapped, master_key_id=stolen.master_key_id)
        with pytest.raises(UnreadableError):
            seal(Safe(org_id=cast.globex.id), "sealed", "secret")


def test_a_data_key_whose_transaction_fails_is_never_remembered(transactional_db: None):
    class Failed(Exception):
        pass

    def fail() -> None:
        with transaction.atomic():
            row = stored_secret("lost")
            assert unseal(row, "sealed") == "lost"
            raise Failed

    with pytest.raises(Failed):
        fail()
    assert encryption._memory == {}
    row = stored_secret("kept")
    assert unseal(row, "sealed") == "kept"
    forget(INSTALLATION_ID)
    assert unseal(row, "sealed") == "kept"


def test_the_data_key_of_an_erased_organization_leaves_the_memory_of_every_process(committed_cast: Cast):
    feed.read()
    with tenant_scope(committed_cast.acme.id):
        row = Safe(org_id=committed_cast.acme.id)
        seal(row, "sealed", "secret")
        assert unseal(row, "sealed") == "secret"
    assert committed_cast.acme.id in encryption._memory
    # As another process does it.
    with system_scope("test"):
        Organization.objects.filter(id=committed_cast.acme.id).update(name="Erased meanwhile")
    feed.read()
    assert committed_cast.acme.id not in encryption._memory


def test_erasing_an_organization_takes_its_data_key(committed_cast: Cast):
    acme = committed_cast.acme
    with tenant_scope(acme.id):
        row = Safe(org_id=acme.id)
        seal(row, "sealed", "secret")
        assert unseal(row, "sealed") == "secret"
        delete_organization(actor=committed_cast.principal(committed_cast.owner), confirmation="acme")
    end_grace_period(acme)
    assert erase(acme.id)
    with system_scope("test"):
        assert not DataKey.objects.filter(org_id=acme.id).exists()
    with tenant_scope(acme.id), pytest.raises(UnreadableError):
        unseal(row, "sealed")


def test_reading_many_secrets_asks_for_the_data_key_once(transactional_db: None, django_assert_num_queries):
    rows = [stored_secret(str(number)) for number in range(3)]
    with django_assert_num_queries(1):
        assert [unseal(row, "sealed") for row in rows] == ["0", "1", "2"]


def test_two_that_need_the_first_data_key_at_once_get_the_same(transactional_db: None):
    barrier, rows, failures = threading.Barrier(4), [], []

    def work() -> None:
        try:
            barrier.wait()
            with transaction.atomic():
                rows.append(stored_secret("secret"))
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [unseal(row, "sealed") for row in rows] == ["secret"] * 4
    with system_scope("test"):
        assert DataKey.objects.count() == 1
