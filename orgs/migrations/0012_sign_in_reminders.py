from django.db import migrations, models
from django_migration_linter.operations import IgnoreMigration


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0011_known_devices"),
    ]

    operations = [
        # Not for the linter: the table was made in the same release and is empty.
        IgnoreMigration(),
        migrations.AddField(
            model_name="signinpolicy",
            name="reminded_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="signinpolicy",
            index=models.Index(
                condition=models.Q(("enforcement", "off"), _negated=True),
                fields=["required_from"],
                name="orgs_sign_in_policy_on",
            ),
        ),
    ]
