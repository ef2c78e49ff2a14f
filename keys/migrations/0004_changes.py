"""Notes what changes of keys, except their remaining uses, which are counted in the row itself (orgs/changes.py)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("keys", "0003_credentials"), ("orgs", "0005_changes")]

    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER keys_key_noted AFTER DELETE OR UPDATE OF digest, kind, mode, permissions, allowed_ips, "
            "metadata, rate_limit, rate_window_seconds, quarantined_at, expires_at, revoked_at, project_id, org_id "
            "ON keys_key FOR EACH ROW EXECUTE FUNCTION orgs_note_change('key', 'id')",
            "DROP TRIGGER keys_key_noted ON keys_key",
        ),
    ]
