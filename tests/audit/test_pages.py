"""Pages of the ledger."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.models import AuditEvent, first_id_at
from audit.services import Target, record, record_refused
from config.kernel.events import declared_events
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import tenant_scope
from keys import events as key_events
from orgs.models import CustomRole, Membership
from projects import events as project_events
from tests.cast import Cast
from tests.texts import without_what_varies

AUDIT = "/orgs/acme/audit/"
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "records"}


def text_of(answer: Any) -> str:
    return answer.content.decode()


def write(
    cast: Cast, event: Any = project_events.PROJECT_RESTORED, *, by: Any = None, about: str = "prj_x", **data: Any
) -> AuditEvent:
    with tenant_scope(cast.acme.id), transaction.atomic():
        return record(
            event, actor=cast.principal(by or cast.owner), target=Target("project", about, "A project"), data=data
        )


def id_at(moment: datetime) -> UUID:
    """An id made at that moment."""
    milliseconds = round(moment.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | new_id().int & ((1 << 80) - 1))


def names(answer: Any) -> list[str]:
    return [row.event for row in answer.context["rows"]]


@pytest.mark.parametrize("role", ["owner", "admin", "developer", "viewer"])
def test_everybody_with_the_permission_reads_the_log(cast: Cast, browse: Any, role: str):
    answer = browse(cast.member(role)).get(AUDIT)
    assert "organization.created" in names(answer)
    assert cast.globex.public_id not in text_of(answer)


def test_without_the_permission_nothing_of_the_log_is_shown(cast: Cast, browse: Any):
    with tenant_scope(cast.acme.id):
        row = AuditEvent.objects.first()
        role = CustomRole.objects.create(name="Builder", permissions=["view_org", "manage_apps", "manage_keys"])
        Membership.objects.filter(user=cast.developer).update(role="custom", custom_role=role)
    browser = browse(cast.developer)
    for path in (AUDIT, f"{AUDIT}{row.public_id}/", "/orgs/acme/panels/audit/"):
        refused = browser.get(path)
        assert refused.status_code == 403
        assert "view_audit" in text_of(refused)
    for path in (
        "/orgs/acme/",
        "/orgs/acme/projects/rocket/",
        f"/orgs/acme/projects/rocket/keys/{cast.key.public_id}/",
    ):
        assert "/orgs/acme/audit/" not in text_of(browser.get(path))


def test_the_log_is_narrowed_by_event_and_by_noun(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    write(cast)
    assert set(names(browser.get(AUDIT, {"event": "project.*"}))) == {"project.created", "project.restored"}
    assert names(browser.get(AUDIT, {"event": "project.restored"})) == ["project.restored"]
    assert set(names(browser.get(AUDIT, {"event": "key.*"}))) == {"key.created"}
    assert names(browser.get(AUDIT, {"event": "export.*"})) == []


def test_every_declared_event_can_be_chosen(cast: Cast, browse: Any):
    page = text_of(browse(cast.viewer).get(AUDIT))
    for event_type in declared_events():
        assert f'<option value="{event_type.name}">' in page
        assert f'<option value="{event_type.subject}.*">' in page
    assert '<optgroup label="Personal token">' in page


def test_the_log_is_narrowed_by_actor_target_and_result(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    write(cast, by=cast.admin, about="prj_one")
    with tenant_scope(cast.acme.id):
        record_refused(
            key_events.KEY_REVOKED,
            actor=cast.principal(cast.developer),
            target=Target("key", "key_one", "A key"),
            data={"project": cast.project.public_id},
        )
    assert names(browser.get(AUDIT, {"actor": cast.admin.public_id})) == ["project.restored"]
    assert names(browser.get(AUDIT, {"target": "prj_one"})) == ["project.restored"]
    assert names(browser.get(AUDIT, {"result": "refused"})) == ["key.revoked"]
    assert names(browser.get(AUDIT, {"actor": cast.admin.public_id, "result": "refused"})) == []
    assert "No record matches" in text_of(browser.get(AUDIT, {"actor": "usr_nobody"}))
    by_name = " ".join(text_of(browser.get(AUDIT, {"actor": cast.owner.email})).split())
    assert "looked for by their id; names and mail addresses are found among the words" in by_name
    assert "looked for by their id" not in text_of(browser.get(AUDIT, {"event": "export.*"}))


def test_the_log_is_narrowed_by_time(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    with tenant_scope(cast.acme.id):
        for hour in (10, 11, 12):
            AuditEvent.objects.create(
                id=id_at(datetime(2030, 5, 1, hour, tzinfo=UTC)), event="project.restored", target_id=f"prj_{hour}"
            )

    def targets(**query: str) -> list[str]:
        return [row.target_id for row in browser.get(AUDIT, query).context["rows"]]

    assert targets(since="2030-05-01T10:00") == ["prj_12", "prj_11", "prj_10"]
    assert targets(since="2030-05-01T10:01", until="2030-05-01T12:00") == ["prj_11"]
    assert targets(since="2030-05-01T11:00", until="2030-05-01T12:01") == ["prj_12", "prj_11"]
    assert targets(since="2030-05-01T12:00", until="2030-05-02T12:00", event="key.*") == []
    assert "prj_10" not in targets(until="2030-05-01T10:00")


@pytest.mark.parametrize(
    "query",
    [
        {"event": "made.up"},
        {"result": "perhaps"},
        {"since": "yesterday"},
        {"since": "2030-13-01T00:00"},
        {"until": "99999-01-01"},
        {"since": "2030-01-02", "until": "2030-01-01"},
        {"actor": "a\x00b"},
        {"target": "x" * 81},
    ],
)
def test_a_wrong_filter_is_said_and_shows_nothing(cast: Cast, browse: Any, query: dict):
    answer = browse(cast.viewer).get(AUDIT, query)
    assert answer.status_code == 422
    assert "field-error" in text_of(answer)
    assert ("Nothing was looked for" in text_of(answer), "No record matches" in text_of(answer)) == (True, False)
    assert "organization.created" not in text_of(answer).split('id="records"')[1]
    swapped = browse(cast.viewer).get(AUDIT, query, **HTMX)
    assert swapped.status_code == 422
    assert 'role="alert"' in text_of(swapped)


@pytest.mark.parametrize(
    "query", [{"since": "0001-01-01T00:00"}, {"until": "9999-12-31T23:59"}, {"since": "9999-12-31T23:59-23:00"}]
)
def test_times_at_the_end_of_the_calendar_do_no_harm(cast: Cast, browse: Any, query: dict):
    assert browse(cast.viewer).get(AUDIT, query).status_code in (200, 422)


@pytest.mark.parametrize("cursor", ["x", "!" * 22, "%00" * 9])
def test_a_cursor_that_is_not_ours_is_refused(cast: Cast, browse: Any, cursor: str):
    for name in ("before", "after"):
        assert browse(cast.viewer).get(AUDIT, {name: cursor}).status_code == 400


def test_the_log_turns_older_and_newer_and_keeps_the_filters(cast: Cast, browse: Any):
    for number in range(70):
        write(cast, about=f"prj_{number}")
    browser = browse(cast.viewer)
    first = browser.get(AUDIT, {"event": "project.restored"})
    assert len(first.context["rows"]) == 50
    assert "event=project.restored" in first.context["older"]
    second = browser.get(first.context["older"])
    assert [row.target_id for row in second.context["rows"]] == [f"prj_{number}" for number in reversed(range(20))]
    assert second.context["older"] == ""
    back = browser.get(second.context["newer"])
    assert [row.id for row in back.context["rows"]] == [row.id for row in first.context["rows"]]
    assert back.context["newer"] == ""


def test_newer_than_the_newest_shows_the_newest(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    for number in range(60):
        write(cast, about=f"prj_{number}")
    second = browser.get(browser.get(AUDIT).context["older"])
    newest = browser.get(browser.get(second.context["newer"]).context["older"]).context["newer"]
    assert browser.get(newest).context["rows"][0].target_id == "prj_59"


def test_htmx_gets_the_table_alone_at_an_address_without_empty_filters(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    query = {"event": "key.*", "actor": "", "since": ""}
    whole, table = browser.get(AUDIT, query), browser.get(AUDIT, query, **HTMX)
    assert "<html" in text_of(whole)
    assert "<html" not in text_of(table)
    assert text_of(table).lstrip().startswith('<div id="records">')
    assert names(whole) == names(table)
    assert table["HX-Push-Url"] == f"{AUDIT}?event=key.%2A"
    for answer in (whole, table):
        assert "HX-Target" in answer["Vary"]


def test_two_and_twenty_records_take_the_same_queries(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    query = {"event": "project.restored"}
    write(cast), write(cast)
    browser.get(AUDIT, query)
    with CaptureQueriesContext(connection) as two:
        assert len(browser.get(AUDIT, query).context["rows"]) == 2
    for _ in range(18):
        write(cast)
    with CaptureQueriesContext(connection) as twenty:
        assert len(browser.get(AUDIT, query).context["rows"]) == 20
    assert len(twenty) == len(two)


def test_a_record_shows_all_its_fields_and_the_changes(cast: Cast, browse: Any):
    row = write(
        cast,
        key_events.KEY_UPDATED,
        about="prj_one",
        project=cast.project.public_id,
        changes={"name": ["Old <b>", "New"], "permissions": [[], ["a", "b"]], "remaining": [None, 5]},
    )
    page = text_of(browse(cast.viewer).get(f"{AUDIT}{row.public_id}/"))
    for words in (
        "key.updated",
        cast.owner.email,
        cast.owner.public_id,
        "prj_one",
        row.public_id,
        "Old &lt;b&gt;",
        "New",
        "a, b",
    ):
        assert words in page
    assert key_events.KEY_UPDATED.description.replace("'", "&#x27;") in page
    assert f"{row.created_at:%-d %b %Y, %H:%M:%S} UTC" in page
    for name, new in (("permissions", "a, b"), ("remaining", "5")):
        assert re.search(
            rf'<th scope="row">{name}</th><td data-label="Old">.</td><td data-label="New">{new}</td>', page
        )


def test_a_records_other_data_is_listed(cast: Cast, browse: Any):
    data = {"project": cast.project.public_id, "mode": "test", "permissions": ["keys:verify", "view_org"]}
    row = write(cast, key_events.KEY_IMPORTED, **data)
    page = text_of(browse(cast.viewer).get(f"{AUDIT}{row.public_id}/"))
    assert "keys:verify, view_org" in page
    assert "Changed fields" not in page


def test_changes_of_an_unknown_shape_are_shown_as_they_are(cast: Cast, browse: Any):
    """As another version may have recorded them."""
    with tenant_scope(cast.acme.id):
        row = AuditEvent.objects.create(event="project.updated", data={"changes": {"name": "only one"}})
    assert row.changes == []
    assert "only one" in text_of(browse(cast.viewer).get(f"{AUDIT}{row.public_id}/"))


def test_another_tenants_record_and_an_absent_one_look_the_same(cast: Cast, browse: Any):
    with tenant_scope(cast.globex.id):
        theirs = AuditEvent.objects.first().public_id
    absent = theirs[:-4] + "0000"
    browser = browse(cast.owner)
    hidden, nowhere = browser.get(f"{AUDIT}{theirs}/"), browser.get(f"{AUDIT}{absent}/")
    assert hidden.status_code == nowhere.status_code == 404
    assert without_what_varies(text_of(hidden)).replace(theirs, absent) == without_what_varies(text_of(nowhere))
    assert browser.get(f"/orgs/globex/audit/{theirs}/").status_code == 404
    assert browser.get(f"{AUDIT}evt_zzz/").status_code == 404
    assert browser.get(f"{AUDIT}%00/").status_code == 404


def test_the_panel_shows_the_five_latest(cast: Cast, browse: Any):
    for number in range(7):
        write(cast, about=f"prj_{number}")
    panel = browse(cast.viewer).get("/orgs/acme/panels/audit/")
    assert [row.target_id for row in panel.context["latest"]] == ["prj_6", "prj_5", "prj_4", "prj_3", "prj_2"]
    assert "<html" not in text_of(panel)


def test_an_id_tells_its_time_as_a_bound():
    before = datetime.now(UTC)
    made = new_id()
    after = datetime.now(UTC)
    assert first_id_at(before) <= made < first_id_at(after + timedelta(milliseconds=1))
    moment = datetime(2031, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)
    assert first_id_at(moment) <= id_at(moment) < first_id_at(moment + timedelta(milliseconds=1))
    assert first_id_at(datetime(1900, 1, 1, tzinfo=UTC)) == UUID(int=0)


@pytest.mark.parametrize(
    "narrowed",
    [{}, {"event": "key.created"}, {"actor_id": "usr_one"}, {"target_id": "key_one"}, {"result": "refused"}],
)
def test_times_are_looked_up_in_an_index_whatever_the_filter_beside_them(cast: Cast, narrowed: dict):
    start = datetime(2030, 1, 1, tzinfo=UTC)
    with tenant_scope(cast.acme.id), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
            )
        rows = AuditEvent.objects.matching(**narrowed).between(start, start + timedelta(days=1)).order_by("-id")[:51]
        plan = rows.explain()
    condition = re.search(r"Index Cond: (.*)", plan)
    assert condition
    assert "(id >= " in condition[1]
    assert "(id < " in condition[1]
