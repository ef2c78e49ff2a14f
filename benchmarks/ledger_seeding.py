"""A log of ten million records in one organization, in a database of its own, made once and kept.

Records of twelve months, by 200 people about a million things, from 5,000 addresses, each with its own request id. Some
words are there to be looked for: `needle` in one record, `rare3` to `rare6` in one of 10³ to 10⁶, `vintage` in all of
the older half, `crimson` and `indigo` in half of them each, never together.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

SIZE = int(os.environ.get("BENCHMARK_LEDGER_SIZE", "10000000"))
NAME = f"benchmark_ledger_{SIZE}"
ORGANIZATION = "01890000-0000-7000-8000-000000000001"
MONTHS = 12

EVENTS = """
WITH declared AS (
    SELECT ARRAY['key.created', 'key.updated', 'key.rotated', 'key.revoked', 'project.created', 'project.updated',
        'member.added', 'member.role_changed', 'member.removed', 'invitation.created', 'domain.added',
        'domain.removed', 'agent.enrolled', 'grant.created', 'session.ended', 'settings.changed'] AS names
)
INSERT INTO audit_event (
    id, org_id, created_at, event, actor_kind, actor_id, actor_label, target_kind, target_id, target_label, result,
    data, ip, user_agent, request_id, transaction_id
)
SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || '7' || substr(hash, 1, 3) || '8'
            || substr(hash, 4, 15))::uuid,
       %(organization)s::uuid, moment,
       names[1 + floor(16 * power(chance, 2))::int],
       'user', 'usr_' || lpad(actor::text, 26, '0'), 'Person ' || actor || ' <person' || actor || '@bench.example>',
       'key', 'key_' || lpad(thing::text, 26, '0'), 'Key of thing ' || thing,
       CASE WHEN number %% 50 = 0 THEN 'refused' ELSE 'done' END,
       jsonb_build_object(
           'changes', jsonb_build_object('name', jsonb_build_array('Alpha ' || thing %% 1000, 'Beta ' || thing %% 997)),
           'words', concat_ws(
               ' ', CASE WHEN number %% 2 = 0 THEN 'crimson' ELSE 'indigo' END,
               CASE WHEN number < %(size)s::bigint / 2 THEN 'vintage' END,
               CASE WHEN number = %(size)s::bigint / 3 THEN 'needle' END,
               CASE WHEN number %% 1000 = 0 THEN 'rare3' END, CASE WHEN number %% 10000 = 0 THEN 'rare4' END,
               CASE WHEN number %% 100000 = 0 THEN 'rare5' END, CASE WHEN number %% 1000000 = 0 THEN 'rare6' END
           )
       ),
       ('10.' || thing %% 20 || '.' || thing %% 250 || '.7')::inet, 'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101',
       'req_' || hash, 1
FROM declared, generate_series(%(first)s::bigint, %(last)s::bigint) AS number
CROSS JOIN LATERAL (
    SELECT md5(number::text) AS hash,
           now() - interval '1 hour' - (%(size)s - number) * (interval '330 days' / %(size)s) AS moment,
           (hashint8(number) & 1023) / 1024.0 AS chance,
           1 + (hashint8(number + 7) & 65535) * (hashint8(number + 9) & 65535)::bigint * 200 / 4294967296 AS actor,
           hashint8(number + 3) & 1048575 AS thing
) AS drawn
"""
SEALS = """
INSERT INTO audit_seal (id, org_id, created_at, sequence, digest)
SELECT id, org_id, created_at, row_number() OVER (ORDER BY id), sha256('benchmark') FROM audit_event
WHERE org_id = %s
"""
SEALED = """
INSERT INTO audit_sealer (id, cluster, horizon, sealed_at)
SELECT 1, (SELECT system_identifier FROM pg_control_system())::text || '/'
    || (SELECT oid FROM pg_database WHERE datname = current_database()),
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint, now()
"""
PARTITIONS = """
SELECT audit_make_partition(month), audit_make_block_partition(month)
FROM generate_series(0, %s) AS back, LATERAL (
    SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - make_interval(months => back)
) AS begins (month)
"""
BLOCKS = """
SELECT audit_add_blocks(array_agg(org_id), array_agg(sequence)) FROM audit_seal
WHERE org_id = %s AND sequence %% 128 = 0
"""
KEYS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ('p', 'u')
"""
PORTION = 500_000
BLOCK = 128


def environment() -> dict[str, str]:
    """Of programs that work on the log."""
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **urls()}


def urls() -> dict[str, str]:
    """Where the log is."""
    return {name: in_database(os.environ[name], NAME) for name in ("DATABASE_URL", "DATABASE_OWNER_URL")}


def in_database(url: str, database: str) -> str:
    """The same server and role, another database."""
    parts = conninfo_to_dict(url)
    return f"postgresql://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{database}"


def make() -> None:
    """Makes the log unless it is there whole."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], autocommit=True) as server:
        name = sql.Identifier(NAME)
        comment = server.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [NAME]
        ).fetchone()
        if comment == ("whole",):
            return
        print(f"Making a log of {SIZE:,} records, once.", flush=True)
        if comment:
            server.execute(sql.SQL("DROP DATABASE {}").format(name))
        server.execute(sql.SQL("CREATE DATABASE {}").format(name))
        server.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO tenantry_app").format(name))
        run("manage.py", "migrate", "-v0")
        with psycopg.connect(environment()["DATABASE_OWNER_URL"], autocommit=True) as owner:
            fill(owner)
        with psycopg.connect(environment()["DATABASE_OWNER_URL"], autocommit=True) as owner:
            add_blocks(owner)
        with psycopg.connect(environment()["DATABASE_OWNER_URL"], autocommit=True) as owner, timed("Vacuum"):
            for table in ("audit_event", "audit_seal", "audit_block"):
                owner.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))
        server.execute(sql.SQL("COMMENT ON DATABASE {} IS 'whole'").format(name))


def fill(owner: psycopg.Connection) -> None:
    """Records and their links; indexes are made afterwards, which is quicker."""
    owner.execute("ALTER TABLE audit_event DISABLE TRIGGER webhooks_fill_outbox")
    owner.execute("SET maintenance_work_mem = '1GB'")
    owner.execute("SET synchronous_commit = off")
    owner.execute(PARTITIONS, [MONTHS])
    with without_indexes(owner, "audit_event"), timed("Records"):
        for first in range(1, SIZE + 1, PORTION):
            values = {
                "organization": ORGANIZATION,
                "size": SIZE,
                "first": first,
                "last": min(first + PORTION - 1, SIZE),
            }
            owner.execute(EVENTS, values)
    with without_indexes(owner, "audit_seal"), timed("Links"):
        owner.execute(SEALS, [ORGANIZATION])
    owner.execute(SEALED)
    owner.execute("ALTER TABLE audit_event ENABLE TRIGGER webhooks_fill_outbox")


def add_blocks(owner: psycopg.Connection) -> None:
    """The blocks with their words; their index is made afterwards."""
    url = environment()["DATABASE_OWNER_URL"]
    half = SIZE // 2 // BLOCK * BLOCK
    owner.execute("SET maintenance_work_mem = '1GB'")
    definition = owner.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'audit_block_by_term'").fetchone()
    owner.execute("DROP INDEX audit_block_by_term")
    with timed("Blocks"):
        owner.execute(BLOCKS, [ORGANIZATION])
        command = [sys.executable, "-m", "benchmarks.ledger_blocks", url, ORGANIZATION]
        parts = ((0, half), (half, SIZE - half))
        children = [subprocess.Popen([*command, *map(str, part)], env=environment()) for part in parts]
        if sum(abs(child.wait()) for child in children):
            raise SystemExit(1)
    with timed("Index of blocks"):
        owner.execute(str(definition and definition[0]).replace(" ON ONLY ", " ON ").encode())


@contextmanager
def without_indexes(owner: psycopg.Connection, table: str) -> Iterator[None]:
    """Takes a table's indexes and keys away and makes them again."""
    keys = owner.execute(KEYS, [table]).fetchall()
    for key, _ in keys:
        owner.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(sql.Identifier(table), sql.Identifier(key)))
    indexes = owner.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s", [table]).fetchall()
    for index, _ in indexes:
        owner.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))
    yield
    with timed(f"Indexes of {table}"):
        for key, definition in keys:
            owner.execute(
                sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} " + definition).format(  # type: ignore[arg-type]
                    sql.Identifier(table), sql.Identifier(key)
                )
            )
        for _, definition in indexes:
            owner.execute(definition.replace(" ON ONLY ", " ON ").encode())


@contextmanager
def timed(words: str) -> Iterator[None]:
    """Prints how long it took."""
    began = time.monotonic()
    yield
    print(f"{words}: {time.monotonic() - began:,.0f} s", flush=True)


def run(*arguments: str) -> None:
    """A Python program on the log's database."""
    subprocess.run([sys.executable, *arguments], env=environment(), check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    make()
