"""The ledger in monthly partitions, by the time that is in every id.

The runtime roles have no grant on a partition: they reach the rows through `audit_event` alone. Each partition has row
security and the append-only triggers all the same. What lies in no month's partition goes to the default one.
"""

from django.db import migrations
from django_migration_linter.operations import IgnoreMigration

from config.kernel.tenancy.policies import OWN_ROWS, POLICY, SYSTEM_POLICY
from config.kernel.tenancy.scope import SYSTEM_ROLE

# Takes a table's name as %s.
PROTECTION = f"""
ALTER TABLE %1$I ENABLE ROW LEVEL SECURITY;
ALTER TABLE %1$I FORCE ROW LEVEL SECURITY;
CREATE POLICY {POLICY} ON %1$I USING ({OWN_ROWS}) WITH CHECK ({OWN_ROWS});
CREATE POLICY {SYSTEM_POLICY} ON %1$I TO {SYSTEM_ROLE} USING (true) WITH CHECK (true);
CREATE TRIGGER %2$I BEFORE TRUNCATE ON %1$I FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
"""
PROTECTED = "EXECUTE format($sql$" + PROTECTION + "$sql$, {table}, {table} || '_no_truncate');"

FUNCTIONS = f"""
CREATE FUNCTION audit_first_id(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;
CREATE FUNCTION audit_make_partition(month timestamptz) RETURNS boolean LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
    partition text := 'audit_event_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
    lower_bound uuid := audit_first_id(month);
    upper_bound uuid := audit_first_id((month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
BEGIN
    -- Rows that the default partition has of that month stay there, and so does the month.
    IF to_regclass(partition) IS NOT NULL
        OR EXISTS (SELECT 1 FROM audit_event_default WHERE id >= lower_bound AND id < upper_bound)
    THEN
        RETURN false;
    END IF;
    -- Made aside and attached, which does not stop those who record.
    EXECUTE format('CREATE TABLE %I (LIKE audit_event INCLUDING DEFAULTS)', partition);
    {PROTECTED.format(table="partition")}
    EXECUTE format(
        'ALTER TABLE audit_event ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, lower_bound, upper_bound
    );
    RETURN true;
END $$;
CREATE FUNCTION audit_make_partitions() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    this_month timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(8285198);
    FOR ahead IN 0..3 LOOP
        IF audit_make_partition((this_month + make_interval(months => ahead)) AT TIME ZONE 'UTC') THEN
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION audit_make_partition(timestamptz) FROM PUBLIC;
REVOKE ALL ON FUNCTION audit_make_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_make_partitions() TO tenantry_app, tenantry_system;
"""  # noqa: S608 - made of constants

KEYS = """
ALTER TABLE audit_event ADD CONSTRAINT audit_event_pkey PRIMARY KEY (id);
ALTER TABLE audit_event ADD CONSTRAINT audit_event_org_id UNIQUE (org_id, id);
CREATE INDEX audit_event_by_event ON audit_event (org_id, event, id DESC);
CREATE INDEX audit_event_by_actor ON audit_event (org_id, actor_id, id DESC);
CREATE INDEX audit_event_by_target ON audit_event (org_id, target_id, id DESC);
CREATE INDEX audit_event_by_result ON audit_event (org_id, result, id DESC);
CREATE INDEX audit_event_by_transaction ON audit_event (transaction_id, id);
CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
"""


def protect(table: str) -> str:
    """SQL that protects one table."""
    return "DO $$ BEGIN " + PROTECTED.format(table=f"'{table}'") + " END $$;"


FORWARD = f"""
ALTER TABLE audit_event RENAME TO audit_event_whole;
CREATE TABLE audit_event (LIKE audit_event_whole INCLUDING DEFAULTS) PARTITION BY RANGE (id);
CREATE TABLE audit_event_default PARTITION OF audit_event DEFAULT;
{FUNCTIONS}
{protect("audit_event")}
{protect("audit_event_default")}
SELECT audit_make_partition(month AT TIME ZONE 'UTC')
FROM (SELECT DISTINCT date_trunc('month', created_at AT TIME ZONE 'UTC') FROM audit_event_whole) AS months (month);
SELECT audit_make_partitions();
INSERT INTO audit_event SELECT * FROM audit_event_whole ORDER BY id;
DROP TABLE audit_event_whole;
{KEYS}
"""  # noqa: S608 - made of constants
BACKWARD = f"""
CREATE TABLE audit_event_whole (LIKE audit_event INCLUDING DEFAULTS);
INSERT INTO audit_event_whole SELECT * FROM audit_event ORDER BY id;
DROP TABLE audit_event;
DROP FUNCTION audit_make_partitions();
DROP FUNCTION audit_make_partition(timestamptz);
DROP FUNCTION audit_first_id(timestamptz);
ALTER TABLE audit_event_whole RENAME TO audit_event;
{protect("audit_event")}
{KEYS}
"""  # noqa: S608 - made of constants


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_chain")]
    operations = [
        # Written before the first release: the ledger may be locked while it is rewritten, once.
        IgnoreMigration(),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
