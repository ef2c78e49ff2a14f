"""A search says exactly what checks say, of worlds nobody thought of."""

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.kernel.permissions import KEY_PERMISSIONS, PERSONAL_PERMISSIONS, Permission, Role
from keys.decisions.wire import action_search_of, batch_of, resource_search_of, subject_search_of
from tests.keys.decision_world import World

PROJECTS = 3
key_permissions = st.lists(st.sampled_from(sorted(map(str, KEY_PERMISSIONS))), max_size=4, unique=True)
project_numbers = st.integers(0, PROJECTS - 1)
users = st.fixed_dictionaries(
    {
        "role": st.sampled_from(list(Role)),
        "permissions": st.lists(st.sampled_from(sorted(map(str, PERSONAL_PERMISSIONS))), max_size=4, unique=True),
        "own": st.dictionaries(project_numbers, st.sampled_from(["admin", "developer", "viewer"]), max_size=2),
        "disabled": st.booleans(),
    }
)
keys = st.tuples(
    project_numbers,
    key_permissions,
    st.sampled_from(["secret", "publishable"]),
    st.sampled_from(["active", "active", "revoked", "expired", "quarantined"]),
)
agents = st.tuples(project_numbers, key_permissions, st.booleans())
services = st.tuples(
    st.dictionaries(st.none() | project_numbers, key_permissions, min_size=1, max_size=2), st.booleans(), st.booleans()
)
worlds = st.fixed_dictionaries(
    {
        "archived": st.lists(st.booleans(), min_size=PROJECTS, max_size=PROJECTS),
        "users": st.lists(users, max_size=4),
        "keys": st.lists(keys, max_size=3),
        "agents": st.lists(agents, max_size=2),
        "services": st.lists(services, max_size=2),
        "resources": st.lists(st.none() | project_numbers, max_size=3),
    }
)
askers = st.sampled_from(["everywhere", "one project", "key", "agent", "key without", "user"])


def made(cast, plan) -> World:
    world = World(cast.acme)
    projects = [world.project(archived=archived) for archived in plan["archived"]]
    for user in plan["users"]:
        own = {projects[number]: role for number, role in user["own"].items()}
        world.user(user["role"], permissions=user["permissions"], own=own, disabled=user["disabled"])
    for number, permissions, kind, state in plan["keys"]:
        world.key(projects[number], [] if kind == "publishable" else permissions, kind=kind, state=state)
    for number, permissions, revoked in plan["agents"]:
        world.agent(projects[number], permissions, revoked=revoked)
    for grants, disabled, withdrawn in plan["services"]:
        places = [(None if number is None else projects[number], held) for number, held in grants.items()]
        world.service(places, disabled=disabled, withdrawn=withdrawn)
    for number in plan["resources"]:
        world.resource(None if number is None else projects[number])
    world.projects = projects
    return world


def caller(world: World, kind: str):
    project = world.projects[0]
    match kind:
        case "everywhere":
            return world.service([(None, ["access:evaluate"])])
        case "one project":
            return world.service([(project, ["access:evaluate", "view_org"]), (world.projects[1], ["view_org"])])
        case "key":
            return world.key(project, ["access:evaluate", "view_org"])
        case "agent":
            return world.agent(project, ["access:evaluate"])
        case "key without":
            return world.key(project, ["view_org"])
    return world.user(Role.DEVELOPER)


def pages(world: World, kind: str, asker, read, *, body: dict, limit: int) -> list:
    found, token = [], ""
    while True:
        page = {"token": token} if token else {"limit": limit}
        answer = world.searched(kind, asker, read({**body, "page": page}))
        found += answer["results"]
        token = answer["page"]["next_token"]
        if not token:
            return found


@pytest.mark.usefixtures("cast")
@given(
    plan=worlds,
    kind=askers,
    action=st.sampled_from(sorted(map(str, Permission))),
    limit=st.integers(1, 6),
    pick=st.randoms(use_true_random=False),
)
@settings(
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_a_search_finds_exactly_those_that_a_check_allows(  # noqa: PLR0917 - a fixture and what Hypothesis draws
    cast, plan, kind, action, limit, pick
):
    with transaction.atomic():
        world = made(cast, plan)
        asker = caller(world, kind)
        for user in (cast.owner, cast.viewer):
            world.subjects["user", user.public_id] = user
        subjects, places = list(world.subjects), list(world.places)
        admission = world.admission(asker)

        def allowed(questions: list[tuple]) -> list[bool]:
            items = [
                {
                    "subject": {"type": subject[0], "id": subject[1]},
                    "action": {"name": asked},
                    "resource": {"type": place[0], "id": place[1]},
                }
                for subject, asked, place in questions
            ]
            answer = world.evaluated(admission, batch_of({"evaluations": items}))
            return [item["decision"] for item in answer["evaluations"]]

        place, subject = pick.choice(places), pick.choice(subjects)
        for subject_type in ("user", "key", "agent", "service_account"):
            of_type = [name for name in subjects if name[0] == subject_type]
            body = {
                "subject": {"type": subject_type},
                "action": {"name": action},
                "resource": {"type": place[0], "id": place[1]},
            }
            found = pages(world, "subject", admission, subject_search_of, body=body, limit=limit)
            if of_type:
                answers = allowed([(name, action, place) for name in of_type])
                expected = [name[1] for name, yes in zip(of_type, answers, strict=True) if yes]
                ours = [item["id"] for item in found if (subject_type, item["id"]) in world.subjects]
                assert sorted(ours) == sorted(expected)
            assert len({item["id"] for item in found}) == len(found)
            if found:
                assert all(allowed([((item["type"], item["id"]), action, place) for item in found]))
        for resource_type in ("organization", "project", "resource"):
            of_type = [name for name in places if name[0] == resource_type]
            body = {
                "subject": {"type": subject[0], "id": subject[1]},
                "action": {"name": action},
                "resource": {"type": resource_type},
            }
            found = pages(world, "resource", admission, resource_search_of, body=body, limit=limit)
            if of_type:
                answers = allowed([(subject, action, name) for name in of_type])
                expected = [name[1] for name, yes in zip(of_type, answers, strict=True) if yes]
                ours = [item["id"] for item in found if (resource_type, item["id"]) in world.places]
                assert sorted(ours) == sorted(expected)
            if found:
                assert all(allowed([(subject, action, (item["type"], item["id"])) for item in found]))
        body = {
            "subject": {"type": subject[0], "id": subject[1]},
            "resource": {"type": place[0], "id": place[1]},
        }
        found = pages(world, "action", admission, action_search_of, body=body, limit=limit)
        names = sorted(map(str, Permission))
        answers = allowed([(subject, name, place) for name in names])
        assert [item["name"] for item in found] == [name for name, yes in zip(names, answers, strict=True) if yes]
        transaction.set_rollback(True)


def test_a_page_ends_after_so_many_candidates_and_its_token_leads_on(cast, monkeypatch):
    monkeypatch.setattr("keys.decisions.searching.MOST_CANDIDATES", 3)
    monkeypatch.setattr("keys.decisions.searching.CHUNK", 2)
    world = World(cast.acme)
    asker = world.service([(None, ["access:evaluate"])])
    for _ in range(9):
        world.user(Role.VIEWER)
    last = world.user(Role.OWNER)
    body = {
        "subject": {"type": "user"},
        "action": {"name": "delete_org"},
        "resource": {"type": "organization", "id": cast.acme.public_id},
    }
    first = world.searched("subject", asker, subject_search_of(body))
    assert [item["id"] for item in first["results"]] == [cast.owner.public_id]
    assert first["page"]["next_token"]
    found = pages(world, "subject", asker, subject_search_of, body=body, limit=100)
    assert [item["id"] for item in found] == [cast.owner.public_id, last.public_id]
