"""The dashboard's pages of usage: chart, table, quota, file, and who sees them."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.kernel.tenancy.scope import tenant_scope
from projects.models import UsageDay, UsageMonth
from projects.services.projects import create_project

USAGE = "/orgs/acme/usage/"
NOW = datetime(2031, 5, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def used(cast):
    with tenant_scope(cast.acme.id):
        other = create_project(actor=cast.principal(cast.owner), name="Glider", slug="glider")
        for project, days, domain, name, count in (
            (cast.project, 1, "", "report.made", 5000),
            (cast.project, 2, "shop.example", "page.viewed", 2500),
            (other, 2, "", "<b>bold</b>", 12),
        ):
            UsageDay.objects.create(
                project=project, day=NOW.date() - timedelta(days=days), key=cast.key.public_id, domain=domain,
                name=name, count=count,
            )  # fmt: skip
        UsageMonth.objects.create(month=date(2031, 5, 1), count=7512)
    return cast


def text_of(answer):
    assert answer.status_code == 200, answer.content[:500]
    return re.sub(r"\s+", " ", answer.content.decode())


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "viewer"])
def test_everybody_who_may_sees_the_chart_the_table_and_the_quota(browse, used, role):
    page = text_of(browse(used.member(role)).get(USAGE))
    assert "7,512 events" in page
    assert "Events by day: 7,512 in all, most on 19 May 2031 with 5,000." in page
    assert page.count('<rect class="fill-accent"') == 2
    assert "7,512 of 10,000" in page
    assert "Counting begins anew on 1 June 2031 (UTC)" in page
    assert 'value="2031-04-21"' in page
    assert 'value="2031-05-20"' in page
    rows = re.findall(r'<th scope="row">(.*?)</th> <td class="cell-number">([\d,]+)</td>', page)
    assert rows == [("Mon 19 May 2031", "5,000"), ("Sun 18 May 2031", "2,512")]


def test_nobody_else_does(browse, used):
    for path in (USAGE, f"{USAGE}download/", "/orgs/acme/panels/usage/", "/orgs/acme/projects/rocket/usage/"):
        assert browse(used.outsider).get(path).status_code == 404
        assert browse(None).get(path).status_code == 302


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("name", ["&lt;b&gt;bold&lt;/b&gt;", "page.viewed", "report.made"]),
        ("project", ["Glider", "Rocket"]),
        ("domain", ["Servers", "shop.example"]),
        ("key", ["Backend"]),
    ],
)
def test_groups_lead_to_what_they_sum_up(browse, used, by, expected):
    page = text_of(browse(used.viewer).get(f"{USAGE}?by={by}"))
    table = page.partition("<tbody")[2].partition("</tbody>")[0]
    for words in expected:
        assert words in table
    assert "<b>bold" not in page
    for link in re.findall(r'href="(\?[^"]+)"', table):
        narrowed = text_of(browse(used.viewer).get(USAGE + link.replace("&amp;", "&")))
        assert f"Only {by} <code>" in narrowed


def test_days_and_filters_narrow_the_page(browse, used):
    page = text_of(browse(used.viewer).get(f"{USAGE}?since=2031-05-18&until=2031-05-18&name=page.viewed"))
    assert "2,500 events" in page
    assert 'value="page.viewed"' in page, "the filter is kept when the form is sent"
    assert "Nothing in these days" in text_of(browse(used.viewer).get(f"{USAGE}?since=2031-05-20"))


@pytest.mark.parametrize(
    "query", ["since=x", "since=2031-05-20&until=2031-05-19", "since=2001-05-20", "by=colour", "cursor=!"]
)
def test_what_does_not_fit_is_said(browse, used, query):
    answer = browse(used.viewer).get(f"{USAGE}?{query}")
    assert answer.status_code in (400, 422)


def test_a_project_shows_its_own(browse, used):
    page = text_of(browse(used.viewer).get("/orgs/acme/projects/glider/usage/"))
    assert "12 events" in page
    assert "report.made" not in page
    assert '<option value="project"' not in page
    assert browse(used.viewer).get("/orgs/acme/projects/glider/usage/?by=project").status_code == 422
    assert browse(used.viewer).get(f"{USAGE}?project=no-such").status_code == 404


def test_the_file_is_what_the_page_sums_up(browse, used):
    def rows(path):
        answer = browse(used.viewer).get(path)
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))

    assert sum(int(row["count"]) for row in rows(f"{USAGE}download/")) == 7512
    assert [row["name"] for row in rows(f"{USAGE}download/?name=page.viewed&by=key")] == ["page.viewed"]
    assert [row["project"] for row in rows("/orgs/acme/projects/glider/usage/download/")] == ["glider"]


def test_without_any_usage_the_page_says_how_to_begin(browse, cast):
    page = text_of(browse(cast.viewer).get(USAGE))
    assert "No usage yet" in page
    assert "/api/v1/track" in page


@pytest.mark.parametrize(
    ("count", "words"),
    [(7999, None), (8000, "80 % of this month's events are used up"), (10000, "All events of this month are used up")],
)
def test_the_quota_warns(browse, cast, count, words):
    with tenant_scope(cast.acme.id):
        UsageMonth.objects.create(month=date(2031, 5, 1), count=count)
    for path in (USAGE, "/orgs/acme/panels/usage/"):
        page = text_of(browse(cast.viewer).get(path))
        assert (words in page) if words else ("used up" not in page)


def test_the_number_of_queries_does_not_grow(browse, used):
    browser = browse(used.viewer)

    def queries(by):
        with CaptureQueriesContext(connection) as captured:
            text_of(browser.get(f"{USAGE}?by={by}"))
        return len(captured)

    before = {by: queries(by) for by in ("day", "project", "key", "name")}
    with tenant_scope(used.acme.id):
        for number in range(5):
            project = create_project(actor=used.principal(used.owner), name=f"P{number}", slug=f"p{number}")
            UsageDay.objects.create(project=project, day=NOW.date(), key=f"key_{number}", name=f"n{number}", count=1)
    assert {by: queries(by) for by in before} == before
