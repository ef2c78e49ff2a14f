"""Counts the answers that a proven domain's record is gone; notes when an organization gains or loses a domain."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0008_sign_in"),
    ]

    operations = [
        migrations.AddField(
            model_name="emaildomain",
            name="misses",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="How many answers in a row said so."
            ),
        ),
        migrations.AddField(
            model_name="emaildomain",
            name="missing_since",
            field=models.DateTimeField(
                blank=True, help_text="Since when the record of a proven domain is not there.", null=True
            ),
        ),
        # Who governs the sign-in of people may change with it (orgs/sign_in.py).
        migrations.RunSQL(
            "CREATE TRIGGER orgs_email_domain_noted AFTER UPDATE OF status OR DELETE ON orgs_email_domain "
            "FOR EACH ROW EXECUTE FUNCTION orgs_note_change('access', 'org_id')",
            "DROP TRIGGER orgs_email_domain_noted ON orgs_email_domain",
        ),
    ]
