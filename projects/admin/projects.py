"""Staff pages of projects."""

from django.db.models import QuerySet

from config.kernel.identifiers import parse_public_id
from config.kernel.principals import StaffPrincipal
from config.kernel.staff import Outcome, StaffAction, list_link
from config.kernel.tenancy.scope import tenant_scope
from orgs.admin.organizations import OfOrganizationAdmin
from projects.models import Project
from projects.services import projects as services


def archive(*, actor: StaffPrincipal, row: Project) -> Outcome:
    """Refuses its keys."""
    with tenant_scope(row.org_id):
        services.archive_project(actor=actor, project_id=row.id)
    return Outcome(f"{row.name} is archived.")


def restore(*, actor: StaffPrincipal, row: Project) -> Outcome:
    """Accepts its keys again."""
    with tenant_scope(row.org_id):
        services.restore_project(actor=actor, project_id=row.id)
    return Outcome(f"{row.name} is restored.")


class ProjectAdmin(OfOrganizationAdmin):
    """The products of organizations."""

    prefix = "prj"
    list_display = ("name", "slug", "organization", "status", "created_at")
    list_filter = ("status",)
    fields = ("name", "slug", "public_id", "organization", "status", "created_at", "updated_at")
    staff_actions = (
        StaffAction(
            "archive",
            "Archive",
            "The project's keys are refused from now on. Nothing is deleted.",
            archive,
            applies=lambda row: row.is_active,
            danger=True,
        ),
        StaffAction(
            "restore", "Restore", "The project's keys work again.", restore, applies=lambda row: not row.is_active
        ),
    )

    def links(self, row: Project) -> list[tuple[str, str]]:
        return [
            ("Keys", list_link("keys_key", org_id__exact=row.org_id, project__id__exact=row.id)),
            ("Resources", list_link("projects_resource", org_id__exact=row.org_id, project__id__exact=row.id)),
            (
                "Members' own roles",
                list_link("projects_projectmembership", org_id__exact=row.org_id, project__id__exact=row.id),
            ),
        ]


class ProjectMembershipAdmin(OfOrganizationAdmin):
    """Roles that members have in one project."""

    list_display = ("person", "role", "project", "organization", "created_at")
    list_select_related = ("project", "membership__user")
    search_help_text = "A public id of a project (prj_…) or an organization (org_…)"
    fields = ("person", "role", "project", "organization", "created_at", "updated_at")

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        project_id = parse_public_id("prj", word)
        return rows.filter(project_id=project_id) if project_id else super().narrow(rows, word)

    def person(self, row: object) -> str:
        """The member's address."""
        return row.membership.user.email  # type: ignore[attr-defined]
