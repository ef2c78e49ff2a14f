"""Agents over REST: made by people and keys, enrolled once, renewed, and held to what the database says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from django.test import Client

from audit.models import AuditEvent
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from keys import signing
from keys.credentials import digest_of, generate, prefix_of
from keys.models import Agent
from keys.services.agents import create_agent
from keys.signing import Purpose
from orgs.models import Change, CustomRole, Membership
from orgs.services.organizations import disable_organization, enable_organization
from projects.services.projects import archive_project, create_project, restore_project
from tests.at_once import at_once
from tests.cast import Cast
from tests.conftest import JSONClient

ROCKET = "/api/v1/orgs/acme/projects/rocket"
AGENTS = f"{ROCKET}/agents"
WHOAMI = "/api/v1/whoami"
AUTH_FAILURE = {"type": "about:blank", "title": "auth failure", "status": 401}


def made(cast: Cast, **body: Any) -> dict[str, Any]:
    answer = JSONClient(cast.token(cast.owner)).post(AGENTS, {"name": "Builder", **body})
    assert answer.status_code == 201, answer.content
    return answer.json()


def enroll(token: str) -> Any:
    return JSONClient().post("/api/v1/agents/enroll", {"enrolment_token": token})


def enrolled(cast: Cast, **body: Any) -> tuple[dict[str, Any], str]:
    """The agent's record and its first token."""
    record = made(cast, **body)
    answer = enroll(record["enrolment_token"])
    assert answer.status_code == 200, answer.content
    return record, answer.json()["access_token"]


def renew(token: str) -> Any:
    return JSONClient(token).post("/api/v1/agents/refresh")


def refused(answer: Any) -> bool:
    assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE)
    return True


def is_in(token: str) -> bool:
    answer = JSONClient(token).get(WHOAMI)
    assert answer.status_code == 200 or refused(answer)
    return answer.status_code == 200


def ledger(cast: Cast, name: str) -> list[AuditEvent]:
    with tenant_scope(cast.acme.id):
        return list(AuditEvent.objects.filter(event=name).order_by("id"))


def path_of(record: dict[str, Any]) -> str:
    return f"{AGENTS}/{record['id']}"


# -- the way from nothing to a token -----------------------------------------------------------------------------------
def test_an_agent_is_made_enrolled_and_works_in_its_project(cast: Cast):
    record = made(cast, permissions=["keys:verify", "view_org"])
    assert record["state"] == "waiting"
    assert (record["token_lifetime_seconds"], record["created_by"]) == (3600, cast.owner.public_id)
    assert prefix_of(record["enrolment_token"]) == "enr_"
    answer = enroll(record["enrolment_token"])
    issued = answer.json()
    assert issued.keys() == {"access_token", "expires_in", "token_type", "agent"}
    assert (issued["expires_in"], issued["token_type"], issued["agent"]["state"]) == (3600, "Bearer", "enrolled")
    client = JSONClient(issued["access_token"])
    caller = client.get(WHOAMI).json()
    assert (caller["kind"], caller["id"], caller["agent"]["name"]) == ("agent", record["id"], "Builder")
    assert (caller["project"]["slug"], caller["permissions"]) == ("rocket", ["keys:verify", "view_org"])
    assert client.post("/api/v1/keys/verify", {"key": cast.secret_key}).json()["valid"] is True
    assert client.get(ROCKET).status_code == 200
    missing = client.post(f"{ROCKET}/keys", {"kind": "secret", "mode": "test", "name": "Mine"})
    assert (missing.status_code, missing.json()["permission"]) == (403, "manage_keys")
    event = ledger(cast, "agent.enrolled")[0]
    assert (event.actor_kind, event.actor_id, event.target_id) == ("agent", record["id"], record["id"])


def test_its_token_says_who_it_is_and_not_what_it_may(cast: Cast):
    record, token = enrolled(cast, token_lifetime_seconds=600)
    keys = jwt.PyJWKSet.from_dict(Client().get("/.well-known/jwks.json").json())
    header = jwt.get_unverified_header(token)
    assert header["typ"] == "agent+jwt"
    claims = jwt.decode(token, keys[header["kid"]], algorithms=["EdDSA"], audience=signing.ourselves())
    assert claims.keys() == {"sub", "org", "prj", "gen", "iss", "aud", "iat", "exp", "jti", "purpose"}
    assert (claims["sub"], claims["org"], claims["prj"]) == (
        record["id"],
        cast.acme.public_id,
        cast.project.public_id,
    )
    assert claims["exp"] - claims["iat"] == 600


def test_the_enrolment_token_is_kept_as_a_hash_and_shown_once(cast: Cast, api: Any):
    record = made(cast)
    with tenant_scope(cast.acme.id):
        assert bytes(Agent.objects.get().enrolment_digest) == digest_of(record["enrolment_token"])
    for text in (api(cast.owner).get(AGENTS).content, api(cast.owner).get(path_of(record)).content):
        assert record["enrolment_token"] not in text.decode()
    assert record["enrolment_token"] not in str([event.data for event in ledger(cast, "agent.created")])


def test_an_enrolment_token_is_used_once_and_a_second_use_is_recorded(cast: Cast):
    record, token = enrolled(cast)
    assert refused(enroll(record["enrolment_token"]))
    assert is_in(token), "whoever was first goes on"
    event = ledger(cast, "agent.enrolment_refused")[0]
    assert (event.target_id, event.result) == (record["id"], "refused")
    assert event.data == {"project": cast.project.public_id, "cause": "used"}


def test_of_many_who_enrol_at_once_one_gets_in(committed_cast: Cast):
    record = made(committed_cast)
    answers = at_once([lambda: enroll(record["enrolment_token"]) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert is_in(next(answer.json()["access_token"] for answer in answers if answer.status_code == 200))
    with tenant_scope(committed_cast.acme.id):
        assert Agent.objects.get().generation == 1
    assert len(ledger(committed_cast, "agent.enrolment_refused")) == 3


def test_an_enrolment_token_ends_after_a_day(cast: Cast):
    record = made(cast)
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=24, seconds=1)):
        signing.forget()
        assert refused(enroll(record["enrolment_token"]))
    assert ledger(cast, "agent.enrolment_refused")[0].data == {
        "project": cast.project.public_id,
        "cause": "expired",
    }
    with tenant_scope(cast.acme.id):
        assert Agent.objects.get().enrolled_at is None


def test_what_is_no_enrolment_token_is_refused(cast: Cast):
    made(cast)
    for text in (generate("enr_").plaintext, "enr_x", cast.secret_key, "Ω" * 40):
        assert refused(enroll(text))


def test_enrolments_are_counted(cast: Cast):
    record = made(cast)
    for _ in range(9):
        enroll(generate("enr_").plaintext)
    assert enroll(record["enrolment_token"]).status_code == 200
    for _ in range(9):
        assert refused(enroll(record["enrolment_token"]))
    assert enroll(record["enrolment_token"]).status_code == 429


# -- renewing --------------------------------------------------------------------------------------------------------
def test_a_token_is_renewed_before_it_ends_and_not_after(cast: Cast):
    record, token = enrolled(cast, token_lifetime_seconds=600)
    start = datetime.now(UTC)
    with time_machine.travel(start + timedelta(minutes=9)):
        signing.forget()
        answer = renew(token)
        assert answer.status_code == 200
        assert answer.json()["agent"]["last_renewed_at"] > record["created_at"]
    with time_machine.travel(start + timedelta(minutes=11)):
        signing.forget()
        assert not is_in(token)
        assert refused(renew(token))
        assert is_in(answer.json()["access_token"])


def test_only_agents_renew(cast: Cast, api: Any):
    for who in (cast.owner, cast.secret_key):
        answer = api(who).post("/api/v1/agents/refresh")
        assert (answer.status_code, answer.json()["code"]) == (403, "agents_only")
    assert refused(api(None).post("/api/v1/agents/refresh"))


def test_the_lifetime_of_tokens_has_limits(cast: Cast, api: Any):
    for seconds, status in ((59, 400), (60, 201), (86400, 201), (86401, 400), (True, 400), ("600", 400)):
        answer = api(cast.owner).post(AGENTS, {"name": f"A{seconds}", "token_lifetime_seconds": seconds})
        assert answer.status_code == status, (seconds, answer.content)


# -- what ends it, or changes what it may -----------------------------------------------------------------------------
def revoke(cast: Cast, record: dict[str, Any]) -> None:
    assert JSONClient(cast.token(cast.owner)).post(f"{path_of(record)}/revoke").json()["state"] == "revoked"


def archive(cast: Cast, record: dict[str, Any]) -> None:
    with tenant_scope(cast.acme.id):
        archive_project(actor=SYSTEM, project_id=cast.project.id)


def disable(cast: Cast, record: dict[str, Any]) -> None:
    with tenant_scope(cast.acme.id):
        disable_organization(actor=SYSTEM, reason="unpaid")


@pytest.mark.parametrize("end", [revoke, archive, disable])
def test_it_ends_with_its_next_request(cast: Cast, end: Any):
    record, token = enrolled(cast)
    waiting = made(cast, name="Waiting")
    assert is_in(token)
    end(cast, record)
    assert not is_in(token)
    assert refused(renew(token))
    if end is not revoke:
        assert refused(enroll(waiting["enrolment_token"]))
        assert len(ledger(cast, "agent.enrolment_refused")) == 1
    with tenant_scope(cast.acme.id):
        if end is archive:
            restore_project(actor=SYSTEM, project_id=cast.project.id)
        if end is disable:
            enable_organization(actor=SYSTEM)
    assert is_in(token) is (end is not revoke)


def test_a_revoked_agent_stays_revoked(cast: Cast, api: Any):
    record = made(cast)
    revoke(cast, record)
    revoke(cast, record)
    assert len(ledger(cast, "agent.revoked")) == 1
    assert refused(enroll(record["enrolment_token"]))
    for answer in (
        api(cast.owner).post(f"{path_of(record)}/enrolment-token"),
        api(cast.owner).patch(path_of(record), {"name": "Back"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "agent_revoked")
    assert made(cast)["name"] == "Builder", "its name is free again"


def test_changed_permissions_hold_on_the_next_request(cast: Cast, api: Any):
    record, token = enrolled(cast, permissions=["keys:verify"])
    assert JSONClient(token).post("/api/v1/keys/verify", {"key": cast.secret_key}).status_code == 200
    changed = api(cast.owner).patch(path_of(record), {"permissions": ["view_org"], "token_lifetime_seconds": 60})
    assert (changed.json()["permissions"], changed.json()["token_lifetime_seconds"]) == (["view_org"], 60)
    answer = JSONClient(token).post("/api/v1/keys/verify", {"key": cast.secret_key})
    assert (answer.status_code, answer.json()["permission"]) == (403, "keys:verify")
    assert renew(token).json()["expires_in"] == 60
    assert ledger(cast, "agent.updated")[0].data == {
        "project": cast.project.public_id,
        "changes": {"permissions": [["keys:verify"], ["view_org"]], "token_lifetime_seconds": [3600, 60]},
    }


def test_enrolling_again_ends_the_tokens_of_before(cast: Cast, api: Any):
    record, old = enrolled(cast)
    answer = api(cast.owner).post(f"{path_of(record)}/enrolment-token")
    assert answer.status_code == 201
    assert refused(enroll(record["enrolment_token"]))
    assert is_in(old), "until the new token is exchanged"
    new = enroll(answer.json()["enrolment_token"]).json()["access_token"]
    assert is_in(new)
    assert not is_in(old)
    assert refused(renew(old))


# -- who may ---------------------------------------------------------------------------------------------------------
def test_nobody_gives_an_agent_what_they_lack(cast: Cast, api: Any, make: Any):
    with tenant_scope(cast.acme.id):
        role = CustomRole.objects.create(name="Keys only", permissions=["manage_keys", "view_org"])
        Membership.objects.of_user(cast.viewer.id).update(role="custom", custom_role=role)
    record, token = enrolled(cast, permissions=["manage_env", "keys:verify"])
    _, key = make.secret_key("manage_keys", "view_org")
    for who in (cast.viewer, key):
        for answer in (
            api(who).post(AGENTS, {"name": "Strong", "permissions": ["manage_env"]}),
            api(who).patch(path_of(record), {"permissions": ["manage_env"]}),
            api(who).post(f"{path_of(record)}/enrolment-token"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert api(who).post(AGENTS, {"name": f"Weak {who}", "permissions": ["view_org"]}).status_code == 201
    assert api(cast.viewer).post(AGENTS, {"name": "Runner"}).status_code == 201, "permissions of programs are free"
    assert api(key).post(AGENTS, {"name": "Other runner"}).status_code == 403, "a program gives what it has"
    assert is_in(token)
    for body in ({"permissions": ["delete_org"]}, {"permissions": "king"}, {"permissions": 7}, {"name": ""}):
        assert api(cast.owner).post(AGENTS, {"name": "X", **body}).status_code == 400


def test_an_agent_reaches_its_own_project_alone(cast: Cast, api: Any):
    with tenant_scope(cast.acme.id):
        create_project(actor=SYSTEM, name="Other", slug="other")
        elsewhere, _ = create_agent(
            actor=SYSTEM, holder=frozenset(), project_id=cast.project.id, name="Elsewhere", permissions=[]
        )
    _, token = enrolled(cast, permissions="admin")
    client = JSONClient(token)
    assert client.get(f"{AGENTS}/{elsewhere.public_id}").status_code == 200
    assert client.get("/api/v1/orgs/acme/projects/other").status_code == 404
    assert client.get("/api/v1/orgs/globex").status_code == 404
    for path in ("other/agents", f"other/agents/{elsewhere.public_id}"):
        assert client.get(f"/api/v1/orgs/acme/projects/{path}").status_code == 404
    assert api(cast.owner).get(f"/api/v1/orgs/acme/projects/other/agents/{elsewhere.public_id}").status_code == 404
    assert (
        api(cast.owner).post(f"/api/v1/orgs/acme/projects/other/agents/{elsewhere.public_id}/revoke").status_code == 404
    )
    with tenant_scope(cast.acme.id):
        assert Agent.objects.get(id=elsewhere.id).revoked_at is None


def test_a_token_for_something_else_is_no_agent_token(cast: Cast):
    record, _ = enrolled(cast)
    claims = {"sub": record["id"], "org": cast.acme.public_id, "prj": cast.project.public_id, "gen": 1}

    def signed(purpose: Purpose = Purpose.AGENT, **changed: Any) -> str:
        lifetime = timedelta(minutes=5)
        return signing.sign(purpose, {**claims, **changed}, lifetime=lifetime, audience=signing.ourselves())

    assert is_in(signed())
    for text in (
        *(signed(purpose) for purpose in set(Purpose) - {Purpose.AGENT}),
        signed(org=cast.globex.public_id),
        signed(prj=cast.foreign_project.public_id),
        signed(gen=0),
        signed(gen=2),
        signed(sub=cast.owner.public_id),
        record["enrolment_token"],
    ):
        assert not is_in(text)


def test_a_name_is_used_once_in_a_project(cast: Cast, api: Any):
    made(cast)
    record = made(cast, name="Other")
    for answer in (
        api(cast.owner).post(AGENTS, {"name": "Builder"}),
        api(cast.owner).patch(path_of(record), {"name": "Builder"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
    with tenant_scope(cast.acme.id):
        assert Agent.objects.count() == 2


def test_agents_are_listed_by_state(cast: Cast, api: Any):
    enrolled(cast)
    made(cast, name="Waiting")
    revoke(cast, made(cast, name="Gone"))
    for state, names in (
        (None, ["Gone", "Waiting", "Builder"]),
        ("waiting", ["Waiting"]),
        ("enrolled", ["Builder"]),
        ("revoked", ["Gone"]),
    ):
        listed = api(cast.owner).get(AGENTS + (f"?state={state}" if state else "")).json()["data"]
        assert [row["name"] for row in listed] == names
    assert api(cast.owner).get(f"{AGENTS}?state=asleep").status_code == 400


def test_an_agents_change_is_noted_for_what_others_remember(cast: Cast, api: Any):
    record = made(cast)
    before = Change.objects.filter(kind="access", entity=cast.acme.id).count()
    api(cast.owner).patch(path_of(record), {"permissions": []})
    assert Change.objects.filter(kind="access", entity=cast.acme.id).count() == before + 1
