"""With an organization's records go its seals and checkpoints, while nothing is being sealed."""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION audit_erase_organization(organization uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    PERFORM 1 FROM orgs_organization WHERE id = organization AND status = 'deleting' AND erase_after <= now();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this organization is not due for erasure' USING ERRCODE = '42501';
    END IF;
    {lock}
    PERFORM set_config('tenantry.erasing', organization::text, true);
    DELETE FROM audit_event WHERE org_id = organization;
    GET DIAGNOSTICS erased = ROW_COUNT;
    {chain}
    PERFORM set_config('tenantry.erasing', '', true);
    RETURN erased;
END $$;
"""
# The sealer holds its row's lock from reading records to sealing them: none may go in between.
FORWARD = FUNCTION.format(
    lock="PERFORM 1 FROM audit_sealer FOR UPDATE;",
    chain="DELETE FROM audit_seal WHERE org_id = organization;\n"
    "    DELETE FROM audit_checkpoint WHERE org_id = organization;",
)
BACKWARD = FUNCTION.format(lock="", chain="")


class Migration(migrations.Migration):
    dependencies = [("orgs", "0012_sign_in_reminders"), ("audit", "0003_chain")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
