"""The ledger's monthly partitions: made ahead, protected, out of the runtime roles' reach."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.core.checks import run_checks
from django.db import DatabaseError, connection, transaction

from audit.models import AuditEvent, first_id_at
from audit.tasks import make_partitions
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import system_scope, tenant_scope
from tests.cast import Cast
from tests.database import owner_connection


def partitions() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_event'::regclass ORDER BY 1"
        )
        return [row[0] for row in cursor.fetchall()]


def partition_of(row: AuditEvent) -> str:
    with system_scope("test"), connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM audit_event WHERE id = %s", [row.id])
        return cursor.fetchone()[0]


def month(ahead: int) -> datetime:
    now = datetime.now(UTC)
    months = now.year * 12 + now.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def name_of(ahead: int) -> str:
    return f"audit_event_{month(ahead):%Y_%m}"


def create(cast: Cast, event_id: UUID) -> AuditEvent:
    with tenant_scope(cast.acme.id):
        return AuditEvent.objects.create(id=event_id, event="project.restored")


def test_a_record_lies_in_its_months_partition(cast: Cast):
    assert partition_of(create(cast, new_id())) == name_of(0)
    for ahead in (1, 2, 3):
        first = first_id_at(month(ahead))
        assert partition_of(create(cast, first)) == name_of(ahead)
        assert partition_of(create(cast, UUID(int=first.int - 1))) == name_of(ahead - 1)


def test_what_lies_in_no_months_partition_is_kept_too(cast: Cast):
    for moment in (datetime(1999, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)):
        assert partition_of(create(cast, first_id_at(moment))) == "audit_event_default"


def test_partitions_that_are_missing_are_made_and_once(committed_cast: Cast):
    assert make_partitions() == "made 0"
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        owner.execute(f"DROP TABLE {name_of(2)}, {name_of(3)}")
    assert make_partitions() == "made 2"
    assert {name_of(ahead) for ahead in range(4)} < set(partitions())
    assert partition_of(create(committed_cast, first_id_at(month(3)))) == name_of(3)
    assert run_checks(tags=["database"], databases=["default"]) == []


def test_a_month_of_which_the_default_partition_has_records_stays_there(committed_cast: Cast):
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        owner.execute(f"DROP TABLE {name_of(3)}")
    row = create(committed_cast, first_id_at(month(3)))
    assert make_partitions() == "made 0"
    assert partition_of(row) == "audit_event_default"
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("DELETE FROM audit_event WHERE id = %s", [row.id])
    assert make_partitions() == "made 1"


@pytest.mark.parametrize("partition", ["audit_event_default", name_of(0)])
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM {}", "INSERT INTO {} (id) VALUES (gen_random_uuid())", "UPDATE {} SET event = ''",
        "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}", "ALTER TABLE audit_event DETACH PARTITION {}",
        "SELECT audit_make_partition(now())",
    ],
)  # fmt: skip
@pytest.mark.parametrize("scope", ["tenant", "system"])
def test_the_runtime_roles_reach_no_partition(cast: Cast, partition: str, statement: str, scope: str):
    with system_scope("test") if scope == "system" else tenant_scope(cast.acme.id):
        with pytest.raises(DatabaseError, match="permission denied|must be owner"), transaction.atomic():
            connection.cursor().execute(statement.format(partition))


@pytest.mark.parametrize("statement", ["UPDATE {} SET event = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("table", ["audit_event", "audit_event_default", name_of(0), name_of(3)])
def test_not_even_the_owner_changes_a_partition_in_passing(committed_cast: Cast, table: str, statement: str):
    for event_id in (new_id(), first_id_at(month(3)), first_id_at(datetime(2999, 1, 1, tzinfo=UTC))):
        create(committed_cast, event_id)
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        with pytest.raises(Exception, match="append-only"):
            owner.execute(statement.format(table))


def test_a_partition_that_can_be_reached_is_told(committed_cast: Cast):
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        owner.execute(f"GRANT SELECT ON {name_of(0)} TO tenantry_app")
        try:
            found = run_checks(tags=["database"], databases=["default"])
        finally:
            owner.execute(f"REVOKE SELECT ON {name_of(0)} FROM tenantry_app")
    assert [message.id for message in found] == ["tenancy.E013"]
