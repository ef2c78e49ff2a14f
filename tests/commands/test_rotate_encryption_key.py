"""manage.py rotate_encryption_key: every data key goes under the newest master key, also after a kill."""

import json
import os
import signal
import subprocess
import sys
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import override_settings

from audit.models import AuditEvent
from config.kernel.crypto import MasterKey, UnreadableError
from config.kernel.tenancy.scope import INSTALLATION_ID, system_scope, tenant_scope
from orgs import encryption
from orgs.encryption import seal, unseal, wrap
from orgs.models import DataKey, ServiceAccount, ServiceAccountSecret
from tests.commands.test_operator_commands import ROOT, database_url

OLD, NEW, LOST = (
    "T2xkIG1hc3RlciBrZXkgZm9yIHRlc3RzIG9ubHkuLi4=",
    "TmV3IG1hc3RlciBrZXkgZm9yIHRlc3RzIG9ubHksIG8=",
    "TG9zdCBtYXN0ZXIga2V5IGZvciB0ZXN0cyBvbmx5ISE=",
)
MANY = 120
OLD_ID = MasterKey.of(OLD).id


def command(*arguments: str, keys: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "rotate_encryption_key", "--no-color", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), "TENANTRY_ENCRYPTION_KEYS": ",".join(keys)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def sealed(transactional_db: None) -> list[ServiceAccountSecret]:
    """Secrets of the installation under the old master key, and the data keys of many organizations."""
    with override_settings(TENANTRY_ENCRYPTION_KEYS=[OLD]), system_scope("test"):
        DataKey.objects.all().delete()
        encryption._memory.clear()
        rows = []
        for number in range(3):
            row = ServiceAccountSecret(account=ServiceAccount.objects.create(name=str(number)))
            seal(row, "sealed", f"secret {number}")
            row.save()
            rows.append(row)
        keys = [DataKey(org_id=uuid4()) for _ in range(MANY)]
        for key in keys:
            wrap(key, os.urandom(32))
        DataKey.objects.bulk_create(keys)
    return rows


def under(text: str) -> int:
    with system_scope("test"):
        return DataKey.objects.filter(master_key_id=MasterKey.of(text).id).count()


def readable(rows: list[ServiceAccountSecret], *keys: str) -> bool:
    encryption._memory.clear()
    with override_settings(TENANTRY_ENCRYPTION_KEYS=list(keys)):
        texts = [unseal(row, "sealed") for row in rows]
        with system_scope("test"):
            opened = [encryption.unwrapped(key) for key in DataKey.objects.all()]
    return texts == ["secret 0", "secret 1", "secret 2"] and all(len(key) == 32 for key in opened)


def test_killed_halfway_it_has_lost_nothing_and_does_the_rest_when_run_again(sealed: list[ServiceAccountSecret]):
    with system_scope("test"), transaction.atomic():
        # What somebody else works on is passed over: so some are left, however late it is killed.
        assert len(DataKey.objects.select_for_update().order_by("-id")[:3]) == 3
        first = command("--batch", "3", keys=[NEW, OLD])
        assert first.stderr is not None
        assert first.stderr.readline() == f"{MANY + 1 - 3} left.\n"
        first.send_signal(signal.SIGKILL)
        first.communicate()
    done = under(NEW)
    assert 3 <= done < MANY + 1
    assert under(OLD) == MANY + 1 - done
    assert readable(sealed, NEW, OLD)

    out, err = command("--json", keys=[NEW, OLD]).communicate()
    assert (json.loads(out), err) == (
        {"master_key": MasterKey.of(NEW).id, "rewrapped": MANY + 1 - done, "left": 0},
        "",
    )
    assert under(OLD) == 0
    assert readable(sealed, NEW)
    with pytest.raises(UnreadableError):
        readable(sealed, OLD)
    with tenant_scope(INSTALLATION_ID):
        steps = AuditEvent.objects.filter(event="encryption_key.rotated")
        assert sum(step.data["rewrapped"] for step in steps) == MANY + 1


def test_a_second_time_there_is_nothing_to_do(sealed: list[ServiceAccountSecret]):
    command(keys=[NEW, OLD]).communicate()
    with system_scope("test"):
        before = list(DataKey.objects.order_by("id").values_list("wrapped", flat=True))
    ended = command(keys=[NEW, OLD])
    out, err = ended.communicate()
    assert (ended.returncode, out) == (0, "")
    assert err == f"0 left.\n0 data keys were wrapped anew; all are under the master key {MasterKey.of(NEW).id} now.\n"
    with system_scope("test"):
        assert list(DataKey.objects.order_by("id").values_list("wrapped", flat=True)) == before


def test_a_missing_master_key_is_named_and_the_others_go_on(sealed: list[ServiceAccountSecret]):
    with override_settings(TENANTRY_ENCRYPTION_KEYS=[LOST]), system_scope("test"):
        key = DataKey(org_id=uuid4())
        wrap(key, os.urandom(32))
        key.save()
    ended = command(keys=[NEW, OLD])
    _, err = ended.communicate()
    assert ended.returncode == 1
    assert f"1 data keys are under master keys that are not configured ({MasterKey.of(LOST).id})" in err
    assert LOST not in err
    assert (under(NEW), under(LOST)) == (MANY + 1, 1)


def test_a_master_key_taken_away_too_early_is_noticed_before_a_deployment(sealed: list[ServiceAccountSecret]):
    assert check(NEW, OLD) == ""
    assert f"(encryption.E001) Secrets are encrypted under master keys that are not configured: {OLD_ID}." in check(NEW)
    command(keys=[NEW, OLD]).communicate()
    assert check(NEW) == ""


def check(*keys: str) -> str:
    """What `manage.py check --database default` complains of."""
    ended = subprocess.run(
        [sys.executable, "manage.py", "check", "--database", "default", "--no-color"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": database_url(), "TENANTRY_ENCRYPTION_KEYS": ",".join(keys)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode == 0) == (ended.stderr == "")
    return ended.stderr


def test_what_is_written_during_the_rotation_stays_readable(sealed: list[ServiceAccountSecret]):
    running = command("--batch", "1", keys=[NEW, OLD])
    with override_settings(TENANTRY_ENCRYPTION_KEYS=[OLD, NEW]):
        while running.poll() is None:
            seal(sealed[0], "sealed", "secret 0")
            sealed[0].save()
    running.communicate()
    assert readable(sealed, NEW)
