"""The test databases: one template a set of migrations, one copy of it for each worker.

Migrations run as the owner, tests as the unprivileged runtime role, so row-level security and grants are always real.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.db import connection
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import Literal

ROOT = Path(__file__).resolve().parent.parent
OWNER_URL = os.environ["DATABASE_OWNER_URL"]
APP_URL = os.environ["DATABASE_URL"]
TRIES = 50
# Rows that migrations write and that tests must find again after the tables were emptied.
KEPT = {"django_migrations", "django_content_type", "auth_permission"}
WRITERS = """
SELECT grantee::regrole::text FROM pg_class, aclexplode(relacl)
WHERE pg_class.oid = %s::regclass AND privilege_type = 'INSERT' AND grantee <> relowner
"""
SMALL_TABLE_BYTES = 256 * 1024


def named(url: str, database: str) -> str:
    """The same server and role, another database; as a URL."""
    parts = conninfo_to_dict(url)
    return f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{database}"


@contextmanager
def owner_connection(database: str) -> Iterator[psycopg.Connection]:
    """A connection of the owner role, in autocommit."""
    with psycopg.connect(make_conninfo(OWNER_URL, dbname=database), autocommit=True) as connection:
        yield connection


def template_name() -> str:
    """Named by what it depends on: migrations, policies, grants and the pinned packages."""
    digest = hashlib.sha256()
    sources = sorted([*ROOT.glob("*/migrations/*.py"), *ROOT.glob("config/kernel/tenancy/*.py")])
    for source in [*sources, ROOT / "requirements.txt"]:
        digest.update(source.read_bytes())
    return f"tpl_{digest.hexdigest()[:16]}"


def ensure_template() -> str:
    """Makes the template unless it stands already; safe when several workers ask at once."""
    name = template_name()
    source = str(conninfo_to_dict(OWNER_URL)["dbname"])
    with owner_connection("postgres") as connection:
        connection.execute("SELECT pg_advisory_lock(7281)")
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return name
        for (old,) in connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'tpl\\_%'").fetchall():
            connection.execute(f'DROP DATABASE IF EXISTS "{old}" WITH (FORCE)')
        building = f"{name}_building"
        _create_database(connection, building, template=source)
        environment = {**os.environ, "DATABASE_URL": named(APP_URL, building)}
        environment["DATABASE_OWNER_URL"] = named(OWNER_URL, building)
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True, timeout=120
        )
        connection.execute(f'ALTER DATABASE "{building}" RENAME TO "{name}"')
    return name


def _create_database(connection: psycopg.Connection, name: str, *, template: str) -> None:
    """A copy of `template`."""
    _patiently(connection, f'CREATE DATABASE "{name}" TEMPLATE "{template}"', psycopg.errors.ObjectInUse)


def _patiently(connection: psycopg.Connection, statement: str, refusal: type[psycopg.Error]) -> None:
    """Runs `statement`, waiting for other connections, which end by themselves, as long as it is refused for them."""
    for attempt in range(TRIES):
        try:
            connection.execute(statement)
        except refusal:
            if attempt == TRIES - 1:
                raise
            time.sleep(0.1)
        else:
            return


@contextmanager
def closed(table: str) -> Iterator[None]:
    """Nobody may write to that table, as if the database had only begun to come back."""
    with owner_connection(connection.settings_dict["NAME"]) as owner:
        roles = ", ".join(role for (role,) in owner.execute(WRITERS, [table]))
        owner.execute(f"REVOKE INSERT ON {table} FROM {roles}")
        try:
            yield
        finally:
            owner.execute(f"GRANT INSERT ON {table} TO {roles}")


def create_test_database(worker: str) -> str:
    """The worker's own copy of the template. Grants on the database itself are not copied, so they are given here."""
    template, name = ensure_template(), f"test_{worker}"
    drop_test_database(name)
    with owner_connection("postgres") as connection:
        _create_database(connection, name, template=template)
        connection.execute(f'GRANT CONNECT ON DATABASE "{name}" TO tenantry_app')
    return name


def drop_test_database(name: str) -> None:
    """Ends the worker's database, whoever is still connected. Only the runtime role may end what it has open itself."""
    with owner_connection("postgres") as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return
        with psycopg.connect(named(APP_URL, name), autocommit=True) as runtime:
            runtime.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
            )
        _patiently(connection, f'DROP DATABASE "{name}" WITH (FORCE)', psycopg.errors.InsufficientPrivilege)


def empty_tables(name: str) -> None:
    """After a test that committed: empties every table as the owner, past the triggers that protect the ledger."""
    with owner_connection(name) as connection, connection.transaction():
        _empty(connection)


def kept_rows(name: str) -> dict[str, str]:
    """The rows of every table that has any, as arrays, for `put_back`."""
    with owner_connection(name) as connection:
        rows = {
            table: connection.execute(f'SELECT array_agg(t ORDER BY t::text)::text FROM "{table}" AS t').fetchone()
            for table in _tables(connection)
        }
    return {table: found[0] for table, found in rows.items() if found and found[0]}


def put_back(name: str, rows: dict[str, str]) -> None:
    """After a test that committed: the tables hold `rows`, of `kept_rows`, and nothing else."""
    statements = [
        f'INSERT INTO "{table}" OVERRIDING SYSTEM VALUE SELECT * FROM unnest({Literal(array).as_string()}::"{table}"[])'
        for table, array in rows.items()
    ]
    with owner_connection(name) as connection, connection.transaction():
        _empty(connection)
        connection.execute("; ".join(statements))


def _tables(connection: psycopg.Connection) -> list[str]:
    """Those that tests write. Partitions hold the rows of their parents."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    return sorted({table for (table,) in found} - KEPT)


def _empty(connection: psycopg.Connection) -> None:
    """Waits for whoever still writes, as TRUNCATE does. That makes new files for each table and its indexes, though,
    which costs ten times what the deletion of a test's few rows does: it is for tables that grew, with what refers to
    them, which is to be emptied anyway.
    """
    connection.execute("SET LOCAL session_replication_role = replica")
    tables = _tables(connection)
    listed = ", ".join(f'"{table}"' for table in tables)
    connection.execute(f"LOCK TABLE {listed} IN ACCESS EXCLUSIVE MODE")
    sizes = connection.execute(
        "SELECT relname, pg_relation_size(oid) FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s) AND pg_relation_size(oid) > 0",
        [tables],
    ).fetchall()
    statements = [
        f'DELETE FROM "{table}"' if size <= SMALL_TABLE_BYTES else f'TRUNCATE "{table}" CASCADE'
        for table, size in sizes
    ]
    if statements:
        connection.execute("; ".join(statements))
