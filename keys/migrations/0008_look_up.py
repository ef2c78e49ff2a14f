"""The look-up of a key by its digest, past row-level security, and of nothing else.

A key is found before its organization is known. The function belongs to the owner role and runs with its rights: who
may call it must know the SHA-256 of a key already. A plan of its own is kept in each session, and no scope has to be
set in front of it, so it costs one short statement.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION keys_by_digest(wanted bytea) RETURNS TABLE (
    digest bytea, id uuid, project_id uuid, kind varchar, mode varchar, permissions varchar[], allowed_ips varchar[],
    metadata text, expires_at timestamptz, is_revoked boolean, is_quarantined boolean, rate_limit integer,
    rate_window_seconds integer, is_counted boolean
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN QUERY SELECT key.digest, key.id, key.project_id, key.kind, key.mode, key.permissions, key.allowed_ips,
        key.metadata::text, key.expires_at, key.revoked_at IS NOT NULL, key.quarantined_at IS NOT NULL,
        key.rate_limit, key.rate_window_seconds, key.remaining IS NOT NULL
    FROM keys_key AS key WHERE key.digest = wanted;
END $$;
REVOKE ALL ON FUNCTION keys_by_digest(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keys_by_digest(bytea) TO tenantry_app, tenantry_system;
"""


class Migration(migrations.Migration):
    dependencies = [("keys", "0007_key_policy")]

    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION keys_by_digest(bytea)")]
