"""The roles and the database of Tenantry, made or brought up to date.

`python -m config.provision` does it on a PostgreSQL of your own.  It reads

- DATABASE_SUPERUSER_URL: a superuser's connection to any database of that server,
- DATABASE_URL: what the product will use, `postgresql://tenantry_app:PASSWORD@HOST/tenantry`,
- DATABASE_OWNER_URL: what migrations will use, `postgresql://tenantry_owner:PASSWORD@HOST/tenantry`,

and gives the two roles the passwords of those URLs.  `--print` shows the SQL instead and connects to nothing.
Running it again changes nothing but what has drifted.
"""

from __future__ import annotations

import argparse
import os
import sys

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

OWNER_ROLE = "tenantry_owner"
APP_ROLE = "tenantry_app"
SYSTEM_ROLE = "tenantry_system"
DATABASE = "tenantry"
MINIMUM_VERSION = 160000
# Any number that all of us use: two provisioners must not alter one role at the same time.
_LOCK = 7_302_611_944

Query = sql.Composed


class ProvisioningError(Exception):
    """The server or the environment does not fit; `str(error)` says what to do."""

    code = "provisioning_failed"


def _names() -> dict[str, sql.Composable]:
    return {
        "owner": sql.Identifier(OWNER_ROLE),
        "app": sql.Identifier(APP_ROLE),
        "system": sql.Identifier(SYSTEM_ROLE),
        "database": sql.Identifier(DATABASE),
    }


def _query(text: str, **values: sql.Composable) -> Query:
    return sql.SQL(text).format(**_names(), **values)


def role_queries(*, owner_password: str, app_password: str, development: bool, test: bool) -> list[Query]:
    """Roles and memberships of the whole server.

    The passwords are what PostgreSQL stores (SCRAM verifiers).  `development` lets the owner make databases,
    `test` lets it empty tables without firing triggers.
    """
    queries = [
        _query(
            "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) "
            "THEN CREATE ROLE {role}; END IF; END $$",
            name=sql.Literal(role),
            role=sql.Identifier(role),
        )
        for role in (OWNER_ROLE, APP_ROLE, SYSTEM_ROLE)
    ]
    create_databases = sql.SQL("CREATEDB" if development else "NOCREATEDB")
    queries += [
        _query(
            "ALTER ROLE {owner} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOREPLICATION INHERIT "
            "{create_databases} PASSWORD {password}",
            create_databases=create_databases,
            password=sql.Literal(owner_password),
        ),
        _query(
            "ALTER ROLE {app} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION INHERIT "
            "PASSWORD {password}",
            password=sql.Literal(app_password),
        ),
        _query("ALTER ROLE {system} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION"),
        # Without INHERIT FALSE the application would see every tenant's rows all the time.
        _query("GRANT {system} TO {app} WITH ADMIN FALSE, INHERIT FALSE, SET TRUE"),
        # Data migrations see all rows.
        _query("GRANT {system} TO {owner} WITH ADMIN FALSE, INHERIT TRUE, SET TRUE"),
        # With it Django need not set the time zone itself, by a function that is taken from the application.
        _query("ALTER ROLE {owner} SET timezone = 'UTC'"),
        _query("ALTER ROLE {app} SET timezone = 'UTC'"),
    ]
    if test:
        queries.append(_query("GRANT SET ON PARAMETER session_replication_role TO {owner}"))
    return queries


CREATE_DATABASE = "CREATE DATABASE {database} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8'"


def access_queries() -> list[Query]:
    """Who may enter the database."""
    return [
        _query("ALTER DATABASE {database} OWNER TO {owner}"),
        _query("REVOKE ALL ON DATABASE {database} FROM PUBLIC"),
        _query("GRANT CONNECT ON DATABASE {database} TO {app}"),
    ]


def hardening_queries() -> list[Query]:
    """Inside a database: an injected statement can then neither change the tenant scope nor add tables."""
    return [
        _query("REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC"),
        _query("GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO {owner}"),
        _query("REVOKE ALL ON SCHEMA public FROM PUBLIC"),
        _query("GRANT USAGE, CREATE ON SCHEMA public TO {owner}"),
        _query("GRANT USAGE ON SCHEMA public TO {app}, {system}"),
    ]


def provision(
    superuser_url: str,
    *,
    owner_password: str,
    app_password: str,
    development: bool = False,
    test: bool = False,
) -> None:
    """Make roles and database, or correct what has drifted.

    `development` lets the owner make databases and hardens template1, so that every database made later (for
    tests) is hardened too; leave it off on a server that others share.  `test`: see `role_queries`.  The
    passwords are plain; only their SCRAM verifiers are sent, so that no server log can show them.
    Raises ProvisioningError on a server older than PostgreSQL 16, psycopg.Error otherwise.
    """
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        if connection.info.server_version < MINIMUM_VERSION:
            raise ProvisioningError("Tenantry needs PostgreSQL 16 or newer; update the server.")

        def encrypt(password: str, role: str) -> str:
            verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
            return verifier.decode()

        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        for query in role_queries(
            owner_password=encrypt(owner_password, OWNER_ROLE),
            app_password=encrypt(app_password, APP_ROLE),
            development=development,
            test=test,
        ):
            connection.execute(query)
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
        if found.fetchone() is None:
            connection.execute(_query(CREATE_DATABASE))
        for query in access_queries():
            connection.execute(query)
        for database in (DATABASE, "template1") if development else (DATABASE,):
            with psycopg.connect(make_conninfo(superuser_url, dbname=database), autocommit=True) as inside:
                for query in hardening_queries():
                    inside.execute(query)


def _password_of(variable: str, role: str) -> str:
    url = os.environ.get(variable, "")
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The error's own text may quote the URL, password included.
        raise ProvisioningError(f"{variable} is not a PostgreSQL URL.") from None
    if parts.get("user") != role or parts.get("dbname") != DATABASE or not parts.get("password"):
        raise ProvisioningError(f"Set {variable} to postgresql://{role}:PASSWORD@HOST:PORT/{DATABASE}.")
    return str(parts["password"])


def _script() -> str:
    """The same SQL for psql, with placeholders for the passwords."""
    roles = role_queries(
        owner_password=f"<SCRAM verifier or password of {OWNER_ROLE}>",
        app_password=f"<SCRAM verifier or password of {APP_ROLE}>",
        development=False,
        test=False,
    )
    lines = [f"{query.as_string(None)};" for query in roles]
    lines.append(f"{_query(CREATE_DATABASE).as_string(None)};  -- leave out when it exists")
    lines += [f"{query.as_string(None)};" for query in access_queries()]
    lines.append(f"\\connect {DATABASE}")
    lines += [f"{query.as_string(None)};" for query in hardening_queries()]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """The command line of this module; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m config.provision",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--print", action="store_true", help="show the SQL with placeholders, connect to nothing")
    options = parser.parse_args(arguments)
    if options.print:
        print(_script())
        return 0
    superuser_url = os.environ.get("DATABASE_SUPERUSER_URL")
    if not superuser_url:
        print("Set DATABASE_SUPERUSER_URL to a superuser's connection URL.", file=sys.stderr)
        return 1
    try:
        provision(
            superuser_url,
            owner_password=_password_of("DATABASE_OWNER_URL", OWNER_ROLE),
            app_password=_password_of("DATABASE_URL", APP_ROLE),
        )
    except (ProvisioningError, psycopg.Error) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Roles and database {DATABASE} are ready.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
