"""Since when an organization is being deleted, as the database saw it: from then on the grace period is counted.

The runtime roles may write `status` and `erase_after`. If these alone decided, whoever holds such a role's password
could have an organization's ledger erased at once. A trigger sets `deleting_since`, whoever writes the row, also when
the row is given another id; and every migrate makes `orgs_grace_days` anew from the settings (orgs/retention.py).
"""

from django.db import migrations, models
from django_migration_linter.operations import IgnoreMigration

# NULL, which nothing is due by, until the first migrate has told it.
TOLD = """
CREATE FUNCTION orgs_grace_days() RETURNS integer LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$ SELECT NULL::integer $$;
CREATE FUNCTION orgs_note_deleting() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.deleting_since := CASE
        WHEN NEW.status <> 'deleting' THEN NULL
        WHEN TG_OP = 'UPDATE' AND OLD.status = 'deleting' AND NEW.id = OLD.id THEN OLD.deleting_since
        ELSE now()
    END;
    RETURN NEW;
END $$;
UPDATE orgs_organization SET deleting_since = LEAST(updated_at, now()) WHERE status = 'deleting';
CREATE TRIGGER orgs_organization_deleting BEFORE INSERT OR UPDATE ON orgs_organization
    FOR EACH ROW EXECUTE FUNCTION orgs_note_deleting();
CREATE FUNCTION orgs_may_erase(organization uuid) RETURNS boolean LANGUAGE sql STABLE
SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM orgs_organization
        WHERE id = organization AND status = 'deleting' AND erase_after <= now()
            AND deleting_since + make_interval(days => orgs_grace_days()) <= now()
    )
$$;
"""
UNTOLD = """
DROP FUNCTION orgs_may_erase(uuid);
DROP TRIGGER orgs_organization_deleting ON orgs_organization;
DROP FUNCTION orgs_note_deleting();
DROP FUNCTION orgs_grace_days();
"""

ERASE = """
CREATE OR REPLACE FUNCTION audit_erase_organization(organization uuid) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    erased bigint;
BEGIN
    {due}
        RAISE EXCEPTION 'this organization is not due for erasure' USING ERRCODE = '42501';
    END IF;
    PERFORM 1 FROM audit_sealer FOR UPDATE;
    PERFORM set_config('tenantry.erasing', organization::text, true);
    DELETE FROM audit_event WHERE org_id = organization;
    GET DIAGNOSTICS erased = ROW_COUNT;
    DELETE FROM audit_seal WHERE org_id = organization;
    DELETE FROM audit_checkpoint WHERE org_id = organization;
    DELETE FROM audit_beginning WHERE org_id = organization;
    PERFORM set_config('tenantry.erasing', '', true);
    RETURN erased;
END $$;
"""
ERASE_BY_BOTH = ERASE.format(due="IF NOT orgs_may_erase(organization) THEN")
ERASE_BY_DATE = ERASE.format(
    due="""PERFORM 1 FROM orgs_organization WHERE id = organization AND status = 'deleting' AND erase_after <= now();
    IF NOT FOUND THEN"""
)

LAST_OWNER = """
CREATE OR REPLACE FUNCTION orgs_keep_last_owner() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.role <> 'owner' OR (TG_OP = 'UPDATE' AND NEW.role = 'owner' AND NEW.org_id = OLD.org_id) THEN
        RETURN NULL;
    END IF;
    PERFORM 1 FROM orgs_organization WHERE id = OLD.org_id AND NOT {due} FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;  -- it is being erased, its people go with it
    END IF;
    IF NOT EXISTS (SELECT 1 FROM orgs_membership WHERE org_id = OLD.org_id AND role = 'owner') THEN
        RAISE EXCEPTION 'an organization keeps its last owner'
            USING ERRCODE = '23514', CONSTRAINT = 'orgs_membership_last_owner', TABLE = 'orgs_membership';
    END IF;
    RETURN NULL;
END $$;
"""
OWNER_BY_BOTH = LAST_OWNER.format(due="orgs_may_erase(id)")
OWNER_BY_DATE = LAST_OWNER.format(due="(status = 'deleting' AND erase_after <= now())")


class Migration(migrations.Migration):
    dependencies = [("orgs", "0014_audit_retention"), ("audit", "0006_blocks")]
    operations = [
        IgnoreMigration(),
        migrations.AddField("organization", "deleting_since", models.DateTimeField(editable=False, null=True)),
        migrations.RunSQL(TOLD, UNTOLD),
        migrations.RunSQL(ERASE_BY_BOTH + OWNER_BY_BOTH, ERASE_BY_DATE + OWNER_BY_DATE),
    ]
