"""What is sealed is indexed, whichever transactions were counted when it was recorded; and no block is in the way.

After a restore on another server the records of before have numbers of transactions that are yet to come there. They
are sealed and in their blocks, but counted as unindexed, so every search read the log one by one.
"""

from django.db import migrations

from config.kernel.tenancy.scope import SETTING

UNINDEXED_FROM = f"""
CREATE OR REPLACE FUNCTION audit_unindexed_from() RETURNS uuid LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    organization uuid := NULLIF(current_setting('{SETTING}', true), '')::uuid;
    next_transaction bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    sealer audit_sealer;
    head bigint;
    lowest uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    found_id uuid;
    unsealed bigint;
BEGIN
    SELECT * INTO sealer FROM audit_sealer WHERE audit_sealer.id = 1;
    -- Where the transactions of another cluster were counted, the sealer reads the whole ledger first.
    IF organization IS NULL OR sealer.id IS NULL OR sealer.rescan_after IS NOT NULL
        OR sealer.horizon > next_transaction OR sealer.cluster <> (
            (SELECT system_identifier FROM pg_control_system())::text || '/'
                || (SELECT oid FROM pg_database WHERE datname = current_database())
        )
    THEN
        RETURN '00000000-0000-0000-0000-000000000000';
    END IF;
    SELECT count(*), (array_agg(e.id ORDER BY e.id) FILTER (WHERE e.org_id = organization))[1]
    INTO unsealed, found_id
    FROM (
        SELECT a.id, a.org_id FROM audit_event a
        WHERE a.transaction_id >= sealer.horizon AND a.transaction_id < next_transaction LIMIT 20001
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
"""  # noqa: S608 - made of constants
ADD_BLOCKS = """
CREATE OR REPLACE FUNCTION audit_add_blocks(organizations uuid[], places bigint[]) RETURNS void LANGUAGE sql
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
    ON CONFLICT (id) DO UPDATE SET
        org_id = EXCLUDED.org_id, created_at = EXCLUDED.created_at, first_id = EXCLUDED.first_id,
        sequence = EXCLUDED.sequence, width = EXCLUDED.width, terms = NULL, places = NULL, members = NULL
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0009_editions")]
    # Backwards it stays: both answer what the ones before answered.
    operations = [migrations.RunSQL(UNINDEXED_FROM + ADD_BLOCKS, migrations.RunSQL.noop)]
