"""The one way for ledger rows to go: with their whole organization, when its grace period is over.

The function belongs to the owner role and runs with its rights; the runtime role may only call it, and it judges by
itself whether it is time. The append-only trigger lets exactly this function's statement pass.
"""

from django.db import migrations

FORWARD = """
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)
        AND current_setting('tenantry.erasing', true) = OLD.org_id::text
    THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit ledger is append-only' USING ERRCODE = '42501';
END $$;
CREATE FUNCTION audit_erase_organization(organization uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    PERFORM 1 FROM orgs_organization WHERE id = organization AND status = 'deleting' AND erase_after <= now();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this organization is not due for erasure' USING ERRCODE = '42501';
    END IF;
    PERFORM set_config('tenantry.erasing', organization::text, true);
    DELETE FROM audit_event WHERE org_id = organization;
    GET DIAGNOSTICS erased = ROW_COUNT;
    PERFORM set_config('tenantry.erasing', '', true);
    RETURN erased;
END $$;
REVOKE ALL ON FUNCTION audit_erase_organization(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_erase_organization(uuid) TO tenantry_app, tenantry_system;
"""
BACKWARD = """
DROP FUNCTION audit_erase_organization(uuid);
CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit ledger is append-only' USING ERRCODE = '42501';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0002_last_owner"), ("audit", "0002_append_only")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
