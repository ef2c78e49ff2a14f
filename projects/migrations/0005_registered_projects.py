"""Registers the projects that exist, and notes what changes of resources (orgs/changes.py)."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from config.kernel.identifiers import public_id

CHUNK = 1000


def register_projects(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    Project = apps.get_model("projects", "Project")
    Resource = apps.get_model("projects", "Resource")
    missing = Project.objects.filter(resources=None).values_list("id", "org_id")
    Resource.objects.bulk_create(
        (
            Resource(
                org_id=org_id,
                project_id=project_id,
                service="tenantry",
                kind="project",
                name=public_id("prj", project_id),
                scopes=[],
            )
            for project_id, org_id in missing.iterator(chunk_size=CHUNK)
        ),
        batch_size=CHUNK,
    )


class Migration(migrations.Migration):
    dependencies = [("projects", "0004_resources"), ("orgs", "0005_changes")]

    operations = [
        migrations.RunPython(register_projects, migrations.RunPython.noop),
        migrations.RunSQL(
            "CREATE TRIGGER projects_resource_noted AFTER INSERT OR UPDATE OR DELETE ON projects_resource FOR EACH ROW "
            "EXECUTE FUNCTION orgs_note_change('access', 'org_id')",
            "DROP TRIGGER projects_resource_noted ON projects_resource",
        ),
    ]
