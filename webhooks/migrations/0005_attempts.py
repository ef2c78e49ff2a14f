"""Spares what each attempt cost: a reference that PostgreSQL checked, and indexes that nothing points at.

Attempts go with their delivery all the same, whoever deletes it: the trigger comes after the delivery is locked, so it
sees what a worker has written until then, and nobody can write more.
"""

import django.db.models.deletion
from django.db import migrations
from django_migration_linter.operations import IgnoreMigration

import config.kernel.tenancy.models

FORWARD = """
CREATE FUNCTION webhooks_forget_attempts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM public.webhook_attempt WHERE delivery_id IN (SELECT id FROM gone);
    RETURN NULL;
END $$;
CREATE TRIGGER webhooks_forget_attempts AFTER DELETE ON webhook_delivery
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION webhooks_forget_attempts();
"""
BACKWARD = """
DROP TRIGGER webhooks_forget_attempts ON webhook_delivery;
DROP FUNCTION webhooks_forget_attempts();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("webhooks", "0004_spare_indexes"),
    ]

    operations = [
        # Not for the linter: what read the constraints is gone with them.
        IgnoreMigration(),
        migrations.RunSQL(FORWARD, BACKWARD),
        migrations.RemoveConstraint(
            model_name="attempt",
            name="webhook_attempt_org_id",
        ),
        migrations.RemoveConstraint(
            model_name="attempt",
            name="webhook_attempt_delivery_org",
        ),
        migrations.RemoveConstraint(
            model_name="delivery",
            name="webhook_delivery_org_id",
        ),
        migrations.RemoveConstraint(
            model_name="endpointhour",
            name="webhook_endpoint_hour_org_id",
        ),
        migrations.RemoveConstraint(
            model_name="outboxentry",
            name="webhook_outbox_org_id",
        ),
        migrations.AlterField(
            model_name="attempt",
            name="delivery",
            field=config.kernel.tenancy.models.TenantForeignKey(
                db_index=False,
                is_checked=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="attempt_rows",
                to="webhooks.delivery",
            ),
        ),
    ]
