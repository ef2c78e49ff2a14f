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


def exempt(*, actor: StaffPrincipal, row: Project) -> Outcome:
    """Its hosts are not counted."""
    with tenant_scope(row.org_id):
        services.set_system(actor=actor, project_id=row.id, is_system=True)
    return Outcome(f"{row.name} is a project of the system.")


def count_again(*, actor: StaffPrincipal, row: Project) -> Outcome:
    """Its hosts are counted."""
    with tenant_scope(row.org_id):
        services.set_system(actor=actor, project_id=row.id, is_system=False)
    return Outcome(f"{row.name} is a project like others.")


class ProjectAdmin(OfOrganizationAdmin):
    """The products of organizations."""

    prefix = "prj"
    list_display = ("name", "slug", "organization", "status", "created_at")
    list_filter = ("status",)
    fields = (
        "name",
        "slug",
        "public_id",
        "organization",
        "status",
        "unregistered_domains",
        "is_system",
        "created_at",
        "updated_at",
    )
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
        StaffAction(
            "exempt",
            "Exempt from the limit of domains",
            "It becomes a project of the system: its hosts do not count towards the plan's limit.",
            exempt,
            applies=lambda row: not row.is_system,
        ),
        StaffAction(
            "count",
            "Count its domains again",
            "Its hosts count towards the plan's limit from now on. Those that are there stay.",
            count_again,
            applies=lambda row: row.is_system,
        ),
    )

    def links(self, row: Project) -> list[tuple[str, str]]:
        return [
            ("Keys", list_link("keys_key", org_id__exact=row.org_id, project__id__exact=row.id)),
            ("Domains", list_link("projects_domain", org_id__exact=row.org_id, project__id__exact=row.id)),
            ("Seen hosts", list_link("projects_seendomain", org_id__exact=row.org_id, project__id__exact=row.id)),
            ("Resources", list_link("projects_resource", org_id__exact=row.org_id, project__id__exact=row.id)),
            ("Usage by day", list_link("projects_usageday", org_id__exact=row.org_id, project__id__exact=row.id)),
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
