"""What may be dropped or erased is judged by that month and that organization, whatever rows and dates are shown for it.

A date before our era spells the same partition as this month does, and an organization that was deleted long ago may be
given the id of another one: with the runtime role's password alone either passed for a time that was over.
"""

import importlib

from django.db import migrations

retention = importlib.import_module("orgs.migrations.0014_audit_retention")

DROP_BY_NAME = retention.DROP_PARTITION.partition("REVOKE")[0].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
# The name of a partition says no era.
DROP_BY_MONTH = DROP_BY_NAME.replace(
    "    IF NOT EXISTS (\n        SELECT 1 FROM pg_inherits\n",
    "    IF to_date(right(partition, 7), 'YYYY_MM') IS DISTINCT FROM first_day OR NOT EXISTS (\n"
    "        SELECT 1 FROM pg_inherits\n",
)
NOTE_DELETING = """
CREATE OR REPLACE FUNCTION orgs_note_deleting() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.deleting_since := CASE
        WHEN NEW.status <> 'deleting' THEN NULL
        WHEN TG_OP = 'UPDATE' AND OLD.status = 'deleting' {same} THEN OLD.deleting_since
        ELSE now()
    END;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0015_deleting_since")]
    operations = [
        migrations.RunSQL(
            DROP_BY_MONTH + NOTE_DELETING.format(same="AND NEW.id = OLD.id"),
            DROP_BY_NAME + NOTE_DELETING.format(same=""),
        )
    ]
