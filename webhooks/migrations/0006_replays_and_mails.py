"""Replays in progress and mails that are due, where a queue that is away or forgets does not lose them."""

from django.db import migrations, models
from django_migration_linter.operations import IgnoreMigration


class Migration(migrations.Migration):
    dependencies = [
        ("projects", "0009_add_events_alone"),
        ("webhooks", "0005_attempts"),
    ]

    operations = [
        # Not for the linter: the table has few rows, a hundred for each organization at most.
        IgnoreMigration(),
        migrations.AddField(
            model_name="endpoint",
            name="disabled_mail_due_at",
            field=models.DateTimeField(
                blank=True, help_text="From when on its managers are to be mailed; none once they are.", null=True
            ),
        ),
        migrations.AddField(
            model_name="endpoint",
            name="replay_from",
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="endpoint",
            name="replay_moved_at",
            field=models.DateTimeField(
                blank=True, help_text="When the replay in progress came forward, or was asked for once more.", null=True
            ),
        ),
        migrations.AddField(
            model_name="endpoint",
            name="replay_until",
            field=models.UUIDField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="endpoint",
            index=models.Index(
                condition=models.Q(("disabled_mail_due_at__isnull", False)),
                fields=["disabled_mail_due_at"],
                name="webhook_endpoint_to_mail",
            ),
        ),
        migrations.AddIndex(
            model_name="endpoint",
            index=models.Index(
                condition=models.Q(("replay_moved_at__isnull", False)),
                fields=["replay_moved_at"],
                name="webhook_endpoint_replaying",
            ),
        ),
    ]
