"""Takes over the authenticators that django-otp kept with their seeds in clear, and drops its table."""

import base64

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import orgs.models
from orgs.encryption import seal

COLUMNS = (
    "user_id", "name", "confirmed", "drift", "last_t", "created_at", "last_used_at", "throttling_failure_timestamp",
    "throttling_failure_count",
)  # fmt: skip


def move(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Seals each seed. Only installations older than this migration have the table."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if "otp_totp_totpdevice" not in connection.introspection.table_names(cursor):
            return
        TOTPDevice = apps.get_model("orgs", "TOTPDevice")
        cursor.execute(f"SELECT key, {', '.join(COLUMNS)} FROM otp_totp_totpdevice ORDER BY id")  # noqa: S608 - names of ours
        for key, *values in cursor.fetchall():
            device = TOTPDevice(**dict(zip(COLUMNS, values, strict=True)))
            created_at = device.created_at
            # Only the model of today knows which of its columns are sealed; the rows are those of this migration.
            sealed = orgs.models.TOTPDevice(id=device.id)
            seal(sealed, "seed", base64.b32encode(bytes.fromhex(key)).decode())
            device.seed = sealed.seed
            device.save(force_insert=True)
            TOTPDevice.objects.filter(id=device.id).update(created_at=created_at)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP TABLE otp_totp_totpdevice")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'otp_totp'")


class Migration(migrations.Migration):
    dependencies = [("orgs", "0006_totp_device")]

    operations = [migrations.RunPython(move, migrations.RunPython.noop)]
