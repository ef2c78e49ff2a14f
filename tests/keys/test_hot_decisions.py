"""Decisions on the fast path: the same answers as the full path, and nothing older than the last change."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.kernel.permissions import KEY_PERMISSIONS, ROLE_PERMISSIONS, Permission, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.hot import decision_facts
from keys.models import Agent, Key
from keys.services.keys import create_key
from orgs.changes import feed
from orgs.models import CustomRole, Membership, Organization, ServiceAccount, ServiceGrant, User
from projects.models import Project, ProjectMembership, Resource
from tests.cast import Cast
from tests.keys.decision_world import World
from tests.keys.doors import FellThrough, both, forget_everything, through_the_door
from tests.keys.test_decision_searches import made, worlds
from tests.keys.test_decisions import furnish

EVALUATION, EVALUATIONS = "/access/v1/evaluation", "/access/v1/evaluations"
ACTIONS = ["view_org", "manage_keys", "delete_org", "keys:verify", "usage:track", "fly"]


@pytest.fixture(autouse=True)
def _nothing_in_memory() -> None:
    forget_everything()


@pytest.fixture
def world(cast: Cast) -> World:
    return World(cast.acme)


@pytest.fixture
def asker(cast: Cast) -> dict[str, str]:
    """The header of a key of Acme's project that may ask."""
    return {"HTTP_AUTHORIZATION": f"Bearer {cast.secret_key}"}


def question(subject: tuple[str, str], action: str, place: tuple[str, str]) -> dict[str, Any]:
    return {
        "subject": {"type": subject[0], "id": subject[1]},
        "action": {"name": action},
        "resource": {"type": place[0], "id": place[1]},
    }


def alike(path: str, body: Any, **headers: str) -> Any:
    """The answer, which is the same on both paths, with a cold memory and with a warm one."""
    full, fast = both(path, body, **headers)
    assert fast == full
    assert both(path, body, **headers) == (full, fast)
    return full[1]


# -- the same answers ------------------------------------------------------------------------------------------------
def test_every_subject_and_place_gets_the_same_answer_on_both_paths(world: World, cast: Cast, asker):
    world.places["project", cast.project.public_id] = cast.project
    inside = world.resource(cast.project)
    furnish(world, cast.project)
    for user in (cast.owner, cast.viewer, cast.outsider):
        world.subjects["user", user.public_id] = user
    strangers = [("user", "nobody"), ("key", cast.foreign_key.public_id), ("spaceship", "1"), ("user", "")]
    elsewhere = [("project", cast.foreign_project.public_id), ("resource", "trn:x"), ("spaceship", "1")]
    seen = set()
    for place in [*world.places, *elsewhere, ("resource", inside.trn + "x")]:
        items = [question(subject, action, place) for subject in [*world.subjects, *strangers] for action in ACTIONS]
        for item in alike(EVALUATIONS, {"evaluations": items[:1000]}, **asker)["evaluations"]:
            seen.add(item.get("context", {}).get("code"))
    assert seen >= {
        None, "role", "custom_role", "project_role", "key_permission", "agent_permission", "grant",
        "permission_missing", "unknown_action", "not_granted", "subject_disabled", "subject_revoked",
    }  # fmt: skip


@pytest.mark.usefixtures("cast")
@given(plan=worlds, actions=st.lists(st.sampled_from(sorted(map(str, Permission))), min_size=2, max_size=4))
@settings(
    max_examples=15,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_random_worlds_get_the_same_answers_on_both_paths(cast: Cast, plan, actions):
    with transaction.atomic():
        forget_everything()
        world = made(cast, plan)
        with tenant_scope(cast.acme.id):
            _, plaintext = create_key(
                actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], kind="secret", mode="live",
                project_id=next(p for p in [cast.project, *world.projects] if p.is_active).id, name="Asks",
                permissions=["access:evaluate"],
            )  # fmt: skip
        subjects = [*world.subjects, ("user", cast.owner.public_id), ("user", cast.outsider.public_id)]
        items = [question(s, a, p) for s in subjects for a in actions for p in world.places]
        headers = {"HTTP_AUTHORIZATION": f"Bearer {plaintext}"}
        alike(EVALUATIONS, {"evaluations": items[:900]}, **headers)
        alike(EVALUATION, items[0], **headers)
        transaction.set_rollback(True)


@pytest.mark.parametrize("semantic", ["execute_all", "deny_on_first_deny", "permit_on_first_permit"])
def test_batches_are_worked_off_alike(cast: Cast, asker, semantic):
    base = question(("user", cast.developer.public_id), "manage_keys", ("project", cast.project.public_id))
    items = [{}, {"action": {"name": "delete_org"}}, {"resource": 5}, {"resource": {"id": "x"}}, {}]
    body = {**base, "options": {"evaluations_semantic": semantic}, "evaluations": items}
    alike(EVALUATIONS, body, **asker)
    alike(EVALUATIONS, {**body, "evaluations": items[::-1]}, **asker)
    alike(EVALUATIONS, {**body, "evaluations": []}, **asker)
    alike(EVALUATIONS, {**body, "context": {"a": [1]}, "new": {"b": 2}}, **asker)


def test_properties_reach_the_decision_maker_on_both_paths(cast: Cast, asker, settings):
    settings.TENANTRY_DECISION_MAKER = "tests.keys.test_decision_makers.Recording"
    body = question(("user", cast.viewer.public_id), "open", ("project", cast.project.public_id))
    body["resource"]["properties"] = {"status": "open", "more": [1, {"x": None}]}
    assert alike(EVALUATION, body, **asker)["decision"] is True


@pytest.mark.parametrize("maker", ["Failing", "Wrong", "Truthy"])
def test_a_broken_decision_maker_decides_no_on_both_paths(cast: Cast, asker, settings, maker):
    settings.TENANTRY_DECISION_MAKER = f"tests.keys.test_decision_makers.{maker}"
    body = question(("user", cast.owner.public_id), "view_org", ("project", cast.project.public_id))
    assert alike(EVALUATION, body, **asker)["decision"] is False


# -- what is left to the full path -----------------------------------------------------------------------------------
def test_whatever_is_unusual_is_left_to_the_full_path(cast: Cast, asker):
    good = question(("user", cast.developer.public_id), "manage_keys", ("project", cast.project.public_id))
    text = json.dumps(good)
    assert through_the_door(EVALUATION, text.encode(), **asker)[0] == 200
    deep: Any = "x"
    for _ in range(22):
        deep = {"a": deep}
    for body in (
        b"", b"{", b"[]", b"null", b"\xff", b"{}",
        text.replace('"action"', '"subject": {"type": "user", "id": "x"}, "action"').encode(),
        text.replace("manage_keys", "manage\\u005fkeys").encode(),
        json.dumps({**good, "context": deep}).encode(),
        json.dumps({**good, "context": 5}).encode(),
        json.dumps({**good, "subject": {"type": "user"}}).encode(),
        json.dumps(question(("key", cast.key.public_id), "view_org", ("project", cast.project.public_id))).encode(),
    ):  # fmt: skip
        with pytest.raises(FellThrough):
            through_the_door(EVALUATION, body, **asker)
    for headers in (
        {},
        {"HTTP_AUTHORIZATION": "Bearer x"},
        {"HTTP_AUTHORIZATION": f"Bearer {cast.token(cast.owner)}", "HTTP_X_ORGANIZATION_ID": cast.acme.public_id},
        {**asker, "HTTP_X_ORGANIZATION_ID": cast.acme.public_id},
        {**asker, "HTTP_ORIGIN": "https://shop.example"},
        {**asker, "HTTP_X_REQUEST_ID": "a b"},
        {"HTTP_AUTHORIZATION": f"Bearer {cast.publishable_key}"},
    ):
        with pytest.raises(FellThrough):
            through_the_door(EVALUATION, text.encode(), **headers)


def test_a_key_that_may_not_ask_is_left_to_the_full_path(cast: Cast):
    with tenant_scope(cast.acme.id):
        _, plaintext = create_key(
            actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=cast.project.id,
            kind="secret", mode="live", name="K", permissions=["view_org"],
        )  # fmt: skip
    body = question(("user", cast.owner.public_id), "view_org", ("project", cast.project.public_id))
    with pytest.raises(FellThrough):
        through_the_door(EVALUATION, json.dumps(body).encode(), HTTP_AUTHORIZATION=f"Bearer {plaintext}")


def test_without_news_of_changes_memory_answers_nothing(cast: Cast, monkeypatch):
    with tenant_scope(cast.acme.id):
        places = {("project", cast.project.public_id)}
        feed.read()
        assert decision_facts.cache.gathered(cast.acme.id, set(), places) is not None
        monkeypatch.setattr(feed, "usable_until", 0.0)
        monkeypatch.setattr(feed, "start", lambda: None)
        assert decision_facts.cache.gathered(cast.acme.id, set(), places) is None


# -- nothing old -----------------------------------------------------------------------------------------------------
def test_every_change_is_seen_by_the_fast_path(world: World, cast: Cast, asker):
    project = cast.project
    here = ("project", project.public_id)
    developer = world.user(Role.DEVELOPER, own={project: "developer"})
    custom = world.user(Role.CUSTOM, permissions=["manage_keys"])
    member, disabled = world.user(Role.ADMIN), world.user(Role.ADMIN)
    key, agent = world.key(project, ["keys:verify"]), world.agent(project, ["keys:verify"])
    service, stopped = (world.service([(project, ["keys:verify"])]) for _ in range(2))
    resource = world.resource(project)
    acme = cast.acme.id
    now = timezone.now()

    def person(user: User) -> tuple[str, str]:
        return "user", user.public_id

    steps: list[tuple[tuple[str, str], str, tuple[str, str], Any]] = [
        (person(developer), "manage_keys", here, lambda: ProjectMembership.objects.update(role="viewer")),
        (person(custom), "manage_keys", here, lambda: CustomRole.objects.update(permissions=["view_org"])),
        (person(member), "manage_sso", here, lambda: Membership.objects.filter(user=member).update(role="viewer")),
        (person(member), "view_org", here, lambda: Membership.objects.filter(user=member).delete()),
        (person(disabled), "view_org", here, lambda: User.objects.filter(id=disabled.id).update(is_active=False)),
        (("key", key.public_id), "keys:verify", here, lambda: Key.objects.filter(id=key.id).update(permissions=[])),
        (
            ("agent", agent.public_id), "keys:verify", here,
            lambda: Agent.objects.filter(id=agent.id).update(revoked_at=now),
        ),
        (
            ("service_account", service.public_id), "keys:verify", here,
            lambda: ServiceGrant.objects.filter(account=service).update(withdrawn_at=now),
        ),
        (
            ("service_account", stopped.public_id), "keys:verify", here,
            lambda: ServiceAccount.objects.filter(id=stopped.id).update(disabled_at=now),
        ),
        (
            person(cast.owner), "view_org", ("resource", resource.trn),
            lambda: Resource.objects.filter(id=resource.id).delete(),
        ),
    ]  # fmt: skip
    for subject, action, place, change in steps:
        body = question(subject, action, place)
        assert alike(EVALUATION, body, **asker)["decision"] is True, (subject, action)
        with tenant_scope(acme):
            change()
        assert alike(EVALUATION, body, **asker)["decision"] is False, (subject, action)
    revoked = world.key(project, ["keys:verify"])
    body = question(("key", revoked.public_id), "keys:verify", here)
    assert alike(EVALUATION, body, **asker)["decision"] is True
    with tenant_scope(acme):
        Key.objects.filter(id=revoked.id).update(revoked_at=now)
    assert alike(EVALUATION, body, **asker)["context"]["code"] == "subject_revoked"


def test_the_end_of_a_project_or_organization_is_seen_by_the_fast_path(world: World, cast: Cast, asker):
    other = world.project()
    shared = world.resource()
    owner = ("user", cast.owner.public_id)
    place = ("resource", shared.trn)
    assert alike(EVALUATION, question(owner, "view_org", place), **asker)["decision"] is True
    with tenant_scope(cast.acme.id):
        Resource.objects.filter(id=shared.id).update(project=other)
    assert alike(EVALUATION, question(owner, "view_org", place), **asker) == {"decision": False}
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(project=other)
    body = question(owner, "view_org", place)
    assert alike(EVALUATION, body, **asker)["decision"] is True
    Organization.objects.filter(id=cast.acme.id).update(status="disabled")
    with pytest.raises(FellThrough):
        through_the_door(EVALUATION, json.dumps(body).encode(), **asker)
    Organization.objects.filter(id=cast.acme.id).update(status="active")
    with tenant_scope(cast.acme.id):
        Project.objects.filter(id=other.id).update(status="archived")
    with pytest.raises(FellThrough):
        through_the_door(EVALUATION, json.dumps(body).encode(), **asker)


def test_what_is_not_there_yet_is_looked_for_each_time(world: World, cast: Cast, asker):
    here = ("project", cast.project.public_id)
    user = User.objects.create(email="later@acme.example")
    body = question(("user", user.public_id), "view_org", here)
    assert alike(EVALUATION, body, **asker) == {"decision": False}
    with tenant_scope(cast.acme.id):
        Membership.objects.create(user=user, role="viewer")
    assert alike(EVALUATION, body, **asker)["decision"] is True
    key = Key(project=cast.project, kind="secret", mode="live", name="k", digest=b"d" * 32, start="s", created_by="u")
    key.permissions = ["keys:verify"]
    body = question(("key", key.public_id), "keys:verify", here)
    assert alike(EVALUATION, body, **asker) == {"decision": False}
    with tenant_scope(cast.acme.id):
        key.org_id = cast.acme.id
        key.save(force_insert=True)
    assert alike(EVALUATION, body, **asker)["decision"] is True


def test_a_change_while_facts_are_loaded_is_not_lost(world: World, cast: Cast, monkeypatch):
    name, place = ("user", cast.viewer.public_id), ("project", cast.project.public_id)
    feed.read()
    load = decision_facts.load

    def interrupted(facts: Any, **names: Any) -> None:
        load(facts, **names)
        feed._tell("user", cast.viewer.id)

    with tenant_scope(cast.acme.id):
        monkeypatch.setattr(decision_facts, "load", interrupted)
        found = decision_facts.cache.gathered(cast.acme.id, {name}, {place})
        assert found.subjects[name] is not None
        assert cast.acme.id not in decision_facts.cache._kept
        monkeypatch.setattr(decision_facts, "load", load)
        decision_facts.cache.gathered(cast.acme.id, {name}, {place})
        assert name in decision_facts.cache._kept[cast.acme.id].subjects


def remembered() -> list[Any]:
    projects = list(decision_facts.cache._answers.values())
    return [asked for of in projects for answers in of.values() for asked in answers]


def test_an_answer_is_given_again_until_one_of_its_facts_changes(world: World, cast: Cast, asker):
    here = ("project", cast.project.public_id)
    viewer, admin = ("user", cast.viewer.public_id), ("user", cast.admin.public_id)
    one = json.dumps(question(viewer, "manage_keys", here)).encode()
    many = json.dumps({"evaluations": [question(who, "manage_keys", here) for who in (viewer, admin)]}).encode()
    for _ in range(3):
        assert json.loads(through_the_door(EVALUATION, one, **asker)[2])["decision"] is False
        found = json.loads(through_the_door(EVALUATIONS, many, **asker)[2])["evaluations"]
        assert [each["decision"] for each in found] == [False, True]
    assert sorted(map(str, remembered())) == sorted(
        map(str, [one, (viewer, "manage_keys", here), (admin, "manage_keys", here)])
    )
    with tenant_scope(cast.acme.id):
        Membership.objects.filter(user=cast.viewer).update(role="developer")
    assert json.loads(through_the_door(EVALUATION, one, **asker)[2])["decision"] is True
    found = json.loads(through_the_door(EVALUATIONS, many, **asker)[2])["evaluations"]
    assert [each["decision"] for each in found] == [True, True]
    User.objects.filter(id=cast.admin.id).update(is_active=False)
    found = json.loads(through_the_door(EVALUATIONS, many, **asker)[2])["evaluations"]
    assert [each["decision"] for each in found] == [True, False]
    with tenant_scope(cast.acme.id):
        Project.objects.filter(id=cast.project.id).update(status="archived")
    with pytest.raises(FellThrough):  # the asker's key has ended with its project
        through_the_door(EVALUATION, one, **asker)


def test_what_may_end_or_was_asked_with_attributes_or_is_not_there_is_not_remembered(world: World, cast: Cast, asker):
    here = ("project", cast.project.public_id)
    with tenant_scope(cast.acme.id):
        ending = create_key(
            actor=cast.principal(cast.owner), holder=frozenset(), project_id=cast.project.id, kind="secret",
            mode="live", name="Ends", permissions=[], expires_at=timezone.now() + timedelta(days=1),
        )[0]  # fmt: skip
    asked = [
        question(("key", ending.public_id), "keys:verify", here),
        question(("user", "usr_nobody"), "view_org", here),
        {**question(("user", cast.viewer.public_id), "view_org", here), "context": {"x": 1}},
    ]
    for _ in range(2):
        for each in asked:
            through_the_door(EVALUATION, json.dumps(each).encode(), **asker)
        through_the_door(EVALUATIONS, json.dumps({"evaluations": asked}).encode(), **asker)
    assert remembered() == []


def test_an_answer_made_of_facts_that_changed_meanwhile_is_not_remembered(world: World, cast: Cast, monkeypatch):
    feed.read()
    cache = decision_facts.cache
    answers = cache.answers(cast.acme.public_id, cast.project.public_id)
    generation = cache.generation
    feed._tell("user", cast.viewer.id)
    cache.remember(answers, "asked", "answer", generation)
    assert remembered() == []
    cache.remember(answers, "asked", "answer", cache.generation)
    assert remembered() == ["asked"]
    feed._tell("access", cast.acme.id)
    cache.remember(answers, "too late", "answer", cache.generation)
    assert remembered() == []


# -- cost ------------------------------------------------------------------------------------------------------------
def test_a_warm_batch_asks_the_database_nothing(world: World, cast: Cast, asker):
    everything = [str(permission) for permission in KEY_PERMISSIONS]
    for _ in range(5):
        world.user(Role.DEVELOPER, own={cast.project: "viewer"})
        world.key(cast.project, everything)
        world.agent(cast.project, everything)
        world.service([(None, everything)])
        world.resource(cast.project)
    items = [question(subject, "view_org", place) for subject in world.subjects for place in world.places]
    body = json.dumps({"evaluations": items}).encode()
    first = through_the_door(EVALUATIONS, body, **asker)
    with CaptureQueriesContext(connection) as captured:
        assert through_the_door(EVALUATIONS, body, **asker)[2] == first[2]
    assert len(captured) == 1, "the reading of changes, which the test itself asks for"


def test_memory_is_bounded(world: World, cast: Cast, monkeypatch):
    monkeypatch.setattr(decision_facts.cache, "_size", 10)
    names = [("user", world.user(Role.VIEWER).public_id) for _ in range(25)]
    with tenant_scope(cast.acme.id):
        for name in names:
            feed.read()
            assert decision_facts.cache.gathered(cast.acme.id, {name}, set()).subjects[name] is not None
            assert sum(len(kept.subjects) for kept in decision_facts.cache._kept.values()) <= 11
