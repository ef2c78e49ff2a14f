"""Notes what changes of the rows that processes keep in memory, whoever changes them (orgs/changes.py)."""

from django.db import migrations

# TG_ARGV: the kind, and the columns whose values are noted. Both the old and the new value of each, so that a row that
# moves is noted at both ends. The transaction's id orders what sequences cannot: it is known before the commit.
FUNCTION = """
CREATE FUNCTION orgs_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO orgs_change (kind, entity, made_at) VALUES (TG_ARGV[0], (to_jsonb(OLD) ->> TG_ARGV[1])::uuid, now());
    END IF;
    IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND to_jsonb(NEW) ->> TG_ARGV[1] <> to_jsonb(OLD) ->> TG_ARGV[1]) THEN
        INSERT INTO orgs_change (kind, entity, made_at) VALUES (TG_ARGV[0], (to_jsonb(NEW) ->> TG_ARGV[1])::uuid, now());
    END IF;
    RETURN NULL;
END
$$;
ALTER TABLE orgs_change ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX orgs_change_by_transaction ON orgs_change (xid);
"""
DROP_FUNCTION = """
ALTER TABLE orgs_change DROP COLUMN xid;
DROP FUNCTION orgs_note_change();
"""


def trigger(table: str, kind: str, column: str, events: str) -> migrations.RunSQL:
    """A trigger that notes the changes of one table."""
    name = f"{table}_noted"
    return migrations.RunSQL(
        f"CREATE TRIGGER {name} AFTER {events} ON {table} FOR EACH ROW "
        f"EXECUTE FUNCTION orgs_note_change('{kind}', '{column}')",
        f"DROP TRIGGER {name} ON {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("orgs", "0004_credentials")]

    operations = [
        migrations.RunSQL(FUNCTION, DROP_FUNCTION),
        trigger("orgs_organization", "organization", "id", "UPDATE OR DELETE"),
        trigger("orgs_membership", "access", "org_id", "INSERT OR UPDATE OR DELETE"),
        trigger("orgs_custom_role", "access", "org_id", "UPDATE OR DELETE"),
        trigger("orgs_service_grant", "access", "org_id", "INSERT OR UPDATE OR DELETE"),
        trigger("orgs_user", "user", "id", "UPDATE OF is_active, must_change_password OR DELETE"),
        trigger("orgs_service_account", "service", "id", "UPDATE OR DELETE"),
        trigger("orgs_service_account_secret", "service", "account_id", "INSERT OR UPDATE OR DELETE"),
    ]
