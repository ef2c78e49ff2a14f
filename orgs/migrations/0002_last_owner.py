"""The database keeps the last owner of an organization, whoever tries to take it and over however many connections.

The trigger locks the organization, so of two concurrent changes the second sees what the first has done. Without a
tenant or system scope it sees no owner and refuses, which is the safe direction.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION orgs_keep_last_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.role <> 'owner' OR (TG_OP = 'UPDATE' AND NEW.role = 'owner' AND NEW.org_id = OLD.org_id) THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM orgs_organization
        WHERE id = OLD.org_id AND NOT (status = 'deleting' AND erase_after <= now()) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;  -- it is being erased, its people go with it
    END IF;
    IF NOT EXISTS (SELECT 1 FROM orgs_membership WHERE org_id = OLD.org_id AND role = 'owner') THEN
        RAISE EXCEPTION 'an organization keeps its last owner'
            USING ERRCODE = '23514', CONSTRAINT = 'orgs_membership_last_owner', TABLE = 'orgs_membership';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER orgs_membership_keep_last_owner AFTER UPDATE OR DELETE ON orgs_membership
    FOR EACH ROW EXECUTE FUNCTION orgs_keep_last_owner();
"""
BACKWARD = """
DROP TRIGGER orgs_membership_keep_last_owner ON orgs_membership;
DROP FUNCTION orgs_keep_last_owner();
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
