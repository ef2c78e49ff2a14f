"""Blocks of the ledger's words, by which it is searched, in monthly partitions beside the ledger's own.

Searching goes through functions of the owner's, since no index serves `@>` below row security. They take no
organization: theirs is the one in scope.
"""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.db import migrations, models
from django_migration_linter.operations import IgnoreMigration

import config.kernel.tenancy.policies
import config.kernel.tenancy.scope
from config.kernel.tenancy.policies import OWN_ROWS, POLICY, SYSTEM_POLICY
from config.kernel.tenancy.scope import SETTING, SYSTEM_ROLE

# Takes a table's name as %1$I. Indexes are made with the table that a partition belongs to.
PROTECTION = f"""
ALTER TABLE %1$I ENABLE ROW LEVEL SECURITY;
ALTER TABLE %1$I FORCE ROW LEVEL SECURITY;
CREATE POLICY {POLICY} ON %1$I USING ({OWN_ROWS}) WITH CHECK ({OWN_ROWS});
CREATE POLICY {SYSTEM_POLICY} ON %1$I TO {SYSTEM_ROLE} USING (true) WITH CHECK (true);
"""


def protect(table: str) -> str:
    """SQL that protects one table; `table` is an SQL expression for its name."""
    return f"EXECUTE format($sql${PROTECTION}$sql$, {table});"


TABLE = f"""
CREATE TABLE audit_block (
    id uuid NOT NULL, org_id uuid NOT NULL, created_at timestamptz NOT NULL, first_id uuid NOT NULL,
    sequence bigint NOT NULL, width smallint NOT NULL, terms bigint[], places bytea, members bytea
) PARTITION BY RANGE (id);
-- Read in parts, hardly to be compressed.
ALTER TABLE audit_block ALTER COLUMN terms SET STORAGE EXTERNAL, ALTER COLUMN places SET STORAGE EXTERNAL,
    ALTER COLUMN members SET STORAGE EXTERNAL;
CREATE TABLE audit_block_default (LIKE audit_block INCLUDING DEFAULTS INCLUDING STORAGE);
ALTER TABLE audit_block ATTACH PARTITION audit_block_default DEFAULT;
DO $do$ BEGIN {protect("'audit_block'")} {protect("'audit_block_default'")} END $do$;
ALTER TABLE audit_block ADD CONSTRAINT audit_block_pkey PRIMARY KEY (id);
ALTER TABLE audit_block ADD CONSTRAINT audit_block_org_id UNIQUE (org_id, id);
CREATE INDEX audit_block_by_width ON audit_block (org_id, width, id);
CREATE INDEX audit_block_to_index ON audit_block (org_id, first_id) WHERE terms IS NULL;
CREATE INDEX audit_block_by_term ON audit_block USING gin (terms) WITH (fastupdate = off);
"""

MAKE_ALL = """
CREATE OR REPLACE FUNCTION audit_make_partitions() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    this_month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    first_of_month timestamptz;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(8285198);
    FOR ahead IN 0..3 LOOP
        first_of_month := (this_month + make_interval(months => ahead)) AT TIME ZONE 'UTC';
        IF audit_make_partition(first_of_month) THEN
            made := made + 1;
        END IF;
        {also}
    END LOOP;
    RETURN made;
END $$;
"""

PARTITIONS = f"""
CREATE FUNCTION audit_make_block_partition(month timestamptz) RETURNS boolean LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
    partition text := 'audit_block_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
    lower_bound uuid := audit_first_id(month);
    upper_bound uuid := audit_first_id((month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
    -- Rows that the default partition has of that month stay there, and so does the month.
    IF to_regclass(partition) IS NOT NULL
        OR EXISTS (SELECT 1 FROM audit_block_default WHERE id >= lower_bound AND id < upper_bound)
    THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE audit_block INCLUDING DEFAULTS INCLUDING STORAGE)', partition);
    {protect("partition")}
    EXECUTE format(
        'ALTER TABLE audit_block ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, lower_bound, upper_bound
    );
    RETURN true;
END $$;
{MAKE_ALL.format(also="PERFORM audit_make_block_partition(first_of_month);")}
REVOKE ALL ON FUNCTION audit_make_block_partition(timestamptz) FROM PUBLIC;
"""  # noqa: S608 - made of constants

# Where the wanted terms are in a block: 16 bytes for each; fewer when it lacks one.
PLACES = """(
        SELECT string_agg(substring(block.places FROM 16 * array_position(block.terms, term) - 15 FOR 16), ''::bytea)
        FROM unnest(wanted) AS term
    )"""

# What is stored aside is fetched for each use of it, but once if it is the result of an operator.
READ_ONCE = "SELECT chosen.id, chosen.terms || '{}'::bigint[] AS terms, chosen.places"

FUNCTIONS = f"""
CREATE FUNCTION audit_milliseconds(id uuid) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint
$$;
-- The blocks that end with these places of the chains, still without their words.
CREATE FUNCTION audit_add_blocks(organizations uuid[], places bigint[]) RETURNS void LANGUAGE sql
SET search_path = public, pg_temp AS $$
    INSERT INTO audit_block (id, org_id, created_at, first_id, sequence, width)
    SELECT ids[cardinality(ids)], organization, now(), ids[1], place,
           ceil(ln(audit_milliseconds(ids[cardinality(ids)]) - audit_milliseconds(ids[1]) + 1) / ln(2) + 0.001)
    FROM unnest(organizations, places) AS ending (organization, place)
    CROSS JOIN LATERAL (
        SELECT array_agg(s.id ORDER BY s.id) AS ids FROM audit_seal s
        WHERE s.org_id = organization AND s.sequence > place - 128 AND s.sequence <= place
    ) AS block
    WHERE cardinality(ids) > 0
$$;
-- All records of the organization in scope below this id are in blocks with words. Zero: nobody knows.
CREATE FUNCTION audit_unindexed_from() RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    organization uuid := NULLIF(current_setting('{SETTING}', true), '')::uuid;
    sealer audit_sealer;
    head bigint;
    lowest uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    found_id uuid;
    unsealed bigint;
BEGIN
    SELECT * INTO sealer FROM audit_sealer WHERE audit_sealer.id = 1;
    IF organization IS NULL OR sealer.id IS NULL OR sealer.rescan_after IS NOT NULL THEN
        RETURN '00000000-0000-0000-0000-000000000000';
    END IF;
    SELECT count(*), (array_agg(e.id ORDER BY e.id) FILTER (WHERE e.org_id = organization))[1]
    INTO unsealed, found_id
    FROM (
        SELECT a.id, a.org_id FROM audit_event a WHERE a.transaction_id >= sealer.horizon LIMIT 20001
    ) AS e;
    IF unsealed > 20000 THEN
        RETURN '00000000-0000-0000-0000-000000000000';
    END IF;
    lowest := LEAST(lowest, found_id);
    SELECT s.sequence INTO head FROM audit_seal s WHERE s.org_id = organization ORDER BY s.sequence DESC LIMIT 1;
    SELECT (array_agg(s.id ORDER BY s.id))[1] INTO found_id FROM audit_seal s
    WHERE s.org_id = organization AND s.sequence > head - head % 128;
    lowest := LEAST(lowest, found_id);
    SELECT b.first_id INTO found_id FROM audit_block b
    WHERE b.org_id = organization AND b.terms IS NULL ORDER BY b.first_id LIMIT 1;
    RETURN LEAST(lowest, found_id);
END $$;
-- Blocks that begin below an id and end at it or above. `bounds` are, for each width, the ids where none reaches it.
CREATE FUNCTION audit_blocks_across(wanted bigint[], below uuid, bounds uuid[], most integer)
RETURNS TABLE (id uuid, found bytea) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    organization uuid := NULLIF(current_setting('{SETTING}', true), '')::uuid;
BEGIN
    RETURN QUERY
    SELECT block.id, {PLACES}
    FROM ({READ_ONCE} FROM (
        SELECT b.id, b.terms, b.places
        FROM unnest(bounds) WITH ORDINALITY AS width (bound, number)
        CROSS JOIN LATERAL (
            SELECT a.id, a.terms, a.places FROM audit_block a
            WHERE a.org_id = organization AND a.width = width.number - 1 AND a.id >= below AND a.id < width.bound
                AND a.first_id < below AND a.terms IS NOT NULL
        ) AS b
        ORDER BY b.id DESC LIMIT most
    ) AS chosen OFFSET 0) AS block;
END $$;
-- The newest blocks that end below an id, whatever they contain.
CREATE FUNCTION audit_blocks_below(wanted bigint[], below uuid, above uuid, most integer)
RETURNS TABLE (id uuid, found bytea) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    organization uuid := NULLIF(current_setting('{SETTING}', true), '')::uuid;
BEGIN
    RETURN QUERY
    SELECT block.id, {PLACES}
    FROM ({READ_ONCE} FROM (
        SELECT b.id, b.terms, b.places FROM audit_block b
        WHERE b.org_id = organization AND b.id < below AND b.id >= above AND b.terms IS NOT NULL
        ORDER BY b.id DESC LIMIT most
    ) AS chosen OFFSET 0) AS block
    ORDER BY block.id DESC;
END $$;
-- The newest blocks that end below an id and contain every term. The index of the terms is asked before all else.
CREATE FUNCTION audit_blocks_with(wanted bigint[], below uuid, above uuid, most integer)
RETURNS TABLE (id uuid, found bytea) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off SET enable_indexscan = off AS $$
DECLARE
    organization uuid := NULLIF(current_setting('{SETTING}', true), '')::uuid;
BEGIN
    RETURN QUERY
    SELECT block.id, {PLACES}
    FROM ({READ_ONCE} FROM (
        SELECT b.id, b.terms, b.places
        FROM (SELECT a.id, a.org_id, a.terms, a.places FROM audit_block a WHERE a.terms @> wanted OFFSET 0) AS b
        WHERE b.org_id = organization AND b.id < below AND b.id >= above
        ORDER BY b.id DESC LIMIT most
    ) AS chosen OFFSET 0) AS block
    ORDER BY block.id DESC;
END $$;
REVOKE ALL ON FUNCTION audit_add_blocks(uuid[], bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_unindexed_from() FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_blocks_across(bigint[], uuid, uuid[], integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_blocks_below(bigint[], uuid, uuid, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_blocks_with(bigint[], uuid, uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_add_blocks(uuid[], bigint[]) TO tenantry_system;
GRANT EXECUTE ON FUNCTION audit_unindexed_from() TO tenantry_app, tenantry_system;
GRANT EXECUTE ON FUNCTION audit_blocks_across(bigint[], uuid, uuid[], integer) TO tenantry_app, tenantry_system;
GRANT EXECUTE ON FUNCTION audit_blocks_below(bigint[], uuid, uuid, integer) TO tenantry_app, tenantry_system;
GRANT EXECUTE ON FUNCTION audit_blocks_with(bigint[], uuid, uuid, integer) TO tenantry_app, tenantry_system;
"""  # noqa: S608 - made of constants

FILL = """
SELECT audit_make_block_partition(month AT TIME ZONE 'UTC')
FROM (SELECT DISTINCT date_trunc('month', created_at AT TIME ZONE 'UTC') FROM audit_event) AS months (month);
SELECT audit_make_partitions();
SELECT audit_add_blocks(array_agg(org_id), array_agg(sequence)) FROM audit_seal WHERE sequence % 128 = 0;
"""

BACKWARD = f"""
DROP FUNCTION audit_blocks_with(bigint[], uuid, uuid, integer);
DROP FUNCTION audit_blocks_below(bigint[], uuid, uuid, integer);
DROP FUNCTION audit_blocks_across(bigint[], uuid, uuid[], integer);
DROP FUNCTION audit_unindexed_from();
DROP FUNCTION audit_add_blocks(uuid[], bigint[]);
DROP FUNCTION audit_milliseconds(uuid);
DROP TABLE audit_block;
{MAKE_ALL.format(also="")}
DROP FUNCTION audit_make_block_partition(timestamptz);
"""


STATE = [
    migrations.CreateModel(
        name="AuditBlock",
        fields=[
            (
                "org_id",
                models.UUIDField(default=config.kernel.tenancy.scope.current_organization_id, editable=False),
            ),
            ("created_at", models.DateTimeField(auto_now_add=True)),
            ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
            ("first_id", models.UUIDField(help_text="Its oldest record.")),
            ("sequence", models.BigIntegerField(help_text="The place of its last record in the chain.")),
            (
                "width",
                models.SmallIntegerField(
                    help_text="Between its oldest and its newest record lie less than two to this power milliseconds."
                ),
            ),
            (
                "terms",
                django.contrib.postgres.fields.ArrayField(
                    base_field=models.BigIntegerField(),
                    help_text="The number of each word, once.",
                    null=True,
                    size=None,
                ),
            ),
            (
                "places",
                models.BinaryField(
                    help_text="For each of the terms 16 bytes: a bit for each record that has the word.", null=True
                ),
            ),
            (
                "members",
                models.BinaryField(
                    help_text="The ids of its records, 16 bytes each, in the order of the bits.", null=True
                ),
            ),
        ],
        options={
            "db_table": "audit_block",
            "indexes": [
                models.Index(fields=["org_id", "width", "id"], name="audit_block_by_width"),
                models.Index(
                    condition=models.Q(("terms__isnull", True)),
                    fields=["org_id", "first_id"],
                    name="audit_block_to_index",
                ),
                django.contrib.postgres.indexes.GinIndex(
                    fastupdate=False, fields=["terms"], name="audit_block_by_term"
                ),
            ],
            "constraints": [
                config.kernel.tenancy.policies.TenantPolicy(name="audit_block_policy"),
                models.UniqueConstraint(fields=("org_id", "id"), name="audit_block_org_id"),
            ],
        },
    )
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_exports")]
    operations = [
        # Written before the first release: the ledger may be locked while it is read, once.
        IgnoreMigration(),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(TABLE + PARTITIONS + FUNCTIONS + FILL, BACKWARD)],
            state_operations=STATE,
        ),
    ]
