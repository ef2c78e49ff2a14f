"""What the AuthZEN Authorization API 1.0 asks of a decision point, by the cases of its certification scenario."""

import json

import pytest
from django.test import Client

from config.kernel.tenancy.scope import tenant_scope
from projects.models import Resource

EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
SEARCH = "/access/v1/search"
PATHS = [EVALUATION, EVALUATIONS, *(f"{SEARCH}/{kind}" for kind in ("subject", "resource", "action"))]
ODD_PAGES = [[], "x", {"limit": -1}, {"limit": "1"}, {"limit": 1.5}, {"limit": True}, {"token": 1}]
AUTH_FAILURE = {"type": "about:blank", "title": "auth failure", "status": 401}


@pytest.fixture
def pdp(api, cast):
    return api(cast.secret_key)


@pytest.fixture
def question(cast):
    """One that is decided with yes."""
    return {
        "subject": {"type": "user", "id": cast.developer.public_id},
        "action": {"name": "manage_keys"},
        "resource": {"type": "project", "id": cast.project.public_id},
    }


def decisions(answer):
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/json"
    return [item["decision"] for item in answer.json()["evaluations"]]


# -- one evaluation --------------------------------------------------------------------------------------------------
def test_a_permit_and_a_denial(pdp, question):
    answer = pdp.post(EVALUATION, question)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.json()["decision"] is True
    denial = pdp.post(EVALUATION, {**question, "action": {"name": "delete_org"}})
    assert (denial.status_code, denial.json()["decision"]) == (200, False)


def test_context_properties_and_unknown_fields_change_nothing(pdp, question):
    plain = pdp.post(EVALUATION, question).json()
    for more in (
        {"context": {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}},
        {"context": {}},
        {"foo": "bar", "futureField": {"nested": True}},
        {"subject": {**question["subject"], "properties": {"department": "Sales", "role": "owner"}, "new": 1}},
        {"action": {**question["action"], "properties": {"method": "GET"}}},
        {"resource": {**question["resource"], "properties": {"owner": "bob"}}},
    ):
        assert pdp.post(EVALUATION, {**question, **more}).json() == plain


@pytest.mark.parametrize("missing", ["subject", "action", "resource"])
def test_a_missing_part_is_a_bad_request(pdp, question, missing):
    del question[missing]
    answer = pdp.post(EVALUATION, question)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert missing in answer.json()["errors"]


@pytest.mark.parametrize(
    ("part", "field"),
    [("subject", "type"), ("subject", "id"), ("action", "name"), ("resource", "type"), ("resource", "id")],
)
@pytest.mark.parametrize("value", [None, 123, True, [], {}, "x" * 501])
def test_a_wrong_part_is_a_bad_request(pdp, question, part, field, value):
    for body in ({**question[part], field: value}, {k: v for k, v in question[part].items() if k != field}):
        assert pdp.post(EVALUATION, {**question, part: body}).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "alice"},
        {"resource": []},
        {"action": "read"},
        {"context": "now"},
        {"context": []},
        {"subject": {"type": "user", "id": "x", "properties": "none"}},
    ],
)
def test_a_part_that_is_no_object_is_a_bad_request(pdp, question, changes):
    assert pdp.post(EVALUATION, {**question, **changes}).status_code == 400


@pytest.mark.parametrize(
    "path", [EVALUATION, EVALUATIONS, *(f"{SEARCH}/{k}" for k in ("subject", "resource", "action"))]
)
def test_what_is_no_json_object_is_a_bad_request(pdp, question, path):
    for body in (b"", b"{", b"[]", b'"x"', b"null", b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}'):
        answer = pdp.post(path, body)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json"), body
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        answer = pdp.post(path, json.dumps(question).encode(), content_type=content_type)
        assert answer.status_code == 400, content_type


@pytest.mark.parametrize(
    "path", [EVALUATION, EVALUATIONS, *(f"{SEARCH}/{k}" for k in ("subject", "resource", "action"))]
)
def test_without_a_credential_nothing_is_said(api, cast, question, path):
    for credential in (None, "x", cast.publishable_key, cast.secret_key[1:]):
        answer = api(credential).post(path, question)
        assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE)
    assert api(cast.secret_key).get(path).status_code == 405


@pytest.mark.parametrize(
    "path", [EVALUATION, EVALUATIONS, *(f"{SEARCH}/{k}" for k in ("subject", "resource", "action"))]
)
def test_the_request_id_is_echoed_in_any_spelling(pdp, question, path):
    for given in ("bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "1", "a b", "x" * 200, "%&/()"):
        for body in (question, {}):
            assert pdp.post(path, body, HTTP_X_REQUEST_ID=given)["X-Request-Id"] == given
    for odd in ("x" * 201, "é", ""):
        assert pdp.post(path, question, HTTP_X_REQUEST_ID=odd)["X-Request-Id"].startswith("req_")
    assert pdp.post(path, question)["X-Request-Id"].startswith("req_")


def test_the_same_question_gets_the_same_answer(pdp, question):
    assert len({pdp.post(EVALUATION, question).content for _ in range(5)}) == 1


# -- several ---------------------------------------------------------------------------------------------------------
def test_several_questions_are_answered_in_order(pdp, cast, question):
    viewer = {"type": "user", "id": cast.viewer.public_id}
    body = {"evaluations": [question, {**question, "subject": viewer}, question]}
    assert decisions(pdp.post(EVALUATIONS, body)) == [True, False, True]
    assert "decision" not in pdp.post(EVALUATIONS, body).json()


def test_the_top_level_fills_in_what_an_item_leaves_out(pdp, cast, question):
    body = {
        **question,
        "context": {"time": "2025-06-27T18:03-07:00"},
        "evaluations": [
            {},
            {"action": {"name": "manage_members"}},
            {"subject": {"type": "user", "id": cast.viewer.public_id}},
            {"resource": {"type": "organization", "id": cast.acme.public_id}},
            {"context": {"time": "2025-06-27T19:00-07:00"}},
        ],
    }
    assert decisions(pdp.post(EVALUATIONS, body)) == [True, False, False, True, True]


def test_an_item_replaces_a_part_but_takes_its_type_from_the_top_level(pdp, cast, question):
    body = {
        "subject": question["subject"],
        "action": question["action"],
        "resource": {"type": "project"},
        "evaluations": [
            {"resource": {"id": cast.project.public_id, "properties": {"status": "active"}}},
            {"resource": {"type": "organization", "id": cast.acme.public_id}},
            {"resource": {"id": cast.acme.public_id}},
            {"resource": {}},
        ],
    }
    assert decisions(pdp.post(EVALUATIONS, body)) == [True, True, False, False]


def test_without_items_it_is_a_single_evaluation(pdp, question):
    single = pdp.post(EVALUATION, question).json()
    for more in ({}, {"evaluations": []}, {"evaluations": None}):
        assert pdp.post(EVALUATIONS, {**question, **more}).json() == single
    del question["subject"]
    assert pdp.post(EVALUATIONS, question).status_code == 400


def test_an_item_that_cannot_be_read_is_denied_by_itself(pdp, question):
    body = {
        "subject": question["subject"],
        "action": question["action"],
        "evaluations": [{"resource": question["resource"]}, {}, {"resource": 5}, 7, None, {"resource": {"type": "x"}}],
    }
    answer = pdp.post(EVALUATIONS, body)
    assert decisions(answer) == [True] + [False] * 5
    for item in answer.json()["evaluations"][1:]:
        assert item["context"]["error"]["status"] == 400


@pytest.mark.parametrize(
    ("semantic", "expected"),
    [
        ("execute_all", [True, False, True, False]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
def test_the_three_semantics(pdp, question, semantic, expected):
    items = [{}, {"action": {"name": "delete_org"}}, {}, {"resource": 1}]
    body = {**question, "options": {"evaluations_semantic": semantic, "another_option": 1}, "evaluations": items}
    assert decisions(pdp.post(EVALUATIONS, body)) == expected
    body["evaluations"] = items[::-1]
    short = {"deny_on_first_deny": [False], "permit_on_first_permit": [False, True]}
    assert decisions(pdp.post(EVALUATIONS, body)) == short.get(semantic, expected[::-1])


@pytest.mark.parametrize(
    "changes",
    [
        {"options": {"evaluations_semantic": "first"}},
        {"options": {"evaluations_semantic": ["execute_all"]}},
        {"options": []},
        {"evaluations": {}},
        {"evaluations": "all"},
        {"subject": "alice"},
        {"evaluations": [{}] * 1001},
    ],
)
def test_what_is_wrong_of_the_whole_is_a_bad_request(pdp, question, changes):
    answer = pdp.post(EVALUATIONS, {**question, "evaluations": [{}], **changes})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


# -- searches --------------------------------------------------------------------------------------------------------
def results(answer):
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json"), answer.content
    body = answer.json()
    assert body["page"] == {"next_token": "", "count": len(body["results"])}
    return body["results"]


def test_a_search_for_subjects(pdp, cast, question):
    able = [cast.owner, cast.admin, cast.developer]
    found = results(pdp.post(f"{SEARCH}/subject", {**question, "subject": {"type": "user"}, "context": {"a": 1}}))
    assert found == [{"type": "user", "id": user.public_id} for user in able]
    ignored = {"type": "user", "id": cast.viewer.public_id}
    assert results(pdp.post(f"{SEARCH}/subject", {**question, "subject": ignored})) == found


def test_a_search_for_resources(pdp, cast, question):
    for kind, name in (("project", cast.project.public_id), ("organization", cast.acme.public_id)):
        found = results(pdp.post(f"{SEARCH}/resource", {**question, "resource": {"type": kind}}))
        assert found == [{"type": kind, "id": name}]
        assert results(pdp.post(f"{SEARCH}/resource", {**question, "resource": {"type": kind, "id": "x"}})) == found


def test_a_search_for_actions(pdp, cast, question):
    del question["action"]
    names = [item["name"] for item in results(pdp.post(f"{SEARCH}/action", {**question, "context": {}}))]
    assert "manage_keys" in names
    assert "delete_org" not in names
    ignored = {"name": 7}
    assert results(pdp.post(f"{SEARCH}/action", {**question, "action": ignored})) == [{"name": n} for n in names]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("subject", {"subject": {"type": "spaceship"}}),
        ("subject", {"resource": {"type": "spaceship", "id": "1"}}),
        ("subject", {"resource": {"type": "project", "id": "nothing"}}),
        ("subject", {"action": {"name": "fly"}}),
        ("resource", {"subject": {"type": "user", "id": "nobody"}}),
        ("resource", {"resource": {"type": "spaceship"}}),
        ("action", {"subject": {"type": "user", "id": "nobody"}}),
        ("action", {"resource": {"type": "spaceship", "id": "1"}}),
    ],
)
def test_what_nobody_knows_is_an_empty_result(pdp, question, kind, changes):
    assert results(pdp.post(f"{SEARCH}/{kind}", {**question, **changes})) == []


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("subject", "subject"),
        ("subject", "action"),
        ("subject", "resource"),
        ("resource", "subject"),
        ("resource", "action"),
        ("resource", "resource"),
        ("action", "subject"),
        ("action", "resource"),
    ],
)
def test_a_search_that_misses_a_part_is_a_bad_request(pdp, question, kind, missing):
    body = {name: part for name, part in question.items() if name != missing}
    assert pdp.post(f"{SEARCH}/{kind}", body).status_code == 400
    searched = {"subject": "subject", "resource": "resource"}.get(kind)
    if missing not in (searched, "action"):
        assert pdp.post(f"{SEARCH}/{kind}", {**question, missing: {"type": "user"}}).status_code == 400
    if missing != "action":
        assert pdp.post(f"{SEARCH}/{kind}", {**question, missing: {"id": "x"}}).status_code == 400


@pytest.mark.parametrize(
    "page", [[], "x", {"limit": -1}, {"limit": "1"}, {"limit": 1.5}, {"limit": True}, {"token": 1}]
)
def test_a_page_that_makes_no_sense_is_a_bad_request(pdp, question, page):
    assert pdp.post(f"{SEARCH}/subject", {**question, "page": page}).status_code == 400


def walked(pdp, path, body, limit):
    found, token, pages = [], None, 0
    while token != "":
        page = {"limit": limit} if token is None else {"token": token}
        answer = pdp.post(path, {**body, "page": page}).json()
        assert len(answer["results"]) == answer["page"]["count"] <= limit
        found += answer["results"]
        token = answer["page"]["next_token"]
        pages += 1
        assert pages < 50
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_lead_through_everything(pdp, cast, question, limit):
    with tenant_scope(cast.acme.id):
        for number in range(5):
            Resource.objects.create(service="warehouse", kind="dataset", name=str(number), project=cast.project)
    for kind, body in (
        ("subject", {**question, "subject": {"type": "user"}}),
        ("resource", {**question, "resource": {"type": "resource"}}),
        ("action", question),
    ):
        whole = pdp.post(f"{SEARCH}/{kind}", body).json()["results"]
        assert len(whole) > 2
        assert walked(pdp, f"{SEARCH}/{kind}", body, limit) == whole


def test_a_token_belongs_to_its_search(pdp, question):
    body = {**question, "subject": {"type": "user"}, "page": {"limit": 1}}
    token = pdp.post(f"{SEARCH}/subject", body).json()["page"]["next_token"]
    assert pdp.post(f"{SEARCH}/subject", {**body, "page": {"token": token, "limit": 1}}).status_code == 200
    for kind, changes in (
        ("subject", {"page": {"token": token, "limit": 2}}),
        ("subject", {"page": {"token": token}, "action": {"name": "view_org"}}),
        ("subject", {"page": {"token": token}, "context": {"new": 1}}),
        ("subject", {"page": {"token": token[:-3]}}),
        ("subject", {"page": {"token": "x" * 20}}),
        ("subject", {"page": {"token": "é"}}),
        ("resource", {"page": {"token": token}, "subject": question["subject"]}),
    ):
        answer = pdp.post(f"{SEARCH}/{kind}", {**body, **changes})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), changes


def test_a_limit_of_nothing_finds_nothing_and_leads_on(pdp, question):
    body = {**question, "subject": {"type": "user"}, "page": {"limit": 0}}
    answer = pdp.post(f"{SEARCH}/subject", body).json()
    assert answer["results"] == []
    assert answer["page"]["next_token"]


# -- where it is -----------------------------------------------------------------------------------------------------
def test_the_configuration_is_public_and_complete(db, settings):
    answer = Client().get("/.well-known/authzen-configuration")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    base = settings.TENANTRY_URL
    assert answer.json() == {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
        "search_subject_endpoint": f"{base}/access/v1/search/subject",
        "search_resource_endpoint": f"{base}/access/v1/search/resource",
        "search_action_endpoint": f"{base}/access/v1/search/action",
    }
