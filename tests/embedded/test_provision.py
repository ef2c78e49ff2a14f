"""Roles, database and hardening as docs/tenancy describes them, on a real server."""

import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import make_conninfo

from config import provision
from config.embedded.programs import postgres_programs
from config.embedded.servers import Servers

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "operators.md"

SNAPSHOT = {
    "roles": "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, "
    "rolbypassrls, rolconfig FROM pg_roles WHERE rolname LIKE 'tenantry%' ORDER BY 1",
    "memberships": "SELECT member::regrole::text, roleid::regrole::text, admin_option, inherit_option, set_option "
    "FROM pg_auth_members WHERE roleid = 'tenantry_system'::regrole ORDER BY 1",
    "databases": "SELECT datname, datdba::regrole::text, datacl::text, pg_encoding_to_char(encoding) "
    "FROM pg_database WHERE datname IN ('tenantry', 'template1') ORDER BY 1",
    "schema": "SELECT nspacl::text FROM pg_namespace WHERE nspname = 'public'",
    "function": "SELECT proacl::text FROM pg_proc WHERE oid = "
    "'pg_catalog.set_config(text, text, boolean)'::regprocedure",
}


def superuser(servers: Servers, database: str = "postgres") -> psycopg.Connection:
    return psycopg.connect(make_conninfo(servers.superuser_url, dbname=database), autocommit=True)


def role(servers: Servers, name: str, database: str = provision.DATABASE) -> psycopg.Connection:
    passwords = {"tenantry_app": servers.credentials.postgres_app, "tenantry_owner": servers.credentials.postgres_owner}
    return psycopg.connect(
        make_conninfo(servers.superuser_url, user=name, password=passwords[name], dbname=database), autocommit=True
    )


def snapshot(servers: Servers) -> dict[str, object]:
    with superuser(servers, provision.DATABASE) as connection:
        return {name: connection.execute(query).fetchall() for name, query in SNAPSHOT.items()}


def provision_again(servers: Servers, **options: bool) -> None:
    provision.provision(
        servers.superuser_url,
        owner_password=servers.credentials.postgres_owner,
        app_password=servers.credentials.postgres_app,
        **{"development": True, "test": True, **options},
    )


def test_roles_have_exactly_the_attributes_that_isolation_rests_on(servers: Servers) -> None:
    found = {row[0]: row[1:] for row in snapshot(servers)["roles"]}

    # superuser, inherit, create roles, create databases, login, replication, bypass row-level security, settings
    assert found == {
        "tenantry_owner": (False, True, False, True, True, False, False, ["TimeZone=UTC"]),
        "tenantry_app": (False, True, False, False, True, False, False, ["TimeZone=UTC"]),
        "tenantry_system": (False, True, False, False, False, False, False, None),
    }


def test_the_application_must_switch_to_the_system_role_and_never_inherits_it(servers: Servers) -> None:
    # member, role, admin, inherit, set
    assert snapshot(servers)["memberships"] == [
        ("tenantry_app", "tenantry_system", False, False, True),
        ("tenantry_owner", "tenantry_system", False, True, True),
    ]
    with role(servers, "tenantry_app") as connection:
        connection.execute("SET ROLE tenantry_system")
        assert connection.execute("SELECT current_user").fetchone() == ("tenantry_system",)
        connection.execute("RESET ROLE")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SET ROLE tenantry_owner")


def test_the_role_that_the_guide_makes_for_backups_can_dump(servers: Servers, tmp_path: Path) -> None:
    backups = GUIDE.read_text().partition("\n## Backups\n")[2]
    statements = [line.strip() for line in backups.splitlines() if line.startswith(("    CREATE ", "    GRANT "))]
    dump = tmp_path / "dump.sql"
    target = make_conninfo(servers.superuser_url, user="backup", password="…", dbname=provision.DATABASE)
    with superuser(servers, provision.DATABASE) as connection:
        connection.execute("CREATE TABLE kept (note text)")
        connection.execute("INSERT INTO kept VALUES ('to be restored')")
        connection.execute("ALTER TABLE kept ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        try:
            for statement in statements:
                connection.execute(statement)
            command = [postgres_programs(tmp_path, None) / "pg_dump", "--file", dump, target]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (ended.returncode, ended.stderr) == (0, "")
        finally:
            connection.execute("DROP TABLE kept")
            connection.execute("DROP OWNED BY backup")
            connection.execute("DROP ROLE backup")
    assert "to be restored" in dump.read_text()


def test_provisioning_again_changes_nothing(servers: Servers) -> None:
    before = snapshot(servers)

    provision_again(servers)

    assert snapshot(servers) == before


def test_provisioning_corrects_what_has_drifted(servers: Servers) -> None:
    before = snapshot(servers)
    with superuser(servers) as connection:
        connection.execute("ALTER ROLE tenantry_app SUPERUSER BYPASSRLS CREATEROLE PASSWORD 'other'")
        connection.execute("GRANT tenantry_system TO tenantry_app WITH INHERIT TRUE")
        connection.execute("ALTER DATABASE tenantry OWNER TO postgres")
    with superuser(servers, provision.DATABASE) as connection:
        connection.execute("GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO PUBLIC")
        connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert snapshot(servers) != before

    provision_again(servers)

    assert snapshot(servers) == before
    with role(servers, "tenantry_app") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_production_owner_may_not_make_databases(servers: Servers) -> None:
    try:
        provision_again(servers, development=False, test=False)
        found = {row[0]: row[4] for row in snapshot(servers)["roles"]}
        assert found["tenantry_owner"] is False
    finally:
        provision_again(servers)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT set_config('tenantry.org_id', 'another', true)",
        "SELECT 1 UNION ALL SELECT length(set_config('role', 'tenantry_system', true))",
        "UPDATE pg_settings SET setting = 'another' WHERE name = 'application_name'",
        "CREATE TABLE public.mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "SET session_replication_role = replica",
        "SET SESSION AUTHORIZATION tenantry_owner",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "ALTER ROLE tenantry_app BYPASSRLS",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
def test_the_application_role_is_refused(servers: Servers, statement: str) -> None:
    before = snapshot(servers)
    with role(servers, "tenantry_app") as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute(statement)
    assert snapshot(servers) == before


def test_the_owner_sets_the_scope_and_makes_tables(servers: Servers) -> None:
    with role(servers, "tenantry_owner") as connection:
        assert connection.execute("SELECT set_config('tenantry.org_id', 'x', false)").fetchone() == ("x",)
        connection.execute("CREATE TABLE made (id int)")
        connection.execute("DROP TABLE made")


def test_a_database_made_by_the_owner_for_tests_is_hardened_too(servers: Servers) -> None:
    with role(servers, "tenantry_owner") as connection:
        connection.execute("CREATE DATABASE test_made")
        try:
            with (
                role(servers, "tenantry_app", "test_made") as inside,
                pytest.raises(errors.InsufficientPrivilege, match="set_config"),
            ):
                inside.execute("SELECT set_config('tenantry.org_id', 'x', true)")
            with role(servers, "tenantry_owner", "test_made") as inside:
                inside.execute("SET session_replication_role = replica")
        finally:
            connection.execute("DROP DATABASE test_made")


@pytest.mark.parametrize("user", ["postgres", "tenantry_owner", "tenantry_app"])
@pytest.mark.parametrize("password", ["", "wrong"])
def test_nobody_connects_without_the_password(servers: Servers, user: str, password: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(make_conninfo(servers.superuser_url, user=user, password=password, passfile="/dev/null"))


def test_the_system_role_cannot_sign_in(servers: Servers) -> None:
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(make_conninfo(servers.superuser_url, user="tenantry_system", password="any"))


def test_passwords_are_stored_as_scram_and_reach_no_log(servers: Servers) -> None:
    with superuser(servers) as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
    try:
        provision_again(servers)
    finally:
        with superuser(servers) as connection:
            connection.execute("ALTER SYSTEM RESET log_statement")
            connection.execute("SELECT pg_reload_conf()")
            stored = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL").fetchall()
    log = (servers.home.logs / "postgres.log").read_text()

    assert "ALTER ROLE" in log
    assert servers.credentials.postgres_owner not in log
    assert servers.credentials.postgres_app not in log
    assert len(stored) == 3
    assert all(verifier.startswith("SCRAM-SHA-256$") for (verifier,) in stored)


def test_the_command_provisions_from_the_environment(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = servers.superuser_url.rpartition("@")[2].rpartition("/")[0]
    app, owner = servers.credentials.postgres_app, servers.credentials.postgres_owner
    monkeypatch.setenv("DATABASE_SUPERUSER_URL", servers.superuser_url)
    monkeypatch.setenv("DATABASE_URL", f"postgresql://tenantry_app:{app}@{base}/tenantry")
    monkeypatch.setenv("DATABASE_OWNER_URL", f"postgresql://tenantry_owner:{owner}@{base}/tenantry")

    assert provision.main([]) == 0
    provision_again(servers)

    output = capsys.readouterr()
    assert app not in output.out + output.err
    assert owner not in output.out + output.err


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_SUPERUSER_URL", "", "Set DATABASE_SUPERUSER_URL"),
        ("DATABASE_OWNER_URL", "", "Set DATABASE_OWNER_URL to postgresql://tenantry_owner:PASSWORD"),
        ("DATABASE_URL", "postgresql://somebody:secret@127.0.0.1/tenantry", "Set DATABASE_URL to"),
        ("DATABASE_URL", "postgresql://tenantry_app:se cret@[/tenantry", "DATABASE_URL is not a PostgreSQL URL"),
    ],
)
def test_the_command_names_the_variable_that_is_wrong_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv("DATABASE_SUPERUSER_URL", "postgresql://postgres:x@127.0.0.1:1/postgres")
    monkeypatch.setenv("DATABASE_URL", "postgresql://tenantry_app:app@127.0.0.1:1/tenantry")
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgresql://tenantry_owner:owner@127.0.0.1:1/tenantry")
    monkeypatch.setenv(name, value)

    assert provision.main([]) == 1

    said = capsys.readouterr().err
    assert sentence in said
    assert "cret" not in said


def test_the_printed_sql_has_placeholders_and_needs_no_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DATABASE_SUPERUSER_URL", "DATABASE_URL", "DATABASE_OWNER_URL"):
        monkeypatch.delenv(name, raising=False)

    assert provision.main(["--print"]) == 0

    script = capsys.readouterr().out
    assert "password of tenantry_app>" in script
    assert 'GRANT "tenantry_system" TO "tenantry_app" WITH ADMIN FALSE, INHERIT FALSE, SET TRUE;' in script
    assert "NOCREATEDB PASSWORD" in script
