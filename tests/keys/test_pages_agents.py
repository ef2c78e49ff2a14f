"""Pages of agents."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.credentials import PATTERN, digest_of
from keys.models import Agent
from keys.services.agents import create_agent, enrol_agent
from orgs.models import CustomRole, Membership
from tests.cast import Cast

AGENTS = "/orgs/acme/projects/rocket/agents/"


def text_of(answer: Any) -> str:
    return answer.content.decode()


def add_agent(cast: Cast, name: str = "Builder", *, permissions: Any = None) -> tuple[Agent, str]:
    with tenant_scope(cast.acme.id):
        return create_agent(
            actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=cast.project.id,
            name=name, permissions=permissions,
        )  # fmt: skip


def agents(cast: Cast) -> list[Agent]:
    with tenant_scope(cast.acme.id):
        return list(Agent.objects.order_by("id"))


def once_of(browser: Any, path: str) -> str:
    found = re.search(r'name="once" value="([^"]+)"', text_of(browser.get(path)))
    assert found
    return found[1]


def filled(browser: Any, **values: Any) -> dict[str, Any]:
    return {
        "once": once_of(browser, f"{AGENTS}new/"),
        "name": "Nightly import",
        "preset": "runner",
        "token_lifetime_seconds": "3600",
        **values,
    }


def secret_in(answer: Any) -> str:
    found = re.search(r'<code id="secret">([^<]+)</code>', text_of(answer))
    assert found
    assert re.fullmatch(PATTERN, found[1])
    return found[1]


def test_an_agent_is_made_and_its_enrolment_token_is_shown_this_once(cast: Cast, browse: Any):
    browser = browse(cast.developer)
    assert "No agents yet" in text_of(browser.get(AGENTS))
    form = filled(browser, preset="chosen", permissions=["keys:verify"], token_lifetime_seconds="900")
    answer = browser.post(f"{AGENTS}new/", form)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    token = secret_in(answer)
    agent = agents(cast)[0]
    assert bytes(agent.enrolment_digest) == digest_of(token)
    assert (agent.name, agent.permissions, agent.token_lifetime_seconds) == ("Nightly import", ["keys:verify"], 900)
    again = browser.post(f"{AGENTS}new/", form)
    assert again.status_code == 409
    assert token not in text_of(again)
    for path in ("", f"{agent.public_id}/", f"{agent.public_id}/edit/"):
        assert token not in text_of(browser.get(AGENTS + path))
    assert len(agents(cast)) == 1
    assert enrol_agent(token=token).agent == agent


def test_a_form_with_mistakes_makes_nothing_and_says_what_is_wrong(cast: Cast, browse: Any):
    add_agent(cast)
    browser = browse(cast.developer)
    for values, status, words in (
        ({"name": ""}, 422, "This field is required"),
        ({"name": "Builder"}, 409, "has this name"),
        ({"token_lifetime_seconds": "5"}, 422, "Select a valid choice"),
        ({"preset": "chosen", "permissions": ["delete_org"]}, 422, "Select a valid choice"),
        ({"once": "forged"}, 400, "open for too long"),
    ):
        answer = browser.post(f"{AGENTS}new/", filled(browser, **values))
        assert (answer.status_code, words in text_of(answer)) == (status, True), values
    assert len(agents(cast)) == 1


def test_the_page_of_an_agent_says_how_it_stands(cast: Cast, browse: Any):
    agent, token = add_agent(cast)
    page = f"{AGENTS}{agent.public_id}/"
    browser = browse(cast.viewer)
    assert "Waits for enrolment" in text_of(browser.get(page))
    enrol_agent(token=token)
    text = text_of(browser.get(page))
    assert "Enrolled" in text
    assert "Verify keys" in text
    assert cast.owner.email in text
    assert "Revoke…" not in text, "a viewer changes nothing"
    assert "Revoke…" in text_of(browse(cast.developer).get(page))


def test_an_agent_is_changed(cast: Cast, browse: Any):
    agent, _ = add_agent(cast)
    browser = browse(cast.developer)
    page = f"{AGENTS}{agent.public_id}/edit/"
    assert 'value="runner" ' in text_of(browser.get(page))
    values = {"name": "Renamed", "preset": "chosen", "permissions": ["view_org"], "token_lifetime_seconds": "900"}
    assert "was saved" in text_of(browser.post(page, values, follow=True))
    changed = agents(cast)[0]
    assert (changed.name, changed.permissions, changed.token_lifetime_seconds) == ("Renamed", ["view_org"], 900)


def test_nobody_changes_or_enrols_an_agent_that_may_do_more(cast: Cast, browse: Any):
    agent, _ = add_agent(cast, permissions=["manage_env"])
    with tenant_scope(cast.acme.id):
        role = CustomRole.objects.create(name="Keys only", permissions=["manage_keys", "view_org"])
        Membership.objects.of_user(cast.viewer.id).update(role="custom", custom_role=role)
    browser = browse(cast.viewer)
    page = f"{AGENTS}{agent.public_id}/"
    assert "Edit</" not in text_of(browser.get(page))
    assert "New enrolment token" not in text_of(browser.get(page))
    assert browser.post(f"{page}edit/", {"name": "Mine", "preset": "runner"}).status_code == 403
    assert browser.post(f"{page}enrol/", {"once": once_of(browser, f"{page}enrol/")}).status_code == 403
    assert "manage_env" not in text_of(browser.get(f"{AGENTS}new/"))
    assert [row.enrolment_digest for row in agents(cast)] == [agent.enrolment_digest]
    assert agents(cast)[0].name == "Builder"


def test_an_agent_gets_a_new_enrolment_token(cast: Cast, browse: Any):
    agent, old = add_agent(cast)
    browser = browse(cast.developer)
    page = f"{AGENTS}{agent.public_id}/enrol/"
    answer = browser.post(page, {"once": once_of(browser, page)})
    token = secret_in(answer)
    assert token != old
    assert enrol_agent(token=token).agent == agent
    text = text_of(browser.post(page, {"once": once_of(browser, page)}))
    assert "works until this token is exchanged" in text


def test_an_agent_is_revoked_after_a_question(cast: Cast, browse: Any):
    agent, _ = add_agent(cast)
    browser = browse(cast.developer)
    page = f"{AGENTS}{agent.public_id}/"
    assert "This cannot be undone" in text_of(browser.get(f"{page}revoke/"))
    assert agents(cast)[0].revoked_at is None
    assert "is revoked: it is refused" in text_of(browser.post(f"{page}revoke/", follow=True))
    assert agents(cast)[0].revoked_at
    for path in ("revoke/", "edit/", "enrol/"):
        assert "This agent is revoked" in text_of(browser.get(page + path))


@pytest.mark.parametrize("path", ["", "edit/", "enrol/", "revoke/"])
def test_an_agent_of_another_project_is_absent(cast: Cast, browse: Any, path: str):
    agent, _ = add_agent(cast)
    browser = browse(cast.outsider)
    own = f"/orgs/globex/projects/{cast.foreign_project.slug}/agents/{agent.public_id}/"
    assert browser.get(own + path).status_code == 404
    assert browser.get(f"{AGENTS}{agent.public_id}/{path}").status_code == 404
    if path:
        assert browser.post(own + path).status_code == 404
    assert agents(cast)[0].revoked_at is None


def test_the_list_is_filtered_and_takes_the_same_queries_for_two_and_twenty(cast: Cast, browse: Any):
    browser = browse(cast.viewer)
    for number in range(2):
        add_agent(cast, f"Agent {number}")
    browser.get(AGENTS)
    with CaptureQueriesContext(connection) as two:
        browser.get(AGENTS)
    for number in range(2, 20):
        add_agent(cast, f"Agent {number}")
    with CaptureQueriesContext(connection) as twenty:
        assert len(browser.get(AGENTS).context["rows"]) == 20
    assert len(twenty) == len(two)
    assert "No agent matches" in text_of(browser.get(f"{AGENTS}?state=enrolled"))
    assert "Agent 7" in text_of(browser.get(f"{AGENTS}?state=waiting"))
    assert browser.get(f"{AGENTS}?state=asleep").status_code == 422
