"""One index of attempts instead of two: nothing looks for one without its delivery."""

from django.db import migrations
from django_migration_linter.operations import IgnoreMigration

FORWARD = """
ALTER TABLE webhook_attempt DROP CONSTRAINT webhook_attempt_pkey;
ALTER TABLE webhook_attempt ADD CONSTRAINT webhook_attempt_pkey PRIMARY KEY (delivery_id, id);
DROP INDEX webhook_attempt_by_delivery;
"""
BACKWARD = """
CREATE INDEX webhook_attempt_by_delivery ON webhook_attempt (delivery_id, id);
ALTER TABLE webhook_attempt DROP CONSTRAINT webhook_attempt_pkey;
ALTER TABLE webhook_attempt ADD CONSTRAINT webhook_attempt_pkey PRIMARY KEY (id);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0007_requests_and_timing"),
    ]

    operations = [
        # Not for the linter: it takes the removal of an index for that of what uses it.
        IgnoreMigration(),
        migrations.RunSQL(
            FORWARD,
            BACKWARD,
            state_operations=[migrations.RemoveIndex(model_name="attempt", name="webhook_attempt_by_delivery")],
        ),
    ]
