"""Keeps the plan of projects_add_events from the first call on: planning took half of its time."""

from django.db import migrations

FUNCTION = "FUNCTION projects_add_events(jsonb, jsonb, date, timestamptz, jsonb)"


class Migration(migrations.Migration):
    dependencies = [("projects", "0007_add_events")]

    operations = [
        migrations.RunSQL(
            f"ALTER {FUNCTION} SET plan_cache_mode = force_generic_plan", f"ALTER {FUNCTION} RESET plan_cache_mode"
        ),
    ]
