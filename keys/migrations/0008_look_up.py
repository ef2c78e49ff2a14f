"""The look-up of a key by its digest, past row-level security, and of nothing else.

A key is found before its organization is known. The function belongs to the owner role and runs with its rights: who
may call it must know the SHA-256 of a key already. A plan of its own is kept in each session, and no scope has to be
set in front of it, so it costs one short statement.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION keys_by_digest(wanted bytea)
RETURNS TABLE (id uuid, project_id uuid, kind varchar, mode varchar, permissions text, terms text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT key.id, key.project_id, key.kind, key.mode, array_to_string(key.permissions, ' '),
        CASE WHEN key.allowed_ips = '{}' AND key.metadata = '{}' AND NOT key.is_imported AND key.rate_limit IS NULL AND num_nonnulls(
            key.expires_at, key.revoked_at, key.quarantined_at, key.remaining) = 0 THEN NULL
        ELSE json_build_array(
            key.allowed_ips, key.metadata::text, key.expires_at, key.revoked_at IS NOT NULL,
            key.quarantined_at IS NOT NULL, key.rate_limit, key.rate_window_seconds, key.remaining IS NOT NULL, key.is_imported
        )::text END
    FROM keys_key AS key WHERE key.digest = wanted;
END $$;
REVOKE ALL ON FUNCTION keys_by_digest(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keys_by_digest(bytea) TO tenantry_app, tenantry_system;
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0007_key_policy")]

    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION keys_by_digest(bytea)")]
