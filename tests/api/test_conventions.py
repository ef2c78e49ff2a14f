"""What holds for every route: problems, methods, request ids, ETags, paging, the page of documentation."""

import json
from io import BytesIO

import pytest
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.test import Client, override_settings

from config.kernel.api.views import ApiView
from config.kernel.chunked import measured
from config.kernel.routes import all_routes
from tests.api.rows import everything

# Without the fast path in front, which answers from what is committed.
application = measured(get_wsgi_application())
ORGS = "/api/v1/orgs"
ACME = f"{ORGS}/acme"
ROCKET = f"{ACME}/projects/rocket"
PROBLEM = {"type", "title", "status", "code", "detail"}


def wsgi(credential, method, path, body, **environ):
    """One request as the web server hands it on."""
    answered = {}

    def start_response(status, headers, error=None):
        answered.update(status=int(status.split()[0]), headers=dict(headers))

    parts = application(
        {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": "application/json",
            "HTTP_AUTHORIZATION": f"Bearer {credential}",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.input_terminated": True,
            **environ,
        },
        start_response,
    )
    try:
        return answered["status"], json.loads(b"".join(parts))
    finally:
        parts.close()


@pytest.mark.parametrize("debug", [False, True])
def test_an_address_that_does_not_exist_is_a_problem(db, debug):
    client = Client(enforce_csrf_checks=True)
    for path in ("/api/v1/nothing", "/api/", "/api/v1", "/api/v2/orgs", "/api/v1/orgs/", "/scim/v2/x"):
        for method in ("get", "post", "put", "patch", "delete", "options"):
            with override_settings(DEBUG=debug):
                answer = getattr(client, method)(path)
            assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json"), (method, path)
            assert set(answer.json()) == PROBLEM
            assert answer.json()["code"] == "not_found"


def test_a_method_that_is_not_answered_is_a_problem_that_names_the_others(api, cast):
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"):
        for credential in (cast.owner, None):
            answer = api(credential).generic(method, f"{ACME}/leave")
            assert (answer.status_code, answer.json()["code"], answer["Allow"]) == (405, "method_not_allowed", "POST")
    assert api(cast.owner).generic("BREW", ACME)["Allow"] == "DELETE, GET, HEAD, PATCH"


def test_a_fault_of_ours_is_a_problem_that_tells_nothing(api, cast, monkeypatch):
    def fail(*_arguments, **_named):
        raise ZeroDivisionError("the secret inside")

    monkeypatch.setattr("orgs.api.members.Membership.objects", property(fail))
    client = api(cast.owner)
    client.raise_request_exception = False
    for debug in (False, True):
        with override_settings(DEBUG=debug):
            answer = client.get(f"{ACME}/members")
        assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
        assert answer.json()["code"] == "server_error"
        assert "secret inside" not in answer.content.decode()


@pytest.mark.parametrize("debug", [False, True])
def test_a_host_that_is_not_served_is_a_problem(api, cast, debug):
    with override_settings(DEBUG=debug, ALLOWED_HOSTS=["testserver"]):
        answer = api(cast.owner).get(ACME, HTTP_HOST="evil.example")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_head_answers_like_get_without_a_body(api, cast):
    got, headed = api(cast.owner).get(ACME), api(cast.owner).head(ACME)
    assert (headed.status_code, headed.content, headed["ETag"]) == (200, b"", got["ETag"])
    assert api(None).head(ACME).status_code == 401
    assert api(cast.outsider).head(ACME).status_code == 404


def test_the_request_id_is_echoed_or_made(api, cast):
    assert api(cast.owner).get(ACME, HTTP_X_REQUEST_ID="mine-12345678")["X-Request-Id"] == "mine-12345678"
    for odd in ("short", "x" * 65, "with space", "é" * 10, "new\u2028line"):
        assert api(cast.owner).get(ACME, HTTP_X_REQUEST_ID=odd)["X-Request-Id"].startswith("req_")
    assert api(None).get("/api/v1/nothing")["X-Request-Id"].startswith("req_")


def test_an_etag_stays_while_the_record_does(api, cast):
    first = api(cast.owner).get(ROCKET)["ETag"]
    assert api(cast.owner).get(ROCKET)["ETag"] == first
    changed = api(cast.owner).patch(ROCKET, {"name": "Falcon"})
    assert changed["ETag"] != first
    assert api(cast.owner).get(ROCKET)["ETag"] == changed["ETag"]


@pytest.mark.parametrize("path", [ACME, ROCKET, f"{ROCKET}/keys/KEY", f"{ACME}/members/USER", f"{ACME}/roles/ROLE"])
def test_a_change_of_an_outdated_record_is_refused(api, cast, path):
    role = api(cast.owner).post(f"{ACME}/roles", {"name": "Auditor", "permissions": []}).json()["id"]
    path = path.replace("KEY", cast.key.public_id).replace("USER", cast.viewer.public_id).replace("ROLE", role)
    body = {"role": "developer"} if "/members/" in path else {"name": "Other"}
    before = everything()
    for wanted in ('"outdated"', 'W/"outdated"', "nonsense", "", '"a", "b"'):
        answer = api(cast.owner).patch(path, body, HTTP_IF_MATCH=wanted)
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition_failed")
    assert everything() == before
    etag = api(cast.owner).get(path)["ETag"]
    assert api(cast.owner).patch(path, body, HTTP_IF_MATCH=f'"other", {etag}').status_code == 200
    assert api(cast.owner).patch(path, {}, HTTP_IF_MATCH="*").status_code in (200, 400)


def test_a_change_that_changes_nothing_leaves_no_trace(api, cast):
    before = everything()
    for path in (ACME, ROCKET, f"{ROCKET}/keys/{cast.key.public_id}"):
        assert api(cast.owner).patch(path, {}).status_code == 200
    assert everything() == before


def test_every_rest_method_declares_what_it_reads_and_answers():
    views = [route.callback.cls for route in all_routes() if route.path.startswith("/api/v1/")]
    assert len(views) > 25
    for view in views:
        assert issubclass(view, ApiView)
        for method in view.access:
            assert getattr(getattr(view, method.lower()), "operation", None), f"{view.__name__}.{method.lower()}"


def test_every_post_that_answers_201_obeys_idempotency_keys():
    unrepeatable = {"bootstrap"}  # works once in the life of an installation
    for route in all_routes():
        post = getattr(getattr(route.callback, "cls", None), "post", None)
        operation = getattr(post, "operation", None)
        if operation and operation.status == 201 and operation.name not in unrepeatable:
            assert hasattr(post, "idempotent"), operation.name


def test_a_repeated_request_makes_one_thing(api, cast):
    for path, body in (
        (ORGS, {"name": "New", "slug": "new-one"}),
        (f"{ACME}/projects", {"name": "New", "slug": "new-one"}),
        (f"{ACME}/roles", {"name": "New", "permissions": []}),
        (f"{ACME}/invitations", {"email": "nina@acme.example", "role": "viewer"}),
        (f"{ACME}/invitations/bulk", {"emails": ["otto@acme.example"], "role": "viewer"}),
        ("/api/v1/me/tokens", {"name": "New"}),
        (f"{ROCKET}/keys/{cast.key.public_id}/rotate", {"overlap_seconds": 5}),
    ):
        first = api(cast.owner).post(path, body, HTTP_IDEMPOTENCY_KEY=path[-40:])
        assert first.status_code in (200, 201)
        before = everything()
        again = api(cast.owner).post(path, body, HTTP_IDEMPOTENCY_KEY=path[-40:])
        assert (again.status_code, again.json()) == (first.status_code, first.json())
        assert again["Idempotency-Replayed"] == "true"
        assert everything() == before


ODD_QUERIES = [
    "limit=0", "limit=-1", "limit=101", "limit=1.5", "limit=x", "limit=", "limit=9999999999999999999999", "limit=٣",
    "limit=%00", "limit=1&limit=2", "cursor=", "cursor=x", "cursor=" + "A" * 5000, "cursor=" + "!" * 22,
    "cursor=" + "é" * 22, "cursor=%00", "cursor=%ff", "cursor[]=x", "limti=5", "page=2", "state=active&kin=secret",
]  # fmt: skip


@pytest.mark.parametrize("path", [ORGS, f"{ACME}/members", f"{ACME}/roles", f"{ROCKET}/keys", "/api/v1/me/tokens"])
def test_a_query_string_that_makes_no_sense_is_refused(api, cast, path):
    for query in ODD_QUERIES:
        answer = api(cast.owner).get(f"{path}?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), query


def test_a_parameter_where_none_is_understood_is_refused(api, cast):
    for client, path in (
        (api(cast.owner), ACME),
        (api(cast.owner), "/api/v1/whoami"),
        (api(None), "/api/v1/event-types"),
    ):
        answer = client.get(f"{path}?expand=all")
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["expand"])


def test_a_list_never_skips_or_repeats(api, cast):
    for number in range(5):
        api(cast.owner).post(f"{ACME}/projects", {"name": str(number), "slug": f"p{number}"})
    seen, query = [], "?limit=2"
    while query:
        page = api(cast.viewer).get(f"{ACME}/projects{query}").json()
        assert len(page["data"]) <= 2
        seen += [row["slug"] for row in page["data"]]
        query = page["next"] and f"?limit=2&cursor={page['next']}"
    assert seen == ["p4", "p3", "p2", "p1", "p0", "rocket"]


def test_a_cursor_of_another_tenant_shows_nothing_of_theirs(api, cast):
    for number in range(3):
        api(cast.outsider).post("/api/v1/orgs/globex/projects", {"name": str(number), "slug": f"g{number}"})
    cursor = api(cast.outsider).get("/api/v1/orgs/globex/projects?limit=1").json()["next"]
    rows = api(cast.owner).get(f"{ACME}/projects?cursor={cursor}").json()["data"]
    assert {row["organization_id"] for row in rows} == {cast.acme.public_id}


# -- bodies that come in chunks --------------------------------------------------------------------------------------
@pytest.mark.usefixtures("one_transaction")
def test_a_body_in_chunks_is_read(cast):
    status, answer = wsgi(cast.token(cast.owner), "PATCH", ACME, b'{"name": "In chunks"}')
    assert (status, answer["name"]) == (200, "In chunks")


@pytest.mark.usefixtures("one_transaction")
def test_a_body_in_chunks_is_limited_like_any_other(cast):
    before = everything()
    body = b'{"name": "' + b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"}'
    for declared in ({}, {"CONTENT_LENGTH": str(len(body))}):
        status, answer = wsgi(cast.token(cast.owner), "PATCH", ACME, body, **declared)
        assert (status, answer["code"]) == (413, "too_large")
    assert everything() == before


@pytest.mark.usefixtures("one_transaction")
def test_a_request_without_body_works_behind_the_real_door(cast):
    assert wsgi(cast.token(cast.owner), "GET", ACME, b"")[0] == 200
    assert wsgi(cast.token(cast.owner), "POST", f"{ROCKET}/archive", b"", CONTENT_LENGTH="")[0] == 200


# -- the document and its page ---------------------------------------------------------------------------------------
def test_the_page_of_documentation_needs_no_other_host_and_no_inline_script(db):
    page = Client().get("/api/docs")
    text = page.content.decode()
    assert page.status_code == 200
    assert "<script>" not in text
    assert "<style" not in text
    assert "https://" not in text
    assert "'unsafe" not in page["Content-Security-Policy"]
    assert Client().post("/api/docs").status_code == 405


def test_the_document_is_served_as_json(db):
    answer = Client().get("/api/schema")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.json()["openapi"].startswith("3.1")
    assert Client().post("/api/schema").json()["code"] == "method_not_allowed"


def test_what_a_program_reads_is_never_kept_on_the_way(api, cast):
    for answer in (api(cast.owner).get(ACME), api(cast.owner).post("/api/v1/me/tokens", {"name": "x"})):
        assert answer["Cache-Control"] == "no-store"
    assert api(None).get(ACME)["Cache-Control"] == "no-store"
