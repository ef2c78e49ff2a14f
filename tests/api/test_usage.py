"""Usage as it is read: groups, filters, pages, the file, the quota, and who sees whose."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.kernel.identifiers import public_id
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key
from projects.models import Project, UsageDay, UsageMonth
from projects.services.projects import create_project

USAGE = "/api/v1/orgs/acme/usage"
ROCKET = "/api/v1/orgs/acme/projects/rocket/usage"
NOW = datetime(2031, 5, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def second(cast):
    """Another project of Acme's."""
    with tenant_scope(cast.acme.id):
        return create_project(actor=cast.principal(cast.owner), name="Glider", slug="glider")


@pytest.fixture
def used(cast, second):
    """Two days, two projects, two names, a server and a browser; Globex has something too."""
    key = cast.key.public_id
    with tenant_scope(cast.acme.id):
        for day, project, domain, name, count in (
            (date(2031, 5, 19), cast.project, "", "report.made", 5),
            (date(2031, 5, 19), cast.project, "shop.example", "page.viewed", 7),
            (date(2031, 5, 20), cast.project, "", "report.made", 11),
            (date(2031, 5, 20), second, "", "report.made", 13),
            (date(2031, 4, 1), second, "", "report.made", 17),
        ):
            UsageDay.objects.create(project=project, day=day, key=key, domain=domain, name=name, count=count)
        UsageMonth.objects.create(month=date(2031, 5, 1), count=36)
    with tenant_scope(cast.globex.id):
        UsageDay.objects.create(
            project=cast.foreign_project, day=date(2031, 5, 20), key="key_x", name="foreign", count=1000
        )
    return cast


def groups(answer, *names):
    assert answer.status_code == 200, answer.content
    return [tuple(row[name] for name in (*names, "count")) for row in answer.json()["data"]]


def test_by_default_the_last_thirty_days_by_day_the_newest_first(api, used):
    answer = api(used.viewer).get(USAGE)
    assert groups(answer, "day") == [("2031-05-20", 24), ("2031-05-19", 12)]
    body = answer.json()
    assert (body["from"], body["to"], body["total"], body["next"]) == ("2031-04-21", "2031-05-20", 36, None)
    assert body["quota"] == {
        "plan": "free", "month": "2031-05", "used": 36, "limit": 10000, "resets_on": "2031-06-01"
    }  # fmt: skip
    assert body["data"][0] == {
        "day": "2031-05-20", "project_id": None, "key_id": None, "domain": None, "name": None, "count": 24,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("group_by", "names", "expected"),
    [
        ("name", ["name"], [("page.viewed", 7), ("report.made", 29)]),
        ("domain", ["domain"], [("", 29), ("shop.example", 7)]),
        ("key", ["key_id"], [("KEY", 36)]),
        ("name,day", ["day", "name"], [
            ("2031-05-20", "report.made", 24), ("2031-05-19", "page.viewed", 7), ("2031-05-19", "report.made", 5),
        ]),
    ],
)  # fmt: skip
def test_groups(api, used, group_by, names, expected):
    key = used.key.public_id
    expected = [tuple(key if value == "KEY" else value for value in row) for row in expected]
    assert groups(api(used.viewer).get(f"{USAGE}?group_by={group_by}"), *names) == expected


def test_by_project(api, used, second):
    found = dict(groups(api(used.viewer).get(f"{USAGE}?group_by=project"), "project_id"))
    assert found == {used.project.public_id: 23, second.public_id: 13}


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("from=2031-05-20", 24),
        ("to=2031-05-19", 12),
        ("from=2031-04-01&to=2031-04-01", 17),
        ("from=2031-04-01&to=2031-05-20", 53),
        ("name=page.viewed", 7),
        ("domain=", 29),
        ("domain=shop.example", 7),
        ("project=rocket", 23),
        ("project=glider&name=report.made", 13),
        ("key=key_unknown", 0),
    ],
)
def test_filters(api, used, query, total):
    answer = api(used.viewer).get(f"{USAGE}?{query}")
    assert (answer.status_code, answer.json()["total"]) == (200, total)
    assert sum(count for (count,) in groups(answer)) == total


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=yesterday", "from"),
        ("from=2031-5-1", "from"),
        ("from=2031-02-30", "from"),
        ("from=2031-05-20&to=2031-05-19", "to"),
        ("from=2030-01-01&to=2031-05-19", "from"),
        ("group_by=colour", "group_by"),
        ("group_by=day,day", "group_by"),
        ("group_by=", "group_by"),
        ("limit=0", "limit"),
        ("cursor=!", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("colour=red", "colour"),
    ],
)
def test_what_does_not_fit_is_named(api, used, query, field):
    answer = api(used.viewer).get(f"{USAGE}?{query}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_pages_follow_each_other_without_gap_or_repetition(api, used, second):
    query = "group_by=day,project,key,domain,name&from=2031-04-01&limit=2"
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        answer = api(used.viewer).get(f"{USAGE}?{query}" + (f"&cursor={cursor}" if cursor else ""))
        seen += groups(answer, "day", "project_id", "key_id", "domain", "name")
        cursor, pages = answer.json()["next"], pages + 1
    assert pages == 3
    whole = groups(api(used.viewer).get(f"{USAGE}?{query.replace('limit=2', 'limit=50')}"),
                   "day", "project_id", "key_id", "domain", "name")  # fmt: skip
    assert seen == whole
    assert len(set(seen)) == 5


def test_a_cursor_of_other_groups_is_refused(api, used):
    cursor = api(used.viewer).get(f"{USAGE}?group_by=name&limit=1").json()["next"]
    for groups_asked in ("day", "name,domain", "project"):
        answer = api(used.viewer).get(f"{USAGE}?group_by={groups_asked}&cursor={cursor}")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["cursor"])


def test_of_one_project(api, used):
    assert api(used.viewer).get(ROCKET).json()["total"] == 23
    assert groups(api(used.viewer).get(f"{ROCKET}?group_by=domain"), "domain") == [("", 16), ("shop.example", 7)]
    assert api(used.viewer).get(f"{ROCKET}?project=glider").status_code == 400


def test_a_project_of_nobody_or_somebody_else_is_absent(api, used):
    for reference in ("no-such", used.foreign_project.public_id, "prj_x"):
        assert api(used.viewer).get(f"{USAGE}?project={reference}").status_code == 404


def test_a_key_sees_its_own_project_only(api, used, second, make):
    _, key = make.secret_key("view_usage")
    assert api(key).get(USAGE).json()["total"] == 23
    assert api(key).get(f"{USAGE}?project=glider").status_code == 404
    assert api(key).get("/api/v1/orgs/acme/projects/glider/usage").status_code == 404
    _, blind = make.secret_key("usage:track")
    assert api(blind).get(USAGE).status_code == 403


def test_the_other_tenant_sees_its_own_only(api, used):
    assert api(used.outsider).get("/api/v1/orgs/globex/usage").json()["total"] == 1000
    for path in (USAGE, ROCKET, f"{USAGE}.csv", f"{ROCKET}.csv"):
        assert api(used.outsider).get(path).status_code == 404
        assert api(used.foreign_secret_key).get(path).status_code == 404


def lines(answer):
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())))


def test_the_file_has_every_row(api, used, second):
    key = used.key.public_id
    answer = api(used.viewer).get(f"{USAGE}.csv?from=2031-05-01")
    assert answer["Content-Disposition"] == 'attachment; filename="acme-usage-2031-05-01-2031-05-20.csv"'
    head, *found = lines(answer)
    assert head == ["day", "project", "key", "domain", "name", "count"]
    assert sorted(found) == [
        ["2031-05-19", "rocket", key, "", "report.made", "5"],
        ["2031-05-19", "rocket", key, "shop.example", "page.viewed", "7"],
        ["2031-05-20", "glider", key, "", "report.made", "13"],
        ["2031-05-20", "rocket", key, "", "report.made", "11"],
    ]
    assert len(lines(api(used.viewer).get(f"{ROCKET}.csv"))) == 4
    assert len(lines(api(used.viewer).get(f"{USAGE}.csv?project=glider&from=2031-04-01"))) == 3


def test_the_file_is_read_a_page_at_a_time(api, cast, monkeypatch):
    monkeypatch.setattr("keys.downloads.ROWS_AT_ONCE", 7)
    with tenant_scope(cast.acme.id):
        UsageDay.objects.bulk_create(
            UsageDay(project=cast.project, day=NOW.date() - timedelta(days=n % 5), key="key_x", name=f"n{n}", count=n)
            for n in range(30)
        )
    found = lines(api(cast.viewer).get(f"{USAGE}.csv"))[1:]
    assert {(row[4], row[5]) for row in found} == {(f"n{n}", str(n)) for n in range(30)}
    assert len(found) == 30


def test_the_number_of_queries_does_not_grow(api, cast):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert api(cast.viewer).get(f"{USAGE}?group_by=day,project,key,name").status_code == 200
        return len(captured)

    before = queries()
    with tenant_scope(cast.acme.id):
        for n in range(5):
            other = Project.objects.create(name=f"P{n}", slug=f"p{n}")
            UsageDay.objects.create(
                project=other, day=NOW.date(), key=public_id("key", Key.objects.first().id), name="x", count=1
            )
    assert queries() == before
