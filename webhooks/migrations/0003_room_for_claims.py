"""Half of each page of the deliveries is left free, so that a claim is written beside its row and into no index."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0002_fill_outbox")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE webhook_delivery SET (fillfactor = 50)", "ALTER TABLE webhook_delivery RESET (fillfactor)"
        )
    ]
