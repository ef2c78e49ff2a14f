"""Staff pages of usage: read only, like everything that is counted."""

from django.contrib import admin
from django.db.models import QuerySet

from config.kernel.errors import Absent
from config.kernel.identifiers import parse_public_id, public_id
from orgs.admin.organizations import OfOrganizationAdmin
from orgs.models import Organization
from orgs.plans import plan_of
from projects.models import Project, TrackedEvent, UsageMonth


class UsageMonthAdmin(OfOrganizationAdmin):
    """What organizations used of their plans, month by month."""

    list_display = ("month", "organization", "count", "warned_80_at", "warned_100_at")
    search_help_text = "A public id of an organization (org_…)"
    fields = (
        "month",
        "organization",
        "count",
        "included",
        "warned_80_at",
        "mailed_80_at",
        "warned_100_at",
        "mailed_100_at",
        "created_at",
        "updated_at",
    )

    @admin.display(description="Included in the plan")
    def included(self, row: UsageMonth) -> str:
        """The events of the plan that the organization is on now."""
        limit = plan_of(Organization.objects.values_list("plan", flat=True).get(id=row.org_id)).events
        return "No limit" if limit is None else f"{limit:,}"


class UsageDayAdmin(OfOrganizationAdmin):
    """Counts by day, project, key, domain and name."""

    list_display = ("day", "organization", "project", "name", "key", "domain", "count")
    list_select_related = ("project",)
    search_help_text = "A public id of a project (prj_…) or an organization (org_…)"
    fields = ("day", "organization", "project", "key", "domain", "name", "count", "created_at", "updated_at")

    def narrow(self, rows: QuerySet, word: str) -> QuerySet:
        project_id = parse_public_id("prj", word)
        if project_id is None:
            return super().narrow(rows, word)
        project = Project.objects.filter(id=project_id).first()
        if project is None:
            raise Absent
        return rows.filter(org_id=project.org_id, project_id=project.id)


class TrackedEventAdmin(OfOrganizationAdmin):
    """Events as they came in. What customers put into their properties is not for staff."""

    list_display = ("created_at", "organization", "name", "key", "domain", "event_id", "occurred_at")
    search_help_text = "A public id of an organization (org_…)"
    fields = (
        "created_at",
        "organization",
        "project_public_id",
        "key",
        "domain",
        "event_id",
        "name",
        "occurred_at",
    )

    @admin.display(description="Project")
    def project_public_id(self, row: TrackedEvent) -> str:
        """`prj_…`."""
        return public_id("prj", row.project_id)
