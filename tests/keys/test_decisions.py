"""Who may do what, who may know of it, and why: the same as over REST."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from config.kernel.identifiers import public_id
from config.kernel.permissions import KEY_PERMISSIONS, ROLE_PERMISSIONS, Permission, Role
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key
from keys.services.tokens import create_token
from orgs import plans
from orgs.models import Membership, ServiceGrant
from projects.models import Project, ProjectMembership, Resource
from tests.keys.decision_world import World, refused_outright

PLAIN = {"decision": False}
ROLES = [Role.OWNER, Role.ADMIN, Role.DEVELOPER, Role.VIEWER]


@pytest.fixture
def world(cast) -> World:
    return World(cast.acme)


@pytest.fixture
def gateway(world):
    """A service account that may ask about everybody."""
    return world.service([(None, ["access:evaluate"])])


def person(user) -> tuple[str, str]:
    return "user", user.public_id


# -- the table -------------------------------------------------------------------------------------------------------
def furnish(world: World, one: Project | None = None) -> None:
    """Every kind of subject in every state, every kind of place; most of it around the project `one`."""
    one, two, archived = one or world.project(), world.project(), world.project(archived=True)
    for project in (None, one, archived):
        world.resource(project)
    for role in ROLES:
        world.user(role)
        world.user(role, own={one: "viewer", two: "admin"} if role != Role.OWNER else {one: "viewer"})
    world.user(Role.CUSTOM, permissions=["manage_keys", "view_audit", "no_such_permission"])
    world.user(Role.CUSTOM, own={one: "developer"})
    world.user(Role.ADMIN, disabled=True)
    everything = [str(permission) for permission in KEY_PERMISSIONS]
    for state in ("active", "revoked", "expired", "quarantined"):
        world.key(one, everything, state=state)
    world.key(one, ["keys:verify"])
    world.key(one, [], kind="publishable")
    world.key(archived, everything)
    world.agent(one, everything)
    world.agent(two, ["view_org"])
    world.agent(one, everything, revoked=True)
    world.agent(archived, everything)
    world.service([(None, everything)])
    world.service([(one, ["keys:verify", "view_org"])])
    world.service([(None, ["view_org"]), (one, ["manage_keys"]), (archived, ["manage_env"])])
    world.service([(None, everything)], disabled=True)
    world.service([(None, everything)], withdrawn=True)


def test_every_subject_may_in_every_place_exactly_what_the_gates_let_it(world, gateway):
    furnish(world)
    compared, allowed = 0, 0
    for subject, row in world.subjects.items():
        for place, where in world.places.items():
            items = [{"action": {"name": str(permission)}} for permission in Permission]
            body = {
                "subject": {"type": subject[0], "id": subject[1]},
                "resource": {"type": place[0], "id": place[1]},
                "evaluations": items,
            }
            held = world.permissions_by_the_gates(subject, place)
            project = where if isinstance(where, Project) else getattr(where, "project", None)
            if refused_outright(row) or (project is not None and not project.is_active):
                held = frozenset()
            answers = world.asked(gateway, body)["evaluations"]
            found = {p for p, answer in zip(Permission, answers, strict=True) if answer["decision"]}
            assert found == held, (subject, place, answers)
            compared += 1
            allowed += len(found)
    assert compared > 150
    assert allowed > 400


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("kind", ["organization", "project", "resource"])
def test_each_role_asks_about_itself(api, cast, role, kind):
    user = cast.member(role)
    with tenant_scope(cast.acme.id):
        resource = Resource.objects.create(service="warehouse", kind="dataset", name="x", project=cast.project)
    name = {"organization": cast.acme.public_id, "project": cast.project.public_id, "resource": resource.trn}[kind]
    body = {
        "subject": {"type": "user", "id": user.public_id},
        "resource": {"type": kind, "id": name},
        "evaluations": [{"action": {"name": str(permission)}} for permission in Permission],
    }
    answer = api(user).post("/access/v1/evaluations", body, HTTP_X_ORGANIZATION_ID=cast.acme.public_id)
    found = {p for p, item in zip(Permission, answer.json()["evaluations"], strict=True) if item["decision"]}
    assert found == ROLE_PERMISSIONS[role]
    for item in answer.json()["evaluations"]:
        assert 0 < item["context"]["ttl"] <= 60
        assert user.public_id in item["context"]["reason"]
        assert f"role {role}" in item["context"]["reason"]


# -- reasons ---------------------------------------------------------------------------------------------------------
def test_the_reason_names_what_decided(world, gateway, cast):
    one = world.project()
    developer = world.user(Role.DEVELOPER, own={one: "viewer"})
    custom = world.user(Role.CUSTOM, permissions=["manage_keys"])
    key = world.key(one, ["keys:verify"])
    agent = world.agent(one, ["env:read"])
    service = world.service([(one, ["usage:track"])])
    here, there = ("project", one.public_id), ("organization", cast.acme.public_id)

    def told(kind: str, row: Any, action: str, place: tuple[str, str]) -> tuple[bool, str, str]:
        answer = world.decision(gateway, (kind, row.public_id), action, place)
        return answer["decision"], answer["context"]["code"], answer["context"]["reason"]

    for kind, row, action, place, expected, code, words in (
        ("user", developer, "manage_keys", there, True, "role", "role developer → manage_keys"),
        ("user", developer, "manage_keys", here, False, "permission_missing", f"role viewer in {one.public_id}"),
        ("user", developer, "view_org", here, True, "project_role", f"role viewer in {one.public_id} → view_org"),
        ("user", developer, "manage_sso", there, False, "permission_missing", "lacks manage_sso, which the role admin"),
        ("user", custom, "manage_keys", there, True, "custom_role", "custom role"),
        ("user", custom, "keys:verify", there, False, "permission_missing", "nothing that a user can hold"),
        ("key", key, "keys:verify", here, True, "key_permission", "permission → keys:verify"),
        ("key", key, "env:read", here, False, "permission_missing", "lacks env:read"),
        ("key", key, "keys:verify", there, False, "permission_missing", "outside of its project"),
        ("agent", agent, "env:read", here, True, "agent_permission", "permission → env:read"),
        ("service_account", service, "usage:track", here, True, "grant", f"grant for {one.public_id}"),
        ("service_account", service, "usage:track", there, False, "not_granted", "no grant for"),
        ("user", developer, "fly", there, False, "unknown_action", "no permission of Tenantry's"),
    ):
        decision, told_code, reason = told(kind, row, action, place)
        assert (decision, told_code) == (expected, code), (kind, action, reason)
        assert words in reason
        assert row.public_id in reason or code == "unknown_action"


def test_a_key_of_another_project_is_told_apart(world, gateway):
    one, two = world.project(), world.project()
    key = world.key(one, ["keys:verify"])
    answer = world.decision(gateway, ("key", key.public_id), "keys:verify", ("project", two.public_id))
    assert (answer["decision"], answer["context"]["code"]) == (False, "outside_project")


def test_the_plan_limits_what_may_be_tracked(world, gateway):
    one = world.project()
    key = world.key(one, ["usage:track"])
    asked = (gateway, ("key", key.public_id), "usage:track", ("project", one.public_id))
    assert world.decision(*asked)["decision"] is True
    with override_settings(TENANTRY_PLANS={"free": {"events": 0}}):
        plans.plans.cache_clear()
        answer = world.decision(*asked)
    plans.plans.cache_clear()
    assert (answer["decision"], answer["context"]["code"]) == (False, "plan_limit")
    assert "plan free" in answer["context"]["reason"]


def test_no_answer_may_be_kept_for_longer_than_a_key_lives(world, gateway):
    one = world.project()
    key = world.key(one, ["keys:verify"])
    asked = (gateway, ("key", key.public_id), "keys:verify", ("project", one.public_id))
    assert world.decision(*asked)["context"]["ttl"] == 60
    with tenant_scope(world.organization.id):
        Key.objects.filter(id=key.id).update(expires_at=timezone.now() + timezone.timedelta(seconds=20))
    assert 15 <= world.decision(*asked)["context"]["ttl"] <= 20


# -- what ends -------------------------------------------------------------------------------------------------------
def test_what_ended_is_denied_at_once(world, gateway, cast):
    one = world.project()
    user, key, agent = world.user(Role.ADMIN), world.key(one, ["keys:verify"]), world.agent(one, ["keys:verify"])
    service = world.service([(one, ["keys:verify"])])
    here = ("project", one.public_id)

    def change(row: Any, **fields: Any) -> None:
        with tenant_scope(cast.acme.id):
            type(row)._base_manager.filter(pk=row.pk).update(**fields)

    now = timezone.now()
    for kind, row, action, fields, code in (
        ("user", user, "manage_keys", {"is_active": False}, "subject_disabled"),
        ("key", key, "keys:verify", {"revoked_at": now}, "subject_revoked"),
        ("agent", agent, "keys:verify", {"revoked_at": now}, "subject_revoked"),
        ("service_account", service, "keys:verify", {"disabled_at": now}, "subject_disabled"),
    ):
        asked = (gateway, (kind, row.public_id), action, here)
        assert world.decision(*asked)["decision"] is True
        change(row, **fields)
        answer = world.decision(*asked)
        assert (answer["decision"], answer["context"]["code"]) == (False, code)
        change(row, **{name: name == "is_active" or None for name in fields})
        assert world.decision(*asked)["decision"] is True
    change(one, status="archived")
    for kind, row, action in (("user", user, "manage_keys"), ("key", key, "keys:verify")):
        answer = world.decision(gateway, (kind, row.public_id), action, here)
        assert (answer["decision"], answer["context"]["code"]) == (False, "project_archived")
    with tenant_scope(cast.acme.id):
        ServiceGrant.objects.filter(account=service).update(withdrawn_at=now)
        Membership.objects.filter(user=user).delete()
    for kind, row, action in (("service_account", service, "keys:verify"), ("user", user, "view_org")):
        assert world.decision(gateway, (kind, row.public_id), action, here) == PLAIN


def test_in_a_disabled_organization_everything_is_denied(api, cast):
    question = {
        "subject": {"type": "user", "id": cast.owner.public_id},
        "action": {"name": "view_org"},
        "resource": {"type": "organization", "id": cast.acme.public_id},
    }
    header = {"HTTP_X_ORGANIZATION_ID": cast.acme.public_id}
    assert api(cast.owner).post("/access/v1/evaluation", question, **header).json()["decision"] is True
    cast.acme.status = "disabled"
    cast.acme.save()
    assert api(cast.owner).post("/access/v1/evaluation", question, **header).json() == PLAIN
    batch = {**question, "evaluations": [{}, {}]}
    assert api(cast.owner).post("/access/v1/evaluations", batch, **header).json() == {"evaluations": [PLAIN, PLAIN]}
    assert api(cast.owner).post("/access/v1/search/action", question, **header).json()["results"] == []
    assert api(cast.owner).post("/access/v1/evaluation", {}, **header).status_code == 400
    assert api(cast.secret_key).post("/access/v1/evaluation", question).status_code == 401


# -- who may ask about whom ------------------------------------------------------------------------------------------
def test_people_ask_about_nobody_else(world, cast):
    one = world.project()
    asker, other = world.user(Role.OWNER), world.user(Role.VIEWER)
    key = world.key(one, ["view_org"])
    here = ("project", one.public_id)
    assert world.decision(asker, person(asker), "view_org", here)["decision"] is True
    for subject in (person(other), ("key", key.public_id), ("user", public_id("usr", new_id())), ("user", "nobody")):
        assert world.decision(asker, subject, "view_org", here) == PLAIN


def test_programs_without_the_permission_ask_about_nobody_else(world):
    one = world.project()
    user = world.user(Role.OWNER)
    here = ("project", one.public_id)
    for kind, asker in (
        ("key", world.key(one, ["view_org", "keys:verify"])),
        ("agent", world.agent(one, ["view_org"])),
        ("service_account", world.service([(None, ["view_org"])])),
    ):
        assert world.decision(asker, (kind, asker.public_id), "view_org", here)["decision"] is True
        assert world.decision(asker, person(user), "view_org", here) == PLAIN


def test_a_project_s_program_asks_within_its_organization_and_project(world, cast):
    one, two = world.project(), world.project()
    user = world.user(Role.OWNER)
    inside, outside = world.key(one, ["view_org"]), world.key(two, ["view_org"])
    own, shared, foreign = world.resource(one), world.resource(), world.resource(two)
    far = world.service([(two, ["view_org"])])
    near = world.service([(one, ["view_org"])])
    for asker in (world.key(one, ["access:evaluate"]), world.agent(one, ["access:evaluate"])):
        for subject, place, told in (
            (person(user), ("organization", cast.acme.public_id), True),
            (person(user), ("project", one.public_id), True),
            (person(user), ("resource", own.trn), True),
            (person(user), ("resource", shared.trn), True),
            (person(user), ("project", two.public_id), False),
            (person(user), ("resource", foreign.trn), False),
            (("key", inside.public_id), ("project", one.public_id), True),
            (("key", outside.public_id), ("organization", cast.acme.public_id), False),
            (("service_account", near.public_id), ("project", one.public_id), True),
            (("service_account", far.public_id), ("project", one.public_id), False),
        ):
            answer = world.decision(asker, subject, "view_org", place)
            assert answer["decision"] is told
            assert told or answer == PLAIN


def test_a_service_account_asks_where_it_was_granted_to(world, cast):
    one, two = world.project(), world.project()
    user = world.user(Role.OWNER)
    asker = world.service([(one, ["access:evaluate"]), (two, ["view_org"])])
    assert world.decision(asker, person(user), "view_org", ("project", one.public_id))["decision"] is True
    for place in (
        ("project", two.public_id),
        ("organization", cast.acme.public_id),
        ("resource", world.resource().trn),
        ("resource", world.resource(two).trn),
    ):
        assert world.decision(asker, person(user), "view_org", place) == PLAIN
    own = ("service_account", asker.public_id)
    assert world.decision(asker, own, "view_org", ("project", two.public_id))["decision"] is True


def test_what_is_another_tenants_is_answered_like_what_never_existed(world, gateway, cast):
    with tenant_scope(cast.globex.id):
        theirs = Resource.objects.create(service="warehouse", kind="dataset", name="x")
    here = ("organization", cast.acme.public_id)
    for subject in (
        person(cast.outsider),
        ("user", public_id("usr", new_id())),
        ("user", "nobody"),
        ("user", cast.outsider.email),
        ("key", cast.foreign_key.public_id),
        ("key", public_id("key", new_id())),
        ("service", gateway.public_id),
        ("spaceship", "1"),
        ("user", ""),
    ):
        assert world.decision(gateway, subject, "view_org", here) == PLAIN, subject
    for place in (
        ("organization", cast.globex.public_id),
        ("organization", "acme"),
        ("project", cast.foreign_project.public_id),
        ("project", public_id("prj", new_id())),
        ("project", "rocket"),
        ("resource", theirs.trn),
        ("resource", theirs.trn.replace(cast.globex.public_id, cast.acme.public_id)),
        ("resource", "trn:tenantry:"),
        ("spaceship", "1"),
    ):
        assert world.decision(gateway, person(cast.owner), "view_org", place) == PLAIN, place


def test_a_service_account_without_a_grant_learns_nothing(world, cast):
    stranger = world.service([(None, ["access:evaluate"])], withdrawn=True)
    from config.kernel.errors import Absent

    with pytest.raises(Absent):
        world.admission(stranger)


# -- narrowed tokens -------------------------------------------------------------------------------------------------
def test_a_narrowed_token_is_told_what_it_may_not_what_its_person_may(api, cast):
    _, token = create_token(actor=cast.principal(cast.owner), user=cast.owner, name="Narrow", permissions=["view_org"])
    question = {
        "subject": {"type": "user", "id": cast.owner.public_id},
        "action": {"name": "manage_keys"},
        "resource": {"type": "organization", "id": cast.acme.public_id},
    }
    header = {"HTTP_X_ORGANIZATION_ID": cast.acme.public_id}
    answer = api(token).post("/access/v1/evaluation", question, **header).json()
    assert (answer["decision"], answer["context"]["code"]) == (False, "token_narrowed")
    question["action"]["name"] = "view_org"
    assert api(token).post("/access/v1/evaluation", question, **header).json()["decision"] is True


# -- cost ------------------------------------------------------------------------------------------------------------
def test_a_thousand_questions_ask_the_database_as_often_as_one_of_each_kind(world, gateway, cast):
    projects = [world.project() for _ in range(20)]
    for number in range(60):
        project = projects[number % len(projects)]
        world.user(Role.DEVELOPER, own={project: "viewer"})
        world.key(project, ["view_org"])
        world.agent(project, ["view_org"])
        world.service([(project, ["view_org"])])
        world.resource(project)

    def queries(number: int) -> int:
        subjects = [name for name in world.subjects if name[1] != gateway.public_id]
        subjects = [name for offset in range(4) for name in subjects[offset::4]]
        places = list(world.places)
        kinds = {name[0]: name for name in subjects} | {}
        few = [*kinds.values()]
        chosen = few if number == len(few) else [subjects[i % len(subjects)] for i in range(number)]
        where = {name[0]: name for name in places}
        spots = list(where.values()) if number == len(few) else places
        items = [
            {
                "subject": {"type": name[0], "id": name[1]},
                "resource": {"type": spots[i % len(spots)][0], "id": spots[i % len(spots)][1]},
            }
            for i, name in enumerate(chosen)
        ]
        admission = world.admission(gateway)
        with CaptureQueriesContext(connection) as captured:
            answer = world.asked(admission, {"action": {"name": "view_org"}, "evaluations": items})
        assert len(answer["evaluations"]) == number
        return len(captured)

    few, many = queries(4), queries(1000)
    assert many == few <= 9


def test_a_project_role_of_an_owner_changes_nothing(world, gateway):
    one = world.project()
    owner = world.user(Role.OWNER)
    with tenant_scope(world.organization.id):
        membership = Membership.objects.get(user=owner)
        ProjectMembership.objects.create(project=one, membership=membership, role="viewer")
    assert world.decision(gateway, person(owner), "manage_keys", ("project", one.public_id))["decision"] is True
