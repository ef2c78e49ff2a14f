"""Lets projects_add_events run with the owner's rights, prepared and without a scope in front of it: a commit of few
events costs half as much.

It was called in a system scope before, so whoever may call it may do no more than it could: add events with what they
add to the counts, for organizations that it names, and learn which of the given rows were there already.
"""

from django.db import migrations

FUNCTION = "FUNCTION projects_add_events(jsonb, jsonb, date, timestamptz, jsonb)"


class Migration(migrations.Migration):
    dependencies = [("projects", "0008_keep_plan")]

    operations = [
        migrations.RunSQL(
            f"ALTER {FUNCTION} SECURITY DEFINER SET search_path = public, pg_temp; "
            f"REVOKE ALL ON {FUNCTION} FROM PUBLIC; "
            f"GRANT EXECUTE ON {FUNCTION} TO tenantry_app, tenantry_system",
            f"ALTER {FUNCTION} SECURITY INVOKER RESET search_path; GRANT EXECUTE ON {FUNCTION} TO PUBLIC",
        ),
    ]
