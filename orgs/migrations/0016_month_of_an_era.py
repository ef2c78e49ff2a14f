"""Which month of the ledger is dropped is judged by that month, not by the name of its partition alone.

A date before our era spells the same partition as this month does: with the runtime role's password it passed for a
time that was over.
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


class Migration(migrations.Migration):
    dependencies = [("orgs", "0015_deleting_since")]
    operations = [migrations.RunSQL(DROP_BY_MONTH, DROP_BY_NAME)]
