"""What was signed with a key that was withdrawn is signed anew, as another edition: rows here never change."""

from django.db import migrations, models
from django_migration_linter.operations import IgnoreMigration


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0008_found_by_month"),
    ]

    operations = [
        # Not for the linter: few rows come into these tables, from jobs that wait.
        IgnoreMigration(),
        migrations.RemoveConstraint(
            model_name="auditbeginning",
            name="audit_beginning_once",
        ),
        migrations.RemoveConstraint(
            model_name="auditcheckpoint",
            name="audit_checkpoint_sequence",
        ),
        migrations.AddField(
            model_name="auditbeginning",
            name="edition",
            field=models.SmallIntegerField(db_default=1, default=1),
        ),
        migrations.AddField(
            model_name="auditcheckpoint",
            name="edition",
            field=models.SmallIntegerField(db_default=1, default=1),
        ),
        migrations.AddConstraint(
            model_name="auditbeginning",
            constraint=models.UniqueConstraint(
                fields=("org_id", "dropped_before", "edition"), name="audit_beginning_edition"
            ),
        ),
        migrations.AddConstraint(
            model_name="auditcheckpoint",
            constraint=models.UniqueConstraint(
                fields=("org_id", "sequence", "edition"), name="audit_checkpoint_edition"
            ),
        ),
    ]
