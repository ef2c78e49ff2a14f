"""Keys: their format, what they may, and how long they live."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from config.kernel.access import Admission
from config.kernel.errors import Absent, Conflict, Forbidden, Invalid
from config.kernel.permissions import KEY_PRESETS, ROLE_PERMISSIONS, Permission, Role
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.authentication import address_allowed, program_behind
from keys.credentials import PREFIXES, checksum, digest_of, generate, prefix_of
from keys.models import Key
from keys.services import keys
from keys.services.key_changes import update_key
from keys.verification import Code, Question, verify
from orgs.services.organizations import disable_organization
from projects.services.projects import archive_project, create_project
from tests.cast import Cast

EVERYTHING = ROLE_PERMISSIONS[Role.OWNER]


def create(cast: Cast, **fields: Any) -> tuple[Key, str]:
    values = {"kind": "secret", "mode": "live", "name": "K", "holder": EVERYTHING, "project_id": cast.project.id}
    with tenant_scope(cast.acme.id):
        return keys.create_key(actor=cast.principal(cast.owner), **{**values, **fields})


def code(cast: Cast, plaintext: str, **question: Any) -> Code:
    cast.acme.refresh_from_db()
    return verify(
        [Question(plaintext, **question)], admission=Admission(cast.principal(cast.owner), organization=cast.acme)
    )[0].code


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_key_names_its_kind_and_ends_with_its_checksum(prefix: str):
    made = generate(prefix)
    assert prefix_of(made.plaintext) == prefix
    assert made.plaintext[-6:] == checksum(made.plaintext[:-6])
    assert made.digest == digest_of(made.plaintext)
    assert made.plaintext.startswith(made.start)
    assert len(made.start) < len(made.plaintext) - 20


@given(st.text(max_size=60))
def test_what_somebody_types_is_no_key(text: str):
    assert prefix_of(text) is None


@given(st.integers(min_value=0, max_value=39), st.sampled_from("0aZ_-"))
def test_one_wrong_character_is_noticed(position: int, character: str):
    plaintext = generate("sk_live_").plaintext
    changed = plaintext[:position] + character + plaintext[position + 1 :]
    assert changed == plaintext or prefix_of(changed) is None


def test_no_secret_key_is_kept_in_clear_anywhere(cast: Cast):
    _, plaintext = create(cast)
    with system_scope("test"), connection.cursor() as cursor:
        # Partitions are read through their table: by themselves they are nobody's to read.
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') "
            "AND NOT relispartition"
        )
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT t::text FROM {table} t")
            for (row,) in cursor.fetchall():
                for secret in (plaintext, cast.secret_key, cast.foreign_secret_key):
                    assert secret not in row, table
                    assert secret[12:] not in row, table


def test_a_key_says_what_it_is_good_for(cast: Cast):
    _, runner = create(cast)
    assert code(cast, runner) == Code.VALID
    assert code(cast, runner, permission="keys:verify") == Code.VALID
    assert code(cast, runner, permission="manage_keys") == Code.PERMISSION_MISSING
    assert code(cast, runner, permission="no such thing") == Code.PERMISSION_MISSING
    assert code(cast, runner, origin="https://shop.example") == Code.ORIGIN_NOT_ALLOWED
    assert code(cast, cast.foreign_secret_key) == Code.NOT_FOUND
    assert code(cast, generate("sk_live_").plaintext) == Code.NOT_FOUND
    assert code(cast, "nonsense") == Code.NOT_FOUND


def test_an_address_list_lets_only_its_own_in(cast: Cast):
    _, plaintext = create(cast, allowed_ips=["203.0.113.0/24", "2001:db8::/32"])
    for ip in ("203.0.113.9", "2001:db8::1", "::ffff:203.0.113.9"):
        assert code(cast, plaintext, ip=ip) == Code.VALID, ip
    for ip in ("203.0.114.1", "2001:db9::1", None):
        assert code(cast, plaintext, ip=ip) == Code.IP_NOT_ALLOWED, ip
    assert address_allowed(None, [])


def test_it_ends_when_it_expires_is_revoked_archived_or_disabled(cast: Cast):
    key, plaintext = create(cast, expires_at=timezone.now() + timedelta(hours=1))
    with time_machine.travel(timezone.now() + timedelta(hours=1, seconds=1)):
        assert code(cast, plaintext) == Code.EXPIRED
    assert code(cast, plaintext) == Code.VALID
    with tenant_scope(cast.acme.id):
        disable_organization(actor=cast.staff_principal(), reason="test")
    assert code(cast, plaintext) == Code.ORGANIZATION_DISABLED
    type(cast.acme).objects.filter(id=cast.acme.id).update(status="active")
    with tenant_scope(cast.acme.id):
        keys.revoke_key(actor=cast.principal(cast.owner), project_id=cast.project.id, key=key.public_id)
        assert code(cast, plaintext) == Code.REVOKED
        archive_project(actor=cast.principal(cast.owner), project_id=cast.project.id)
    assert code(cast, plaintext) == Code.DISABLED


def test_rotating_lets_the_old_one_live_for_the_overlap_and_touches_no_other(cast: Cast):
    key, old = create(cast)
    _, other = create(cast)
    with tenant_scope(cast.acme.id):
        replacement, new = keys.rotate_key(
            actor=cast.principal(cast.owner), holder=EVERYTHING, project_id=cast.project.id, key=key.public_id,
            overlap=timedelta(days=1),
        )  # fmt: skip
    assert (replacement.replaces_id, replacement.permissions) == (key.id, key.permissions)
    assert [code(cast, text) for text in (old, new, other)] == [Code.VALID] * 3
    with time_machine.travel(timezone.now() + timedelta(days=1, seconds=1)):
        assert [code(cast, text) for text in (old, new, other)] == [Code.EXPIRED, Code.VALID, Code.VALID]


def test_rotating_without_overlap_ends_the_old_one_at_once(cast: Cast):
    key, old = create(cast)
    arguments = {"holder": EVERYTHING, "project_id": cast.project.id, "key": key.public_id}
    with tenant_scope(cast.acme.id):
        keys.rotate_key(actor=cast.principal(cast.owner), overlap=timedelta(0), **arguments)
        with pytest.raises(Conflict):
            keys.rotate_key(actor=cast.principal(cast.owner), overlap=timedelta(0), **arguments)
        for overlap in (timedelta(seconds=-1), timedelta(days=30, seconds=1)):
            with pytest.raises(Invalid):
                keys.rotate_key(actor=cast.principal(cast.owner), overlap=overlap, **arguments)
    assert code(cast, old) == Code.REVOKED


def test_a_key_is_found_under_its_own_project_only(cast: Cast):
    key, _ = create(cast)
    with tenant_scope(cast.acme.id):
        other = create_project(actor=cast.principal(cast.owner), name="Other", slug="other")
        arguments = {"actor": cast.principal(cast.owner), "project_id": other.id, "key": key.public_id}
        with pytest.raises(Absent):
            keys.revoke_key(**arguments)
        for act in (update_key, keys.release_key):
            with pytest.raises(Absent):
                act(**arguments, holder=EVERYTHING)
        assert Key.objects.get(id=key.id).state == Key.State.ACTIVE


def test_nobody_makes_a_key_that_may_do_more_than_they(cast: Cast):
    with pytest.raises(Forbidden):
        create(cast, holder=ROLE_PERMISSIONS[Role.VIEWER], permissions="admin")
    made, _ = create(cast, holder=ROLE_PERMISSIONS[Role.DEVELOPER], permissions="admin")
    assert made.permission_set == KEY_PRESETS["admin"]


def test_a_key_gives_to_another_key_nothing_that_it_has_not(cast: Cast):
    _, plaintext = create(cast, permissions=["manage_keys", "view_org"])
    principal = program_behind(plaintext)
    with tenant_scope(cast.acme.id):
        before = Key.objects.count()
        for wanted in (["env:read"], ["keys:verify"], ["manage_env"], "runner", "admin", None):
            with pytest.raises(Forbidden):
                keys.create_key(
                    actor=principal, holder=principal.permissions, project_id=cast.project.id, kind="secret",
                    mode="live", name="More", permissions=wanted,
                )  # fmt: skip
        with pytest.raises(Forbidden):
            keys.rotate_key(
                actor=principal, holder=principal.permissions, project_id=cast.project.id, key=cast.key.public_id,
                overlap=timedelta(0),
            )  # fmt: skip
        assert Key.objects.count() == before


@pytest.mark.parametrize(
    "fields",
    [
        {"permissions": ["delete_org"]},
        {"permissions": ["manage_members"]},
        {"permissions": ["no:such"]},
        {"permissions": "root"},
        {"kind": "publishable", "permissions": ["view_org"]},
        {"kind": "publishable", "allowed_ips": ["203.0.113.0/24"]},
        {"allowed_ips": ["not an address"]},
        {"allowed_ips": ["203.0.113.0/24"] * 51},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"metadata": {str(n): n for n in range(51)}},
    ],
)
def test_what_makes_no_sense_is_refused_and_makes_no_key(cast: Cast, fields: dict[str, Any]):
    with pytest.raises(Invalid):
        create(cast, **fields)
    with tenant_scope(cast.acme.id):
        assert Key.objects.count() == 2


def test_permissions_that_are_no_longer_known_grant_nothing(cast: Cast):
    key, _ = create(cast)
    key.permissions = ["keys:verify", "delete_org", "was:known"]
    assert key.permission_set == {Permission.KEYS_VERIFY}
