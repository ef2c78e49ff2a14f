"""Notes what changes of the rows that processes keep in memory, whoever changes them (orgs/changes.py)."""

from django.db import migrations

# TG_ARGV: the kind, and the column whose value is noted: the old and the new one, so that a row that moves is noted at
# both ends.
FUNCTION = """
CREATE FUNCTION orgs_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before uuid;
    after uuid;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        before := (to_jsonb(OLD) ->> TG_ARGV[1])::uuid;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        after := (to_jsonb(NEW) ->> TG_ARGV[1])::uuid;
    END IF;
    INSERT INTO orgs_change (kind, entity, transaction_id, made_at)
        SELECT TG_ARGV[0], noted, pg_current_xact_id()::text::bigint, now()
        FROM (SELECT before UNION SELECT after) AS both_ends (noted) WHERE noted IS NOT NULL;
    RETURN NULL;
END
$$
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
        migrations.RunSQL(FUNCTION, "DROP FUNCTION orgs_note_change()"),
        trigger("orgs_organization", "organization", "id", "UPDATE OR DELETE"),
        trigger("orgs_membership", "access", "org_id", "INSERT OR UPDATE OR DELETE"),
        trigger("orgs_custom_role", "access", "org_id", "UPDATE OR DELETE"),
        trigger("orgs_service_grant", "access", "org_id", "INSERT OR UPDATE OR DELETE"),
        trigger("orgs_user", "user", "id", "UPDATE OF is_active, must_change_password OR DELETE"),
        trigger("orgs_service_account", "service", "id", "UPDATE OR DELETE"),
        trigger("orgs_service_account_secret", "service", "account_id", "INSERT OR UPDATE OR DELETE"),
    ]
