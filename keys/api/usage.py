"""Usage of projects and organizations."""

from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from config.kernel.access import organization, project
from config.kernel.api.operations import download, operation
from config.kernel.api.views import ApiView
from config.kernel.errors import Absent
from config.kernel.permissions import Permission
from config.kernel.principals import ProgramPrincipal
from keys.downloads import CSV_TYPE, usage_csv
from keys.serializers.usage import (
    OrganizationUsageFilter,
    OrganizationUsageQuery,
    UsageFilter,
    UsageQuery,
    UsageReport,
)
from projects.models import Project, UsageDay
from projects.models.usage import DIMENSIONS, UsageDayQuerySet
from projects.selectors import Period, period_of, quota_of, usage_page


class UsageView(ApiView):
    """What all of these do; `project_id` says whose usage, None for that of the whole organization."""

    def project_id(self) -> UUID | None:
        """The project asked about."""
        raise NotImplementedError

    def asked(self) -> tuple[Period, UsageDayQuerySet]:
        """The period and its rows."""
        period = period_of(self.query.get("from"), self.query.get("to"))
        filters = {name: self.query.get(name) for name in ("key", "domain", "name")}
        rows = UsageDay.objects.matching(
            start=period.start, end=period.end, project_id=self.project_id(), **filters
        )  # fmt: skip
        return period, rows

    def report(self) -> Response:
        """The page that the query string asks for."""
        period, rows = self.asked()
        dimensions = self.query["group_by"]
        page = usage_page(rows, dimensions, cursor=self.query.get("cursor"), limit=self.query["limit"])
        quota = quota_of(self.admission.organization)
        report: dict[str, Any] = {
            "from": period.start,
            "to": period.end,
            "total": rows.total(),
            "quota": {
                "plan": self.admission.organization.plan,
                "month": f"{quota.month:%Y-%m}",
                "used": quota.used,
                "limit": quota.limit,
                "resets_on": quota.resets_on,
            },
            "data": [
                {
                    "day": row.get("day"),
                    "project_id": row.get("project"),
                    "key_id": row.get("key"),
                    "domain": row.get("domain"),
                    "name": row.get("name"),
                    "count": row["total"],
                }
                for row in page.rows
            ],
            "next": page.next,
        }
        return Response(UsageReport(report).data)

    def file(self, name: str) -> StreamingHttpResponse:
        """Every row of the period."""
        period, rows = self.asked()
        return usage_csv(
            rows,
            DIMENSIONS,
            organization_id=self.admission.organization.id,
            projects=dict(Project.objects.values_list("id", "slug")),
            period=period,
            name=name,
        )


class OfOrganization(UsageView):
    """Of all projects, or of one in the query string. A project's program finds its own alone."""

    def project_id(self) -> UUID | None:
        principal = self.admission.principal
        own = principal.project_id if isinstance(principal, ProgramPrincipal) else None
        reference = self.query.get("project")
        if reference is None:
            return own
        found = Project.objects.visible_to(principal).by_reference(reference)
        if found is None:
            raise Absent
        return found.id


class OfProject(UsageView):
    """Of the project in the address."""

    def project_id(self) -> UUID | None:
        return self.admission.project.id


class OrganizationUsage(OfOrganization):
    """What all projects of an organization use."""

    access = {"GET": organization(Permission.VIEW_USAGE)}

    @operation("get_usage", UsageReport, query=OrganizationUsageQuery)
    def get(self, request: Request, organization: str) -> Response:
        """How many events were tracked, grouped as asked, the newest day first."""
        return self.report()


class OrganizationUsageFile(OfOrganization):
    """The same as a file."""

    access = {"GET": organization(Permission.VIEW_USAGE)}

    @download("download_usage", CSV_TYPE, query=OrganizationUsageFilter)
    def get(self, request: Request, organization: str) -> StreamingHttpResponse:
        """The counts by day, project, key, domain and name as CSV."""
        return self.file(self.admission.organization.slug)


class ProjectUsage(OfProject):
    """What one project uses."""

    access = {"GET": project(Permission.VIEW_USAGE)}

    @operation("get_project_usage", UsageReport, query=UsageQuery)
    def get(self, request: Request, organization: str, project: str) -> Response:
        """How many events were tracked, grouped as asked, the newest day first."""
        return self.report()


class ProjectUsageFile(OfProject):
    """The same as a file."""

    access = {"GET": project(Permission.VIEW_USAGE)}

    @download("download_project_usage", CSV_TYPE, query=UsageFilter)
    def get(self, request: Request, organization: str, project: str) -> StreamingHttpResponse:
        """The counts by day, project, key, domain and name as CSV."""
        return self.file(f"{self.admission.organization.slug}-{self.admission.project.slug}")
