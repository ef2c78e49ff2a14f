"""Filters of the log, alone and together, through the page and over REST, whether records are indexed or new."""

from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit import searching
from audit.models import AuditEvent
from audit.searching import Criteria
from audit.words import words_in
from config.kernel.tenancy.scope import tenant_scope
from tests.audit.ledgers import BEGINNING, expected, fill, index_everything, walked
from tests.cast import Cast

AUDIT = "/orgs/acme/audit/"
REST = "/api/v1/orgs/acme/audit-events"
FILTERS: dict[str, dict[str, Any]] = {
    "event": {"event": "key.revoked"},
    "noun": {"event": "key.*"},
    "actor": {"actor_id": "usr_3"},
    "target": {"target_id": "prj_7"},
    "result": {"result": "refused"},
    "ip": {"ip": "2001:db8::7"},
    "words": {"words": words_in("lovelace old3")},
    "time": {"start": BEGINNING + timedelta(minutes=100), "end": BEGINNING + timedelta(minutes=900)},
}
COMBINATIONS = [
    names for size in (1, 2, 7) for names in combinations(FILTERS, size) if not {"event", "noun"} <= set(names)
]


def criteria_of(names: tuple[str, ...]) -> Criteria:
    values: dict[str, Any] = {}
    for name in names:
        values |= FILTERS[name]
    return Criteria(**values)


def query_of(criteria: Criteria) -> dict[str, str]:
    """The parameters of both doors."""
    query = {
        "q": " ".join(criteria.words),
        "event": criteria.event,
        "actor": criteria.actor_id,
        "target": criteria.target_id,
        "result": criteria.result,
        "ip": criteria.ip,
        "since": f"{criteria.start:%Y-%m-%dT%H:%M:00Z}" if criteria.start else "",
        "until": f"{criteria.end:%Y-%m-%dT%H:%M:00Z}" if criteria.end else "",
    }
    return {name: value for name, value in query.items() if value}


def test_every_combination_finds_exactly_what_meets_it(committed_cast: Cast, monkeypatch: pytest.MonkeyPatch):
    fill(committed_cast.acme.id, 700, disorder=0.1)
    index_everything()
    fill(committed_cast.globex.id, 300)
    # So small that everything is used up.
    for name, most in {"MOST_RECORDS": 60, "MOST_BLOCKS": 2, "MOST_FOUND": 2, "SPARE": 2}.items():
        monkeypatch.setattr(searching, name, most)
    with tenant_scope(committed_cast.acme.id):
        for names in COMBINATIONS:
            criteria = criteria_of(names)
            if not criteria.is_direct:
                assert walked(criteria, limit=20)[0] == expected(criteria), names


@pytest.mark.parametrize("door", ["page", "REST"])
def test_each_filter_and_several_narrow_both_doors(cast: Cast, browse: Any, api: Any, door: str):
    fill(cast.acme.id, 200)
    fill(cast.globex.id, 20)
    browser, program = browse(cast.viewer), api(cast.viewer)
    for names in [*((name,) for name in FILTERS), ("noun", "actor", "words")]:
        criteria = criteria_of(names)
        query = query_of(criteria)
        with tenant_scope(cast.acme.id):
            wanted = [AuditEvent(id=one).public_id for one in expected(criteria)]
        if door == "page":
            answer = browser.get(AUDIT, {name: value.removesuffix("Z") for name, value in query.items()})
            found = [row.public_id for row in answer.context["rows"]]
        else:
            answer = program.get(REST, {**query, "limit": "50"})
            found = [row["id"] for row in answer.json()["data"]]
        assert answer.status_code == 200, names
        assert found == wanted[:50], names


@pytest.mark.parametrize("spelling", ["::ffff:203.0.113.7", "::FFFF:cb00:7107"])
def test_an_address_is_found_however_it_is_spelled(cast: Cast, browse: Any, api: Any, spelling: str):
    with tenant_scope(cast.acme.id):
        # As a server that listens on IPv6 sees callers of IPv4.
        wanted = AuditEvent.objects.create(event="key.created", actor_kind="system", ip="::ffff:203.0.113.7")
        AuditEvent.objects.create(event="key.created", actor_kind="system", ip="203.0.113.7")
    page = browse(cast.viewer).get(AUDIT, {"ip": spelling})
    assert [row.id for row in page.context["rows"]] == [wanted.id]
    rest = api(cast.viewer).get(REST, {"ip": spelling}).json()
    assert [row["id"] for row in rest["data"]] == [wanted.public_id]


def test_pages_over_rest_follow_next_to_the_end_also_where_one_is_empty(
    cast: Cast, api: Any, monkeypatch: pytest.MonkeyPatch
):
    fill(cast.acme.id, 300)
    monkeypatch.setattr(searching, "MOST_RECORDS", 25)
    found, sizes, cursor = [], [], {}
    while True:
        page = api(cast.viewer).get(REST, {"q": "old3", "target": "prj_7", "limit": "2", **cursor}).json()
        found += [row["id"] for row in page["data"]]
        sizes.append(len(page["data"]))
        assert all(row["sequence"] is None and row["sealed"] is False for row in page["data"])
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    with tenant_scope(cast.acme.id):
        wanted = expected(Criteria(words=["old3"], target_id="prj_7"))
    assert found == [AuditEvent(id=one).public_id for one in wanted]
    assert found
    assert 0 in sizes[:-1]


def test_the_page_says_how_far_it_has_looked_and_leads_on_and_back(
    cast: Cast, browse: Any, monkeypatch: pytest.MonkeyPatch
):
    fill(cast.acme.id, 100)
    monkeypatch.setattr(searching, "MOST_RECORDS", 40)
    browser = browse(cast.viewer)
    query = {"q": "00000000000000000000000000000005"}
    first = browser.get(AUDIT, query)
    assert first.context["rows"] == []
    assert "Nothing found yet" in first.content.decode()
    assert "Look further back" in first.content.decode()
    second = browser.get(first.context["older"])
    third = browser.get(second.context["older"])
    assert [row.data["count"] for row in third.context["rows"]] == [5]
    assert third.context["older"] == ""
    text = third.content.decode()
    assert "Newest" in text
    assert "Look further back" not in text
    assert third.context["newest"] == f"{AUDIT}?q=00000000000000000000000000000005"
    monkeypatch.undo()
    assert "No record matches" in browser.get(AUDIT, {"q": "lovelace", "event": "export.*"}).content.decode()


@pytest.mark.parametrize(
    "query",
    [
        {"q": "!!!"}, {"q": "one two three four five six seven eight nine ten eleven"}, {"q": "x" * 201},
        {"q": "a\x00b"}, {"ip": "203.0.113"}, {"ip": "203.0.113.7/8"},
        {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
    ],
)  # fmt: skip
def test_what_cannot_be_searched_for_is_refused_at_both_doors(cast: Cast, browse: Any, api: Any, query: dict):
    refused = api(cast.viewer).get(REST, query)
    assert refused.status_code == 400
    assert refused.json()["code"] == "invalid"
    page = browse(cast.viewer).get(AUDIT, {name: value.removesuffix("Z") for name, value in query.items()})
    assert page.status_code == 422
    assert "organization.created" not in page.content.decode().split('id="records"')[1]


@pytest.mark.parametrize("cursor", ["x", "!" * 22])
def test_a_search_refuses_a_cursor_that_is_not_ours(cast: Cast, browse: Any, api: Any, cursor: str):
    assert browse(cast.viewer).get(AUDIT, {"q": "acme", "before": cursor}).status_code == 400
    assert api(cast.viewer).get(REST, {"q": "acme", "cursor": cursor}).status_code == 400


@pytest.mark.parametrize("query", [{"q": "lovelace"}, {"event": "key.*", "ip": "203.0.113.7"}])
def test_two_and_twenty_found_records_take_the_same_queries(cast: Cast, api: Any, query: dict):
    program = api(cast.viewer)
    fill(cast.acme.id, 200)
    counts = []
    for limit in ("2", "2", "20"):
        with CaptureQueriesContext(connection) as captured:
            assert len(program.get(REST, {**query, "limit": limit}).json()["data"]) == int(limit)
        counts.append(len(captured))
    assert counts[1] == counts[2]
