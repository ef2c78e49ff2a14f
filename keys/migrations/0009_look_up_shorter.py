"""The look-up of a key by its digest in fewer columns: most keys have no terms, which is one NULL."""

from django.db import migrations

FORWARD = """
DROP FUNCTION keys_by_digest(bytea);
CREATE FUNCTION keys_by_digest(wanted bytea)
RETURNS TABLE (id uuid, project_id uuid, kind varchar, mode varchar, permissions text, terms text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT key.id, key.project_id, key.kind, key.mode, array_to_string(key.permissions, ' '),
        CASE WHEN key.allowed_ips = '{}' AND key.metadata = '{}' AND key.rate_limit IS NULL AND num_nonnulls(
            key.expires_at, key.revoked_at, key.quarantined_at, key.remaining) = 0 THEN NULL
        ELSE json_build_array(
            key.allowed_ips, key.metadata::text, key.expires_at, key.revoked_at IS NOT NULL,
            key.quarantined_at IS NOT NULL, key.rate_limit, key.rate_window_seconds, key.remaining IS NOT NULL
        )::text END
    FROM keys_key AS key WHERE key.digest = wanted;
END $$;
REVOKE ALL ON FUNCTION keys_by_digest(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keys_by_digest(bytea) TO tenantry_app, tenantry_system;
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0008_look_up")]

    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
