"""Dashboard pages of usage."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import QueryDict

from config.kernel.access import organization, project
from config.kernel.errors import Absent
from config.kernel.identifiers import parse_public_id
from config.kernel.pages import FORM_INVALID, Page
from config.kernel.permissions import Permission
from keys.downloads import usage_csv
from keys.forms.usage import FILTERS, GROUPS, UsageForm
from keys.models import Agent, Key
from keys.views.usage_chart import chart_of
from projects.models import Project, UsageDay
from projects.models.usage import DIMENSIONS, UsageDayQuerySet
from projects.selectors import period_of, quota_of, usage_page

GROUPS_SHOWN = 50
EXAMPLE = '{"events": [{"id": "order-1001", "name": "order.placed"}]}'


def with_days(given: QueryDict) -> QueryDict:
    """The query with the days that it means when it names none, so that the form shows them."""
    if given.get("since") or given.get("until"):
        return given
    usual, shown = period_of(None, None), given.copy()
    shown["since"], shown["until"] = usual.start.isoformat(), usual.end.isoformat()
    return shown


@dataclass(frozen=True)
class Line:
    """A line of the table. `query` narrows the page to it, where that is possible."""

    words: str
    code: bool
    day: date | None
    count: int
    share: float
    query: str = ""


class UsageBase(Page):
    """What both pages and their files do. `whose` says whose usage, None for all projects."""

    def whose(self) -> UUID | None:
        """The project that the page is about."""
        return None

    def rows(self, form: UsageForm) -> UsageDayQuerySet:
        """What the form asks for. Raises Absent for a project that is not there."""
        asked = form.cleaned_data
        project_id = self.whose()
        if project_id is None and asked["project"]:
            found = Project.objects.by_reference(asked["project"])
            if found is None:
                raise Absent
            project_id = found.id
        filters = {name: asked[name] or None for name in ("key", "domain", "name")}
        period = asked["period"]
        return UsageDay.objects.matching(start=period.start, end=period.end, project_id=project_id, **filters)


class UsagePageBase(UsageBase):
    """The chart, the table, and how much of the month's quota is used."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = UsageForm(with_days(request.GET))
        if self.whose():
            form.fields["by"].choices = [choice for choice in GROUPS if choice[0] != "project"]  # type: ignore[attr-defined]
        context = {"section": "usage", "form": form, "quota": quota_of(self.admission.organization)}
        if not form.is_valid():
            return self.show(context, status=FORM_INVALID)
        by, rows = form.cleaned_data["by"] or "day", self.rows(form)
        chart = chart_of(rows, form.cleaned_data["period"])
        page = usage_page(rows, [by], cursor=request.GET.get("cursor"), limit=GROUPS_SHOWN)
        context |= {
            "by": by,
            "by_words": dict(GROUPS)[by],
            "period": form.cleaned_data["period"],
            "chart": chart,
            "lines": self.lines(by, page.rows, chart.total),
            "next": self.address(cursor=page.next) if page.next else "",
            "first": self.address(cursor=None) if "cursor" in request.GET else "",
            "filters": [(name, form.cleaned_data[name]) for name in FILTERS if form.cleaned_data[name]],
            "query": self.address(cursor=None),
            "used_before": bool(chart.total) or UsageDay.objects.exists(),
            "tenantry_url": settings.TENANTRY_URL,
            "example": EXAMPLE,
        }
        return self.show(context)

    def address(self, **changes: str | None) -> str:
        """The query string with some of it changed; None takes a parameter away."""
        query: QueryDict = self.request.GET.copy()
        for name, value in changes.items():
            query.pop(name, None)
            if value:
                query[name] = value
        return f"?{query.urlencode()}"

    def lines(self, by: str, groups: list[dict[str, Any]], total: int) -> list[Line]:
        """The groups in words. One query for their names, or none."""
        values = [group[by] for group in groups]
        names: dict[Any, tuple[str, str]] = {}
        if by == "project":
            found = Project.objects.filter(id__in=values)
            names = {row.id: (row.name, row.public_id) for row in found}
        elif by == "key":
            names = callers(values)
        lines = []
        for group in groups:
            value, count = group[by], group["total"]
            words, reference = names.get(value, (str(value), str(value)))
            lines.append(
                Line(
                    words=words or "Servers",
                    code=by == "name" or (by == "domain" and bool(value)),
                    day=value if by == "day" else None,
                    count=count,
                    share=round(count * 100 / total, 1) if total else 0,
                    query="" if by == "day" or not value else self.address(**{by: reference, "by": "day"}, cursor=None),
                )
            )
        return lines


def callers(ids: list[str]) -> dict[Any, tuple[str, str]]:
    """Names and public ids of keys and agents, by public id. Two queries."""
    keys = Key.objects.filter(id__in=filter(None, (parse_public_id("key", text) for text in ids)))
    agents = Agent.objects.filter(id__in=filter(None, (parse_public_id("agt", text) for text in ids)))
    found = {row.public_id: (f"{row.name} ({row.start}…)", row.public_id) for row in keys}
    return found | {row.public_id: (row.name, row.public_id) for row in agents}


class UsageFileBase(UsageBase):
    """The same as a file: every row that the page sums up."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        form = UsageForm(request.GET)
        if not form.is_valid():
            raise Absent
        organization = self.admission.organization
        name = f"{organization.slug}-{self.admission.project.slug}" if self.admission.project else organization.slug
        return usage_csv(
            self.rows(form),
            DIMENSIONS,
            organization_id=organization.id,
            projects=dict(Project.objects.values_list("id", "slug")),
            period=form.cleaned_data["period"],
            name=name,
        )


class OrganizationUsagePage(UsagePageBase):
    """Usage of all projects."""

    access = {"GET": organization(Permission.VIEW_USAGE)}
    template_name = "keys/usage.html"
    navigation = "usage"


class OrganizationUsageFile(UsageFileBase):
    """Usage of all projects as CSV."""

    access = {"GET": organization(Permission.VIEW_USAGE)}


class ProjectUsagePage(UsagePageBase):
    """Usage of one project."""

    access = {"GET": project(Permission.VIEW_USAGE)}
    template_name = "keys/usage_project.html"
    navigation = "projects"

    def whose(self) -> UUID | None:
        return self.admission.project.id


class ProjectUsageFile(UsageFileBase):
    """Usage of one project as CSV."""

    access = {"GET": project(Permission.VIEW_USAGE)}

    def whose(self) -> UUID | None:
        return self.admission.project.id


class UsagePanel(Page):
    """A fragment for the organization's overview."""

    access = {"GET": organization(Permission.VIEW_USAGE)}
    template_name = "keys/usage_panel.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        period = period_of(None, None)
        rows = UsageDay.objects.matching(start=period.start, end=period.end)
        return self.show({"quota": quota_of(self.admission.organization), "chart": chart_of(rows, period)})
