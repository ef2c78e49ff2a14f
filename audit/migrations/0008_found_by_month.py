"""Blocks are found by their words a month at a time, the newest first, until there are enough.

Asked of all months at once, the index of the words answered with every block there ever was that contains them.
"""

import importlib

from django.db import migrations

from config.kernel.tenancy.scope import SETTING

blocks = importlib.import_module("audit.migrations.0006_blocks")

FIND = f"""
CREATE OR REPLACE FUNCTION audit_blocks_with(wanted bigint[], below uuid, above uuid, most integer)
RETURNS TABLE (id uuid, found bytea) LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off SET enable_indexscan = off AS $$
DECLARE
    organization uuid := NULLIF(current_setting('{SETTING}', true), '')::uuid;
    partition text;
    begins timestamp;
    ids_of_month uuid[];
    ids uuid[] := '{{}}';
    newest integer := 0;
BEGIN
    -- The default partition, which may have blocks of any time, comes first and does not count.
    FOR partition IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'audit_block'::regclass ORDER BY c.relname DESC
    LOOP
        IF partition <> 'audit_block_default' THEN
            begins := to_date(right(partition, 7), 'YYYY_MM');
            CONTINUE WHEN audit_first_id(begins AT TIME ZONE 'UTC') >= below;
            EXIT WHEN audit_first_id((begins + interval '1 month') AT TIME ZONE 'UTC') <= above OR newest >= most;
        END IF;
        EXECUTE format(
            'SELECT array_agg(b.id) FROM ('
            '    SELECT a.id FROM (SELECT w.id, w.org_id FROM %I AS w WHERE w.terms @> $1 OFFSET 0) AS a'
            '    WHERE a.org_id = $2 AND a.id < $3 AND a.id >= $4 ORDER BY a.id DESC LIMIT $5'
            ') AS b', partition
        ) INTO ids_of_month USING wanted, organization, below, above, most;
        ids := ids || ids_of_month;
        IF partition <> 'audit_block_default' THEN
            newest := newest + COALESCE(cardinality(ids_of_month), 0);
        END IF;
    END LOOP;
    RETURN QUERY
    SELECT block.id, {blocks.PLACES}
    FROM ({blocks.READ_ONCE} FROM (
        SELECT b.id, b.terms, b.places FROM audit_block b
        WHERE b.id = ANY(ids) AND b.org_id = organization ORDER BY b.id DESC LIMIT most
    ) AS chosen OFFSET 0) AS block
    ORDER BY block.id DESC;
END $$;
"""  # noqa: S608 - made of constants


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_turns")]
    # Backwards it stays: it answers what the one before answered.
    operations = [migrations.RunSQL(FIND, migrations.RunSQL.noop)]
