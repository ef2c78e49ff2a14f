"""Old months of the ledger go whole: by a function of the owner's that judges by itself whether their time is over.

`audit_kept_days` says for how many days each plan keeps records; every migrate writes it anew from the settings
(orgs/retention.py). The runtime roles may call the other one and can neither change what it judges by nor drop anything
past it.
"""

from django.db import migrations

# NULL keeps for good. What it does not know is kept for good too; '' is the installation's own log.
KEPT_DAYS = """
CREATE FUNCTION audit_kept_days(plan text) RETURNS integer LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$ SELECT NULL::integer $$;
REVOKE ALL ON FUNCTION audit_kept_days(text) FROM PUBLIC;
"""

DROP_PARTITION = """
CREATE FUNCTION audit_drop_partition(month timestamptz) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET lock_timeout = '5s' AS $$
DECLARE
    first_day timestamp := date_trunc('month', month AT TIME ZONE 'UTC');
    partition text := 'audit_event_' || to_char(first_day, 'YYYY_MM');
    behind timestamptz := (first_day + interval '1 month') AT TIME ZONE 'UTC';
    upper_bound uuid := audit_first_id(behind);
    organization uuid;
    days integer;
    beginning audit_beginning;
    is_unsealed boolean;
    gone bigint := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(8285198);
    -- The sealer holds its row's lock from reading records to sealing them: none may go in between.
    PERFORM 1 FROM audit_sealer FOR UPDATE;
    IF NOT EXISTS (
        SELECT 1 FROM pg_inherits
        WHERE inhparent = 'audit_event'::regclass AND inhrelid = to_regclass(partition)
    ) THEN
        RAISE EXCEPTION 'there is no partition of that month' USING ERRCODE = '42P01';
    END IF;
    IF EXISTS (
        SELECT 1 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'audit_event'::regclass AND c.relname ~ '^audit_event_\\d{4}_\\d{2}$'
            AND c.relname < partition
    ) THEN
        RAISE EXCEPTION 'an older month is still there' USING ERRCODE = '42501';
    END IF;
    -- From here on nobody writes into it.
    EXECUTE format('LOCK TABLE %I IN SHARE MODE', partition);
    EXECUTE format(
        'SELECT EXISTS (SELECT 1 FROM %I e WHERE NOT EXISTS (SELECT 1 FROM audit_seal s WHERE s.id = e.id))', partition
    ) INTO is_unsealed;
    IF is_unsealed THEN
        RAISE EXCEPTION 'records of that month are not sealed yet' USING ERRCODE = '42501';
    END IF;
    FOR organization IN EXECUTE format('SELECT DISTINCT org_id FROM %I', partition) LOOP
        days := CASE
            WHEN organization = '00000000-0000-0000-0000-000000000000' THEN audit_kept_days('')
            ELSE (SELECT audit_kept_days(o.plan) FROM orgs_organization o WHERE o.id = organization)
        END;
        IF days IS NULL OR behind + make_interval(days => days) > now() THEN
            RAISE EXCEPTION 'records of that month are still kept' USING ERRCODE = '42501';
        END IF;
        SELECT * INTO beginning FROM audit_beginning b WHERE b.org_id = organization AND b.dropped_before = behind;
        IF beginning.id IS NULL OR beginning.sequence > 0 AND NOT EXISTS (
            SELECT 1 FROM audit_seal s
            WHERE s.org_id = organization AND s.sequence = beginning.sequence AND s.digest = beginning.digest
        ) THEN
            RAISE EXCEPTION 'no statement is kept of where a log begins then' USING ERRCODE = '42501';
        END IF;
        IF EXISTS (
            SELECT 1 FROM audit_seal s
            WHERE s.org_id = organization AND s.sequence <= beginning.sequence
                AND (s.id >= upper_bound OR EXISTS (SELECT 1 FROM audit_event_default d WHERE d.id = s.id))
        ) THEN
            RAISE EXCEPTION 'a record before that beginning is still there' USING ERRCODE = '42501';
        END IF;
        -- The last link before the beginning stays: the next one hangs on it.
        PERFORM set_config('tenantry.erasing', organization::text, true);
        DELETE FROM audit_seal s WHERE s.org_id = organization AND s.sequence < beginning.sequence;
        PERFORM set_config('tenantry.erasing', '', true);
    END LOOP;
    EXECUTE format('SELECT count(*) FROM %I', partition) INTO gone;
    EXECUTE format('DROP TABLE %I', partition);
    RETURN gone;
END $$;
REVOKE ALL ON FUNCTION audit_drop_partition(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_drop_partition(timestamptz) TO tenantry_app, tenantry_system;
"""

ERASE = """
CREATE OR REPLACE FUNCTION audit_erase_organization(organization uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    PERFORM 1 FROM orgs_organization WHERE id = organization AND status = 'deleting' AND erase_after <= now();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this organization is not due for erasure' USING ERRCODE = '42501';
    END IF;
    PERFORM 1 FROM audit_sealer FOR UPDATE;
    PERFORM set_config('tenantry.erasing', organization::text, true);
    DELETE FROM audit_event WHERE org_id = organization;
    GET DIAGNOSTICS erased = ROW_COUNT;
    DELETE FROM audit_seal WHERE org_id = organization;
    DELETE FROM audit_checkpoint WHERE org_id = organization;
    {beginning}
    PERFORM set_config('tenantry.erasing', '', true);
    RETURN erased;
END $$;
"""
FORWARD = (
    KEPT_DAYS + DROP_PARTITION + ERASE.format(beginning="DELETE FROM audit_beginning WHERE org_id = organization;")
)
BACKWARD = "DROP FUNCTION audit_drop_partition(timestamptz); DROP FUNCTION audit_kept_days(text);" + ERASE.format(
    beginning=""
)


class Migration(migrations.Migration):
    dependencies = [("orgs", "0013_erase_chain"), ("audit", "0005_exports")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
