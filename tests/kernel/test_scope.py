"""The scope below everything: what is seen and written with the right one, another one, and none."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.apps import apps
from django.core.checks import run_checks
from django.db import IntegrityError, ProgrammingError, connection, transaction

from audit.models import AuditBeginning, AuditBlock, AuditCheckpoint, AuditEvent, AuditExport, AuditSeal
from config.kernel.statements import prepared_by_index
from config.kernel.tenancy.models import TenantForeignKey, TenantModel
from config.kernel.tenancy.scope import ScopeError, current_scope, system_scope, tenant_scope
from keys.models import Agent, Key, KeyPolicy, KeyUse
from orgs.models import (
    BreakGlassCode,
    CustomRole,
    DataExport,
    EmailDomain,
    IdempotencyKey,
    Invitation,
    Membership,
    PilotMember,
    RemovedMember,
    ServiceAccount,
    ServiceGrant,
    SignInPolicy,
    SsoSignIn,
)
from projects.models import Domain, Project, ProjectMembership, SeenDomain, TrackedEvent, UsageDay, UsageMonth
from sso.models import (
    Certificate,
    Configuration,
    Connection,
    ConnectionLogEntry,
    FederatedIdentity,
    GroupMapping,
    HandoverAddress,
    HandoverToken,
    UsedAssertion,
)
from tests.cast import Cast
from tests.webhooks.rows import endpoint_rows
from webhooks.models import OutboxEntry

LEDGER = {AuditBeginning, AuditCheckpoint, AuditEvent, AuditSeal}
TENANT_MODELS = [model for model in apps.get_models() if issubclass(model, TenantModel)]


@pytest.fixture(scope="module", autouse=True)
def standing_rows(surrounded: Callable[..., Any]) -> None:
    surrounded(furnish)


@pytest.fixture
def furnished(cast: Cast) -> Cast:
    """The cast with a row in every tenant table of both organizations."""
    return cast


def furnish(cast: Cast) -> None:
    """A row in every tenant table of both organizations."""
    account = ServiceAccount.objects.create(name="Gateway")
    places = ((cast.acme, cast.project, cast.key), (cast.globex, cast.foreign_project, cast.foreign_key))
    for organization, project, key in places:
        with tenant_scope(organization.id):
            role = CustomRole.objects.create(name="Auditor", permissions=["view_audit", "view_org"])
            Invitation.objects.create(
                email="i@x.example", role="custom", custom_role=role, token_hash=organization.id.bytes * 2,
                expires_at="2030-01-01T00:00:00Z",
            )  # fmt: skip
            IdempotencyKey.objects.create(digest=organization.id.bytes, request_digest=b"r")
            DataExport.objects.create()
            KeyPolicy.objects.create()
            KeyUse.objects.create(key=key, last_used_at="2030-01-01T00:00:00Z")
            Agent.objects.create(
                project=project, name="Builder", enrolment_digest=organization.id.bytes * 2,
                enrolment_expires_at="2030-01-01T00:00:00Z", created_by="usr_x",
            )  # fmt: skip
            ServiceGrant.objects.create(account=account, permissions=["keys:verify"], granted_by="usr_x")
            member = Membership.objects.order_by("id").first()
            ProjectMembership.objects.create(project=project, membership=member, role="viewer")
            TrackedEvent.objects.create(
                project_id=project.id, key=key.public_id, name="e", occurred_at="2030-01-01T00:00:00Z"
            )
            UsageDay.objects.create(project=project, day="2030-01-01", key=key.public_id, name="e", count=1)
            UsageMonth.objects.create(month="2030-01-01", count=1)
            Domain.objects.create(project=project, pattern="*.x.example", is_loopback=False, created_by="usr_x")
            SeenDomain.objects.create(
                project=project, host="y.example", is_loopback=False, last_seen_at="2030-01-01T00:00:00Z"
            )
            furnish_sign_in(project, member)
            AuditSeal.objects.create(id=AuditEvent.objects.first().id, sequence=1, digest=b"d" * 32)
            AuditCheckpoint.objects.create(
                sequence=1, digest=b"d" * 32, sealed_at="2030-01-01T00:00:00Z", statement="signed"
            )
            AuditBeginning.objects.create(
                sequence=0, digest=b"d" * 32, dropped_before="2020-01-01T00:00:00Z", statement="signed"
            )
            AuditExport.objects.create(format="csv")
            AuditBlock.objects.create(id=project.id, first_id=project.id, sequence=128, width=0)
            endpoint_rows()  # and the data key that its secret is sealed under
            OutboxEntry.objects.get_or_create(id=AuditEvent.objects.first().id)


def furnish_sign_in(project: Project, member: Membership) -> None:
    """A row in every table of sign-in of the organization in scope."""
    later, digest, user = "2030-01-01T00:00:00Z", project.org_id.bytes * 2, member.user
    EmailDomain.objects.create(domain="x.example", token="t")
    SignInPolicy.objects.create()
    PilotMember.objects.create(membership=member)
    BreakGlassCode.objects.create(user=user, digest=digest)
    SsoSignIn.objects.create(user=user, connection_id=project.id, subject="s", last_at=later)
    RemovedMember.objects.create(user=user)
    connection = Connection.objects.create(name="Okta", protocol="oidc", role="viewer")
    configuration = Configuration.objects.create(connection=connection, number=1)
    Certificate.objects.create(configuration=configuration, pem="p", fingerprint="f", not_before=later, not_after=later)
    GroupMapping.objects.create(connection=connection, group="g", role="admin")
    FederatedIdentity.objects.create(connection=connection, issuer="i", subject="s", user=user)
    ConnectionLogEntry.objects.create(connection=connection, configuration_number=1, outcome="refused")
    UsedAssertion.objects.create(digest=digest, expires_at=later)
    HandoverAddress.objects.create(project=project, address="https://x.example/", created_by="usr_x")
    HandoverToken.objects.create(
        project=project, user=user, digest=digest, address="https://x.example/", sign_in={},
        browser_session_id=project.id, expires_at=later,
    )  # fmt: skip


def rows(sql: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model._meta.db_table)
def test_raw_sql_sees_its_own_organization_only_and_nothing_without_a_scope(furnished: Cast, model):
    table = model._meta.db_table
    with tenant_scope(furnished.acme.id):
        seen = rows(f"SELECT DISTINCT org_id FROM {table}")
    assert seen == [(furnished.acme.id,)]
    assert rows(f"SELECT 1 FROM {table}") == []
    with system_scope("test"):
        assert (furnished.globex.id,) in rows(f"SELECT DISTINCT org_id FROM {table}")


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model._meta.db_table)
def test_the_models_refuse_to_be_read_without_a_scope(furnished: Cast, model):
    with pytest.raises(ScopeError):
        model.objects.all()


@pytest.mark.parametrize("model", [m for m in TENANT_MODELS if m not in LEDGER], ids=lambda model: model._meta.db_table)
def test_rows_of_another_organization_can_be_neither_changed_nor_deleted_nor_taken(furnished: Cast, model):
    table = model._meta.db_table
    with system_scope("test"):
        before = rows(f"SELECT * FROM {table} WHERE org_id = '{furnished.globex.id}' ORDER BY id")
    with tenant_scope(furnished.acme.id), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET created_at = now() WHERE org_id = %s", [furnished.globex.id])
        assert cursor.rowcount == 0
        cursor.execute(f"DELETE FROM {table} WHERE org_id = %s", [furnished.globex.id])
        assert cursor.rowcount == 0
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            cursor.execute(f"UPDATE {table} SET org_id = %s", [furnished.globex.id])
    with system_scope("test"):
        assert rows(f"SELECT * FROM {table} WHERE org_id = '{furnished.globex.id}' ORDER BY id") == before


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model._meta.db_table)
def test_nothing_can_be_written_for_another_organization_or_without_a_scope(furnished: Cast, model):
    table = model._meta.db_table
    copied = ", ".join(f'"{f.column}"' for f in model._meta.local_fields if f.column != "org_id")
    with system_scope("test"):
        source = rows(f"SELECT id FROM {table} WHERE org_id = '{furnished.acme.id}' LIMIT 1")[0][0]
    statement = f"INSERT INTO {table} (org_id, {copied}) SELECT %s, {copied} FROM {table} WHERE id = %s"
    with tenant_scope(furnished.acme.id), pytest.raises(ProgrammingError, match="row-level security"):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [furnished.globex.id, source])
    with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} (id, org_id) VALUES (gen_random_uuid(), %s)", [furnished.acme.id])


def test_a_row_cannot_point_into_another_organization(furnished: Cast):
    with tenant_scope(furnished.acme.id), pytest.raises(IntegrityError, match="foreign key"), transaction.atomic():
        key = Key.objects.get(id=furnished.key.id)
        key.project_id = furnished.foreign_project.id
        key.save()
        connection.check_constraints()


def test_scopes_nest_only_inwards(cast: Cast):
    with tenant_scope(cast.acme.id):
        with tenant_scope(cast.acme.id):
            assert Project.objects.count() == 1
        with pytest.raises(ScopeError), tenant_scope(cast.globex.id):
            pass
        with system_scope("test"), tenant_scope(cast.globex.id):
            assert Project.objects.get() == cast.foreign_project
        assert Project.objects.get() == cast.project
    assert current_scope() is None


def test_a_scope_ends_with_its_block_also_inside_a_transaction(cast: Cast):
    with transaction.atomic():
        with tenant_scope(cast.acme.id):
            assert rows("SELECT count(*) FROM projects_project") == [(1,)]
        assert rows("SELECT count(*) FROM projects_project") == [(0,)]


def test_a_rolled_back_savepoint_leaves_no_scope_behind(cast: Cast):
    with transaction.atomic():
        with pytest.raises(ProgrammingError), transaction.atomic(), tenant_scope(cast.acme.id):
            rows("SELECT no_such_column FROM projects_project")
        assert rows("SELECT count(*) FROM projects_project") == [(0,)]


NAMES = "SELECT slug FROM projects_project WHERE org_id = ANY(%s::uuid[]) ORDER BY slug"


def test_prepared_statements_run_in_the_system_scope_whatever_was_done_in_between(furnished: Cast):
    """What another scope, a savepoint that is given up, or a failure leaves in the transaction is not theirs."""

    def fail() -> None:
        with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT nothing_of_the_kind")

    def give_up() -> None:
        with suppress(LookupError), transaction.atomic():
            list(Project.objects.values_list("id"))
            raise LookupError

    with system_scope("test"), prepared_by_index() as prepared:
        both = [str(furnished.acme.id), str(furnished.globex.id)]
        expected = prepared.rows(NAMES, [both])
        assert len(expected) > len(prepared.rows(NAMES, [both[:1]])) > 0
        for between in (fail, give_up, lambda: list(Project.objects.values_list("id"))):
            with tenant_scope(furnished.acme.id):
                list(Project.objects.values_list("id"))
                with system_scope("test"):
                    between()
                between()
            assert prepared.rows(NAMES, [both]) == expected
            with tenant_scope(furnished.acme.id):
                list(Project.objects.values_list("id"))
            between()
            assert prepared.rows(NAMES, [both]) == expected


def test_prepared_statements_are_for_their_system_scope_alone(cast: Cast):
    with pytest.raises(ScopeError), prepared_by_index():
        raise AssertionError
    with tenant_scope(cast.acme.id), pytest.raises(ScopeError), prepared_by_index():
        raise AssertionError
    with system_scope("test"), prepared_by_index() as prepared, tenant_scope(cast.acme.id), pytest.raises(ScopeError):
        prepared.rows(NAMES, [[str(cast.acme.id)]])


def test_a_scope_holds_for_its_thread_alone(committed_cast: Cast):
    seen: list[int] = []

    def count() -> None:
        try:
            seen.extend(row[0] for row in rows("SELECT count(*) FROM projects_project"))
        finally:
            connection.close()

    with tenant_scope(committed_cast.acme.id):
        thread = threading.Thread(target=count)
        thread.start()
        thread.join()
        assert rows("SELECT count(*) FROM projects_project") == [(1,)]
    assert seen == [0]


def test_a_scope_survives_a_new_connection(committed_cast: Cast):
    with tenant_scope(committed_cast.acme.id):
        connection.close()
        assert Project.objects.get() == committed_cast.project
    assert rows("SELECT count(*) FROM projects_project") == [(0,)]


def test_iterating_in_chunks_and_bulk_writes_work_in_a_scope(cast: Cast):
    with tenant_scope(cast.acme.id):
        Project.objects.bulk_create([Project(name=f"P{n}", slug=f"p{n}") for n in range(5)])
        assert len(list(Project.objects.order_by("id").iterator(chunk_size=2))) == 6
        Project.objects.bulk_update([Project.objects.get(slug="p1")], ["name"])


def test_executemany_in_autocommit_is_refused_rather_than_run_without_a_scope(committed_cast: Cast):
    with tenant_scope(committed_cast.acme.id), pytest.raises(ScopeError), connection.cursor() as cursor:
        cursor.executemany("SELECT %s", [[1], [2]])


@pytest.fixture
def ledger(cast: Cast) -> Iterator[AuditEvent]:
    with tenant_scope(cast.acme.id):
        yield AuditEvent.objects.order_by("id").first()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_event SET event = 'key.created'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "ALTER TABLE audit_event DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE projects_project DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE projects_project NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant_isolation ON projects_project",
        "TRUNCATE projects_project",
        "SET LOCAL session_replication_role = replica",
        "SELECT set_config('tenantry.org_id', gen_random_uuid()::text, true)",
        "SET LOCAL ROLE tenantry_owner",
    ],
)
@pytest.mark.parametrize("scope", ["tenant", "system"])
def test_the_runtime_role_cannot_lift_the_protection(ledger: AuditEvent, statement, scope):
    with system_scope("test") if scope == "system" else tenant_scope(ledger.org_id):
        before = rows("SELECT * FROM audit_event ORDER BY id")
        with pytest.raises(ProgrammingError, match="permission denied|must be owner|append-only"), transaction.atomic():
            rows(statement)
        assert rows("SELECT * FROM audit_event ORDER BY id") == before


def test_the_ledger_of_an_organization_is_not_erased_before_its_time(ledger: AuditEvent):
    with pytest.raises(ProgrammingError, match="not due"), transaction.atomic():
        rows(f"SELECT audit_erase_organization('{ledger.org_id}')")


def test_postgresql_checks_every_reference_between_tenant_tables_but_these():
    """Each of these says beside its declaration what keeps it right."""
    unchecked = {
        f"{field.model._meta.label}.{field.name}"
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, TenantForeignKey) and not field.is_checked
    }
    assert unchecked == {"webhooks.Attempt.delivery"}


def test_a_checked_reference_to_a_table_without_the_key_for_it_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Project, "is_referenced", False)
    found = {(message.id, message.obj) for message in run_checks()}
    assert ("tenancy.E005", Key) in found
