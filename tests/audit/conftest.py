"""Logs to export, and logs with old months."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection

from config.kernel.tenancy.scope import INSTALLATION_ID
from tests.audit.months import NEXT, OLD, dropped_by, name_of, tell_database, write_at
from tests.audit.test_sealing import seal_everything, write
from tests.cast import Cast
from tests.commands.test_verify_audit import tamper
from tests.database import owner_connection


@pytest.fixture
def log(committed_cast: Cast) -> Cast:
    for _ in range(4):
        write(committed_cast.acme.id, 3)
    seal_everything()
    return committed_cast


@pytest.fixture
def months(committed_cast: Cast) -> Iterator[Cast]:
    """Two old months beside the one in hand, with records of Acme, Globex and the installation."""
    database = connection.settings_dict["NAME"]
    with owner_connection(database) as owner:
        for month in (OLD, NEXT):
            owner.execute("SELECT audit_make_partition(%s)", [month])
    cast = committed_cast
    # A chain whose first records are the oldest: what the cast did comes later.
    tamper("DELETE FROM audit_event")
    for month in (OLD, NEXT):
        for organization in (cast.acme.id, cast.globex.id, INSTALLATION_ID):
            write_at(organization, month + timedelta(days=3), 3)
        seal_everything()
    for organization in (cast.acme.id, cast.globex.id):
        write(organization, 4)
    seal_everything()
    tell_database()
    yield cast
    with owner_connection(database) as owner:
        for month in (OLD, NEXT):
            owner.execute(f"DROP TABLE IF EXISTS {name_of(month)}")
    tell_database()


@pytest.fixture
def dropped(months: Cast) -> Cast:
    """Both old months are dropped, and the logs have sealed their own records of that."""
    dropped_by(months)
    seal_everything()
    return months
