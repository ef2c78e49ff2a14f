import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django_migration_linter.operations import IgnoreMigration

import config.kernel.tenancy.models


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0010_passkeys"),
    ]

    operations = [
        # Not for the linter: the table is new: nobody waits for it.
        IgnoreMigration(),
        migrations.CreateModel(
            name="SignedInBrowser",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("method", models.CharField(max_length=20)),
                ("organization_id", models.UUIDField(null=True)),
                ("ip", models.GenericIPAddressField(null=True)),
                ("user_agent", models.CharField(max_length=256)),
                ("signed_in_at", models.DateTimeField(null=True)),
                ("last_used_at", models.DateTimeField()),
                ("expire_date", models.DateTimeField(verbose_name="expires at")),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "browser session",
                "db_table": "orgs_browser_session",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="KnownDevice",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=config.kernel.tenancy.models.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("digest", models.BinaryField(max_length=32)),
                ("label", models.CharField(help_text="Browser and system in words.", max_length=80)),
                (
                    "network",
                    models.CharField(blank=True, help_text="Of the address last signed in from.", max_length=50),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("last_used_at", models.DateTimeField()),
            ],
            options={
                "db_table": "orgs_known_device",
            },
        ),
        migrations.AddField(
            model_name="knowndevice",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="known_devices", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddIndex(
            model_name="knowndevice",
            index=models.Index(fields=["last_used_at"], name="orgs_known_device_by_use"),
        ),
        migrations.AddConstraint(
            model_name="knowndevice",
            constraint=models.UniqueConstraint(fields=("user", "digest"), name="orgs_known_device_once"),
        ),
    ]
