"""Rate limits and remaining uses: exact, over many connections and processes."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
import redis
from django.conf import settings
from django.db import connection
from django.test import override_settings

from config.kernel.tenancy.scope import tenant_scope
from keys import limits, uses
from keys.facts import KeyFacts, load_keys
from keys.models import Key, KeyUse
from keys.services.keys import create_key, rotate_key
from keys.uses import Used, UseRecorder
from tests.cast import Cast
from tests.database import ROOT

PROCESS = """
import sys, django
django.setup()
from types import SimpleNamespace as Row
from uuid import UUID
from keys import limits
key = Row(public_id=sys.argv[1], terms=Row(rate=(int(sys.argv[2]), 600)), project=Row(organization=Row(id=UUID(int=1))))
print(sum(limits.take(key, 1).is_granted for _ in range(int(sys.argv[3]))))
"""


def limited(cast: Cast, limit: int | None = None, *, window: int = 600, remaining: int | None = None) -> KeyFacts:
    with tenant_scope(cast.acme.id):
        key, _ = create_key(
            actor=cast.principal(cast.owner), holder=frozenset(), project_id=cast.project.id, kind="secret",
            mode="live", name="Limited", permissions=[],
        )  # fmt: skip
        Key.objects.filter(id=key.id).update(
            rate_limit=limit, rate_window_seconds=window if limit else None, remaining=remaining
        )
    limits.forget_leases()
    digest = bytes(key.digest)
    return load_keys([digest])[digest]


def test_a_small_limit_is_counted_one_by_one(cast: Cast):
    key = limited(cast, 3)
    told = [limits.take(key, 1) for _ in range(5)]
    assert [(left.is_granted, left.remaining) for left in told] == [
        (True, 2),
        (True, 1),
        (True, 0),
        (False, 0),
        (False, 0),
    ]
    assert all(0 < left.reset <= 600 and left.limit == 3 for left in told)


def test_a_dear_use_is_refused_whole_and_takes_nothing(cast: Cast):
    key = limited(cast, 10)
    assert limits.take(key, 8).remaining == 2
    assert not limits.take(key, 3).is_granted
    assert limits.take(key, 2).is_granted


def test_the_window_begins_anew(cast: Cast):
    key, store = limited(cast, 1), redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
    assert limits.take(key, 1).is_granted
    assert not limits.take(key, 1).is_granted
    name = limits.window_name(key.project.organization.id, key.public_id, 1, 600)
    assert 0 < store.pttl(name) <= 600_000
    assert store.pexpire(name, 1)
    time.sleep(0.01)
    assert limits.take(key, 1).is_granted


def test_leases_hand_out_every_token_once_and_tell_what_is_left(cast: Cast):
    key = limited(cast, 1000)
    left = [limits.take(key, 1) for _ in range(1001)]
    assert [each.is_granted for each in left] == [True] * 1000 + [False]
    assert [each.remaining for each in left[:1000]] == list(range(999, -1, -1))


def test_threads_of_one_process_never_pass_the_limit(cast: Cast):
    key = limited(cast, 500)
    with ThreadPoolExecutor(16) as pool:
        granted = sum(pool.map(lambda _: limits.take(key, 1).is_granted, range(900)))
    assert granted == 500


def test_four_processes_never_pass_the_limit_and_use_nearly_all_of_it():
    name, limit = f"key_{uuid4().hex}", 2000
    command = [sys.executable, "-c", PROCESS, name, str(limit), "900"]
    running = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    granted = sum(int(process.communicate(timeout=60)[0].split()[-1]) for process in running)
    assert limit * 0.96 <= granted <= limit


def test_a_window_whose_end_was_lost_gets_one(cast: Cast):
    key, store = limited(cast, 5), redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
    assert limits.take(key, 1).is_granted
    name = limits.window_name(key.project.organization.id, key.public_id, 5, 600)
    assert store.persist(name)
    assert limits.take(key, 1).remaining == 3
    assert 0 < store.pttl(name) <= 600_000


def test_a_connection_that_the_store_has_closed_is_made_anew(cast: Cast):
    key, store = limited(cast, 5), redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
    assert limits.take(key, 1).is_granted
    host, port = limits._windows()._own.connection._sock.getsockname()[:2]
    assert store.client_kill_filter(addr=f"{host}:{port}") == 1  # and nobody else's: the store serves all tests
    assert limits.take(key, 1).remaining == 3


def test_nothing_is_granted_when_the_store_does_not_answer(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    windows = limits.Windows("redis://127.0.0.1:1/0")
    monkeypatch.setattr(limits, "_windows", lambda: windows)
    left = limits.take(limited(cast, 5), 1)
    assert (left.is_granted, left.remaining, left.reset) == (False, 0, 1)


def test_fifty_at_once_spend_exactly_the_remaining_uses(committed_cast: Cast):
    key = limited(committed_cast, remaining=20)
    organization_id, key_id = key.project.organization.id, uses.id_behind(key.public_id)
    together = threading.Barrier(50)

    def spend(_: int) -> bool:
        together.wait(30)
        try:
            return uses.spend(organization_id=organization_id, key_id=key_id, cost=1)[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(spend, range(50))) == 20
    with tenant_scope(committed_cast.acme.id):
        assert Key.objects.get(id=key_id).remaining == 0


def test_what_is_spent_while_a_key_is_rotated_is_not_given_twice(committed_cast: Cast):
    cast = committed_cast
    key = limited(cast, remaining=200)
    key_id = uses.id_behind(key.public_id)
    together = threading.Barrier(5)

    def spend_all(_: int) -> int:
        together.wait(30)
        try:
            return sum(uses.spend(organization_id=cast.acme.id, key_id=key_id, cost=1)[0] for _ in range(100))
        finally:
            connection.close()

    def rotate() -> int:
        together.wait(30)
        try:
            with tenant_scope(cast.acme.id):
                new, _ = rotate_key(
                    actor=cast.principal(cast.owner), holder=frozenset(), project_id=cast.project.id,
                    key=key.public_id, overlap=timedelta(0),
                )  # fmt: skip
            return new.remaining or 0
        finally:
            connection.close()

    with ThreadPoolExecutor(5) as pool:
        left = pool.submit(rotate)
        spent = sum(pool.map(spend_all, range(4)))
    assert spent + left.result() == 200
    with tenant_scope(cast.acme.id):
        assert Key.objects.get(id=key_id).remaining == 0


def test_uses_are_written_in_batches_and_add_up(cast: Cast):
    key, recorder = limited(cast), UseRecorder()
    recorder.note(key, "203.0.113.9", 1_800_000_000.0)
    recorder.note(key, None, 1_800_000_005.0)
    recorder.note(Used(key.public_id), "nonsense", 1_800_000_001.0)
    recorder.write()
    recorder.note(key, "198.51.100.7", 1_800_000_009.0)
    recorder.write()
    recorder.write()
    with tenant_scope(cast.acme.id):
        use = KeyUse.objects.get(key_id=uses.id_behind(key.public_id))
    assert (use.count, use.last_ip, use.last_used_at.timestamp()) == (4, "198.51.100.7", 1_800_000_009.0)


def test_of_many_used_keys_those_are_written_first_that_were_used_first(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    """The others wait, and none is forgotten; only of those that memory has let go may not more than so many wait."""
    monkeypatch.setattr(uses, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(uses, "MOST_LET_GO", 4)
    keys = [limited(cast) for _ in range(9)]

    def written() -> list[str]:
        with tenant_scope(cast.acme.id):
            return [use.key.public_id for use in KeyUse.objects.select_related("key").filter(count=1).order_by("key")]

    names = sorted(key.public_id for key in keys)
    recorder = UseRecorder()
    with override_settings(TENANTRY_KEY_CACHE_SIZE=1):
        for key in sorted(keys, key=lambda key: key.public_id):
            recorder.note(key, None, 1_800_000_000.0)
        for expected in (4, 6, 8, 9, 9):
            recorder.write()
            assert written() == names[:expected]


def test_one_key_that_is_noted_often_does_not_hold_up_others(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uses, "MOST_AT_ONCE", 2)
    often, once, recorder = limited(cast), limited(cast), UseRecorder()
    for _ in range(5):
        recorder.note(Used(often.public_id), None, 1_800_000_000.0)
    recorder.note(once, None, 1_800_000_000.0)
    recorder.write()
    with tenant_scope(cast.acme.id):
        assert dict(KeyUse.objects.values_list("key_id", "count")) == {
            uses.id_behind(often.public_id): 5,
            uses.id_behind(once.public_id): 1,
        }


def test_uses_of_a_key_that_is_gone_are_left_out(cast: Cast):
    recorder = UseRecorder()
    recorder.note(Used("key_01h455vb4pex5vsknk084sn02q"), "203.0.113.9", 1_800_000_000.0)
    recorder.write()
    with tenant_scope(cast.acme.id):
        assert not KeyUse.objects.filter(count=1, last_ip="203.0.113.9").exists()


def test_behind_proxies_the_address_that_the_outermost_saw_is_written(cast: Cast):
    key, recorder = limited(cast), UseRecorder()
    with override_settings(TENANTRY_TRUSTED_PROXIES=2):
        recorder.note(key, "6.6.6.6, 203.0.113.9, 10.0.0.1", 1_800_000_000.0)
        recorder.write()
    with tenant_scope(cast.acme.id):
        assert KeyUse.objects.get(key_id=uses.id_behind(key.public_id)).last_ip == "203.0.113.9"
