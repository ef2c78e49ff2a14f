"""Notes what changes of projects and of their members' roles (orgs/changes.py)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("projects", "0001_initial"), ("orgs", "0005_changes")]

    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER projects_project_noted AFTER UPDATE OR DELETE ON projects_project FOR EACH ROW "
            "EXECUTE FUNCTION orgs_note_change('project', 'id')",
            "DROP TRIGGER projects_project_noted ON projects_project",
        ),
        migrations.RunSQL(
            "CREATE TRIGGER projects_project_membership_noted AFTER INSERT OR UPDATE OR DELETE "
            "ON projects_project_membership FOR EACH ROW EXECUTE FUNCTION orgs_note_change('access', 'org_id')",
            "DROP TRIGGER projects_project_membership_noted ON projects_project_membership",
        ),
    ]
