"""The class that decides can be another; whatever goes wrong in it decides no."""

from typing import Any

import pytest
from django.core import checks
from django.db import OperationalError

from keys.decisions.facts import Facts
from keys.decisions.maker import Decision, Inquiry, Source

PLAIN = {"decision": False}


class Recording:
    """Allows what the attributes say, and keeps what it was handed."""

    handed: list[tuple[Inquiry, Facts]] = []

    def decide(self, inquiry: Inquiry, facts: Facts) -> Decision:
        self.handed.append((inquiry, facts))
        allowed = inquiry.attributes.get("resource", {}).get("status") == "open"
        return Decision(allowed=allowed, reason="status", code="attribute", ttl=3600)


class Failing:
    """Breaks."""

    def decide(self, inquiry: Inquiry, facts: Facts) -> Decision:
        raise ZeroDivisionError("the secret inside")


class Wrong:
    """Says what is no decision."""

    def decide(self, inquiry: Inquiry, facts: Facts) -> Any:
        return "yes"


class Truthy:
    """Says something that is almost yes."""

    def decide(self, inquiry: Inquiry, facts: Facts) -> Decision:
        return Decision(allowed=1, reason="", code="")  # type: ignore[arg-type]


def test_an_installation_puts_its_own_decision_maker(api, cast, settings):
    settings.TENANTRY_DECISION_MAKER = f"{__name__}.Recording"
    Recording.handed.clear()
    question = {
        "subject": {"type": "user", "id": cast.viewer.public_id, "properties": {"team": "a"}},
        "action": {"name": "open", "properties": {"method": "GET"}},
        "resource": {"type": "project", "id": cast.project.public_id, "properties": {"status": "open"}},
        "context": {"time": "now"},
    }
    answer = api(cast.secret_key).post("/access/v1/evaluation", question)
    assert answer.json() == {"decision": True, "context": {"ttl": 60, "reason": "status", "code": "attribute"}}
    inquiry, facts = Recording.handed[0]
    assert (inquiry.handle, inquiry.organization_id) == (cast.viewer.public_id, cast.acme.id)
    assert (inquiry.principal.id, inquiry.source) == (cast.viewer.public_id, Source.NAME)
    assert inquiry.attributes == {
        "subject": {"team": "a"}, "action": {"method": "GET"}, "resource": {"status": "open"},
        "context": {"time": "now"},
    }  # fmt: skip
    assert facts.organization.public_id == cast.acme.public_id
    search = {**question, "subject": {"type": "user"}}
    assert len(api(cast.secret_key).post("/access/v1/search/subject", search).json()["results"]) == 4
    assert (
        api(cast.secret_key)
        .post("/access/v1/evaluation", {**question, "subject": {"type": "user", "id": cast.outsider.public_id}})
        .json()
        == PLAIN
    ), "who may not be known of is not its to decide"


@pytest.mark.parametrize("maker", ["Failing", "Wrong", "Truthy", "NoSuchClass"])
def test_whatever_goes_wrong_inside_decides_no(api, cast, settings, maker):
    settings.TENANTRY_DECISION_MAKER = f"{__name__}.{maker}"
    question = {
        "subject": {"type": "user", "id": cast.owner.public_id},
        "action": {"name": "view_org"},
        "resource": {"type": "project", "id": cast.project.public_id},
    }
    answer = api(cast.secret_key).post("/access/v1/evaluations", {**question, "evaluations": [{}, {}]})
    assert answer.status_code == 200
    assert [item["decision"] for item in answer.json()["evaluations"]] == [False, False]
    assert "secret" not in answer.content.decode()
    assert api(cast.secret_key).post("/access/v1/evaluation", question).json()["decision"] is False


class Undecided:
    """Has no method to decide with."""


@pytest.mark.parametrize("maker", ["NoSuchClass", "Undecided"])
def test_a_decision_maker_that_cannot_decide_stops_the_program(settings, maker):
    assert checks.run_checks(tags=["decisions"]) == []
    settings.TENANTRY_DECISION_MAKER = f"{__name__}.{maker}"
    assert [message.id for message in checks.run_checks(tags=["decisions"])] == ["decisions.E001"]


def test_facts_that_cannot_be_loaded_decide_no(api, cast, monkeypatch):
    def fail(*_arguments, **_named):
        raise OperationalError

    monkeypatch.setattr("keys.decisions.evaluating.load", fail)
    question = {
        "subject": {"type": "user", "id": cast.owner.public_id},
        "action": {"name": "view_org"},
        "resource": {"type": "project", "id": cast.project.public_id},
    }
    assert api(cast.secret_key).post("/access/v1/evaluation", question).json() == PLAIN


def test_a_search_that_fails_says_so_rather_than_leave_somebody_out(api, cast, settings):
    settings.TENANTRY_DECISION_MAKER = f"{__name__}.Failing"
    client = api(cast.secret_key)
    client.raise_request_exception = False
    answer = client.post(
        "/access/v1/search/subject",
        {
            "subject": {"type": "user"},
            "action": {"name": "view_org"},
            "resource": {"type": "project", "id": cast.project.public_id},
        },
    )
    assert (answer.status_code, answer.json()["code"]) == (500, "server_error")
