"""Errors as people and programs meet them."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from tests.browsers import signed_in
from tests.cast import Cast


def test_an_unknown_address_is_a_problem_for_programs_and_a_page_for_people(db: None):
    program, person = Client().get("/api/v1/nowhere"), Client().get("/nowhere")
    assert (program.status_code, program["Content-Type"]) == (404, "application/problem+json")
    assert program.json()["code"] == "not_found"
    assert program.json()["detail"] == (
        "Nothing is here under this address or an id sent along; check both for a typing mistake."
    )
    assert person.status_code == 404
    assert b"<html" in person.content
    assert b"Nothing is here under this address; check it for a typing mistake." in person.content


def test_a_fault_of_ours_says_nothing_about_itself(cast: Cast, api: Any, browse: Any, monkeypatch: pytest.MonkeyPatch):
    def broken(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("the password is hunter2")

    monkeypatch.setattr("orgs.access.OrganizationGate.admit", broken)
    for client, path in ((api(cast.owner), "/api/v1/orgs/acme"), (browse(cast.owner), "/orgs/acme/")):
        client.raise_request_exception = False
        answer = client.get(path)
        assert answer.status_code == 500
        assert b"hunter2" not in answer.content
        assert answer["X-Request-Id"].encode() in answer.content or path.startswith("/api/")


def test_the_page_of_a_fault_needs_no_database(browse: Any, cast: Cast, monkeypatch: pytest.MonkeyPatch):
    client = browse(cast.owner)
    client.raise_request_exception = False

    def broken(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("no server")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", broken)
    answer = client.get("/profile/")
    assert answer.status_code == 500
    assert b"<html" in answer.content


def test_a_form_without_its_token_is_refused_in_words(cast: Cast):
    client = Client(enforce_csrf_checks=True)
    signed_in(client, cast.owner)
    answer = client.post("/orgs/new/", {"name": "X", "slug": "x"})
    assert answer.status_code == 403
    assert b"load the page again" in answer.content.lower()


def test_a_request_id_is_kept_when_it_is_sane_and_replaced_when_not(db: None):
    assert Client().get("/health/live", headers={"X-Request-Id": "abc-123456"})["X-Request-Id"] == "abc-123456"
    for odd in ("x", "a" * 65, "new\u00a0line-here", "<script>alert"):
        assert Client().get("/health/live", headers={"X-Request-Id": odd})["X-Request-Id"].startswith("req_")


def test_a_body_over_the_limit_is_refused_before_it_is_read(cast: Cast, api: Any):
    answer = api(cast.owner).post("/api/v1/orgs", b"x" * (1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_health_tells_what_is_missing(db: None, monkeypatch: pytest.MonkeyPatch):
    assert Client().get("/health/ready").status_code == 200
    monkeypatch.setattr("config.kernel.health._cache_ready", lambda: False)
    answer = Client().get("/health/ready")
    assert (answer.status_code, answer.json()["checks"]) == (503, {"database": True, "cache": False})
