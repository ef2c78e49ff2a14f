"""The registry of resources over REST."""

import threading

import pytest
from django.db import connection

from audit.models import AuditEvent
from config.kernel.identifiers import public_id
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.models import new_id
from config.kernel.tenancy.scope import tenant_scope
from projects.models import Project, Resource
from projects.services.projects import create_project
from projects.services.resources import register_resource
from tests.api.rows import everything

RESOURCES = "/api/v1/orgs/acme/resources"
DATASET = {"service": "warehouse", "kind": "dataset", "name": "customers/2026"}


def trn_of(organization, path="dataset/customers/2026", service="warehouse"):
    return f"trn:tenantry:{service}:{organization.public_id}:{path}"


def events(cast):
    with tenant_scope(cast.acme.id):
        return list(
            AuditEvent.objects.filter(event__startswith="resource.").order_by("id").values_list("event", flat=True)
        )


def test_a_resource_is_registered_and_named_by_its_trn(api, cast):
    answer = api(cast.developer).post(RESOURCES, {**DATASET, "scopes": ["read", "export", "read"]})
    assert answer.status_code == 200
    record = answer.json()
    assert record["trn"] == trn_of(cast.acme)
    assert record["scopes"] == ["export", "read"]
    assert (record["organization_id"], record["project_id"]) == (cast.acme.public_id, None)
    for reference in (record["trn"], record["id"], record["trn"].replace("/", "%2F").replace(":", "%3A")):
        assert api(cast.viewer).get(f"{RESOURCES}/{reference}").json() == record
    assert events(cast) == ["resource.registered"]


def test_registering_twice_is_the_same_as_once(api, cast):
    first = api(cast.developer).post(RESOURCES, {**DATASET, "scopes": ["read"], "project": "rocket"}).json()
    before = everything()
    again = api(cast.admin).post(RESOURCES, {**DATASET, "scopes": ["read"], "project": cast.project.public_id}).json()
    assert again == first
    assert everything() == before


def test_registering_again_gives_it_the_new_scopes_and_project(api, cast):
    first = api(cast.developer).post(RESOURCES, {**DATASET, "scopes": ["read"]}).json()
    changed = api(cast.developer).post(RESOURCES, {**DATASET, "scopes": ["write"], "project": "rocket"}).json()
    assert (changed["id"], changed["scopes"]) == (first["id"], ["write"])
    assert changed["project_id"] == cast.project.public_id
    assert events(cast) == ["resource.registered", "resource.updated"]
    with tenant_scope(cast.acme.id):
        record = AuditEvent.objects.filter(event="resource.updated").get()
    assert record.data["changes"] == {
        "scopes": [["read"], ["write"]],
        "project": [None, cast.project.public_id],
    }
    assert api(cast.developer).post(RESOURCES, DATASET).json()["project_id"] is None


def test_deregistering_what_is_absent_is_success(api, cast):
    api(cast.developer).post(RESOURCES, DATASET)
    for _ in range(2):
        assert api(cast.developer).delete(f"{RESOURCES}/{trn_of(cast.acme)}").status_code == 204
    assert events(cast) == ["resource.registered", "resource.deregistered"]
    assert api(cast.developer).get(f"{RESOURCES}/{trn_of(cast.acme)}").status_code == 404


def test_it_can_be_deregistered_by_its_id(api, cast):
    made = api(cast.developer).post(RESOURCES, DATASET).json()
    assert api(cast.developer).delete(f"{RESOURCES}/{made['id']}").status_code == 204
    assert events(cast) == ["resource.registered", "resource.deregistered"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"service": "tenantry"}, "service"),
        ({"service": "Warehouse"}, "service"),
        ({"service": "-x"}, "service"),
        ({"kind": "data/set"}, "kind"),
        ({"kind": ""}, "kind"),
        ({"name": "../secrets"}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": " a"}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": 7}, "name"),
        ({"scopes": ["Read"]}, "scopes"),
        ({"scopes": "read"}, "scopes"),
        ({"scopes": [str(number) for number in range(51)]}, "scopes"),
        ({"owner": "me"}, "owner"),
    ],
)
def test_what_cannot_be_named_is_refused(api, cast, changes, field):
    before = everything()
    answer = api(cast.developer).post(RESOURCES, {**DATASET, **changes})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert field in answer.json()["errors"]
    assert everything() == before


def test_viewers_look_and_change_nothing(api, cast):
    api(cast.developer).post(RESOURCES, DATASET)
    before = everything()
    assert api(cast.viewer).post(RESOURCES, DATASET).json()["permission"] == "manage_schemas"
    assert api(cast.viewer).delete(f"{RESOURCES}/{trn_of(cast.acme)}").status_code == 403
    assert everything() == before
    assert api(cast.viewer).get(RESOURCES).status_code == 200


def test_another_tenant_neither_sees_nor_touches_it(api, cast):
    trn = api(cast.developer).post(RESOURCES, DATASET).json()["trn"]
    before = everything()
    own = "/api/v1/orgs/globex/resources"
    for method in ("get", "delete"):
        answer = getattr(api(cast.outsider), method)(f"{own}/{trn}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), method
    assert trn not in api(cast.outsider).get(own).content.decode()
    assert api(cast.outsider).post(own, {**DATASET, "project": cast.project.public_id}).status_code == 404
    assert everything() == before


def test_two_organizations_may_use_the_same_name(api, cast):
    api(cast.developer).post(RESOURCES, DATASET)
    answer = api(cast.outsider).post("/api/v1/orgs/globex/resources", DATASET)
    assert answer.json()["trn"] == trn_of(cast.globex)


def test_the_list_is_filtered_and_paged(api, cast):
    client = api(cast.developer)
    for number in range(3):
        client.post(RESOURCES, {**DATASET, "name": str(number), "project": "rocket" if number else None})
    client.post(RESOURCES, {**DATASET, "service": "billing", "kind": "invoice"})

    def names(query):
        return [row["name"] for row in client.get(f"{RESOURCES}?{query}").json()["data"]]

    assert names("service=warehouse") == ["2", "1", "0"]
    assert names("kind=invoice") == ["customers/2026"]
    assert names("service=warehouse&project=rocket") == ["2", "1"]
    assert names("service=nothing") == []
    assert client.get(f"{RESOURCES}?project=nothing").status_code == 404
    page = client.get(f"{RESOURCES}?service=warehouse&limit=2").json()
    assert [row["name"] for row in page["data"]] == ["2", "1"]
    assert names(f"service=warehouse&limit=2&cursor={page['next']}") == ["0"]


# -- programs --------------------------------------------------------------------------------------------------------
@pytest.fixture
def other(cast):
    with tenant_scope(cast.acme.id):
        return create_project(actor=cast.principal(cast.owner), name="Booster", slug="booster")


def test_a_key_registers_for_its_own_project(api, cast, make, other):
    _, key = make.secret_key("manage_schemas", "view_org")
    record = api(key).post(RESOURCES, DATASET).json()
    assert record["project_id"] == cast.project.public_id
    assert api(key).post(RESOURCES, {**DATASET, "project": "rocket"}).json() == record
    assert api(key).delete(f"{RESOURCES}/{record['trn']}").status_code == 204
    before = everything()
    assert api(key).post(RESOURCES, {**DATASET, "project": other.public_id}).status_code == 404
    assert everything() == before


def test_a_key_touches_nothing_outside_of_its_project(api, cast, make, other):
    _, key = make.secret_key("manage_schemas", "view_org")
    with tenant_scope(cast.acme.id):
        theirs = register_resource(actor=SYSTEM, project_id=other.id, **DATASET)
        shared = register_resource(actor=SYSTEM, **{**DATASET, "name": "shared"})
    before = everything()
    for resource in (theirs, shared):
        answer = api(key).post(RESOURCES, {**DATASET, "name": resource.name})
        assert (answer.status_code, answer.json()["code"]) == (409, "resource_taken")
        assert api(key).delete(f"{RESOURCES}/{resource.trn}").status_code == 204
    assert everything() == before
    assert api(key).get(f"{RESOURCES}/{theirs.trn}").status_code == 404
    assert [row["name"] for row in api(key).get(f"{RESOURCES}?service=warehouse").json()["data"]] == ["shared"]


def test_a_name_that_another_project_took_first_is_denied_until_people_give_it_back(api, cast, make, other):
    """To the product, whoever is asked about: it never takes the other project's roles for its own."""
    _, key = make.secret_key("manage_schemas", "access:evaluate")
    with tenant_scope(cast.acme.id):
        taken = register_resource(actor=SYSTEM, service="billing", kind="invoice", name="7", project_id=other.id)
    question = {
        "subject": {"type": "user", "id": cast.owner.public_id},
        "action": {"name": "view_org"},
        "resource": {"type": "resource", "id": taken.trn},
    }
    body = {"service": "billing", "kind": "invoice", "name": "7"}
    assert api(key).post(RESOURCES, body).json()["code"] == "resource_taken"
    assert api(key).post("/access/v1/evaluation", question).json() == {"decision": False}
    assert api(cast.admin).post(RESOURCES, {**body, "project": "rocket"}).status_code == 200
    assert api(key).post(RESOURCES, body).status_code == 200
    assert api(key).post("/access/v1/evaluation", question).json()["decision"] is True


def test_a_key_without_the_permission_registers_nothing(api, cast, make):
    _, key = make.secret_key("view_org", "manage_apps")
    before = everything()
    assert api(key).post(RESOURCES, DATASET).json()["permission"] == "manage_schemas"
    assert everything() == before


# -- projects --------------------------------------------------------------------------------------------------------
def test_a_project_is_registered_as_it_is_created(api, cast):
    made = api(cast.developer).post("/api/v1/orgs/acme/projects", {"name": "Probe", "slug": "probe"}).json()
    record = api(cast.viewer).get(f"{RESOURCES}?kind=project&limit=1").json()["data"][0]
    assert record["trn"] == trn_of(cast.acme, f"project/{made['id']}", "tenantry")
    assert record["project_id"] == made["id"]


def test_what_tenantry_registered_stays(api, cast):
    trn = trn_of(cast.acme, f"project/{cast.project.public_id}", "tenantry")
    before = everything()
    answer = api(cast.owner).delete(f"{RESOURCES}/{trn}")
    assert (answer.status_code, answer.json()["code"]) == (403, "own_resource")
    assert everything() == before


def test_a_project_that_cannot_be_registered_is_not_created(cast, monkeypatch):
    def fail(*_arguments, **_named):
        raise ZeroDivisionError

    with tenant_scope(cast.acme.id):
        monkeypatch.setattr("projects.services.projects.Resource.objects.create", fail)
        with pytest.raises(ZeroDivisionError):
            create_project(actor=SYSTEM, name="Half", slug="half")
        assert not Project.objects.filter(slug="half").exists()


def test_a_project_takes_its_resources_with_it(cast):
    with tenant_scope(cast.acme.id):
        Resource.objects.create(service="warehouse", kind="dataset", name="x", project=cast.project)
        Project.objects.filter(id=cast.project.id).delete()
        assert not Resource.objects.filter(project_id=cast.project.id).exists()


def test_the_migration_registers_the_projects_that_exist(cast):
    from importlib import import_module

    from django.apps import apps

    with tenant_scope(cast.acme.id):
        Resource.objects.filter(kind="project").delete()
        import_module("projects.migrations.0005_registered_projects").register_projects(apps, None)
        assert Resource.objects.get(kind="project").trn == trn_of(
            cast.acme, f"project/{cast.project.public_id}", "tenantry"
        )


def test_two_that_register_the_same_at_once_make_one(committed_cast):
    cast, failures, start = committed_cast, [], threading.Barrier(2)

    def register(scope):
        try:
            start.wait()
            with tenant_scope(cast.acme.id):
                register_resource(actor=SYSTEM, scopes=[scope], **DATASET)
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=register, args=[scope]) for scope in ("read", "write")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with tenant_scope(cast.acme.id):
        assert Resource.objects.filter(service="warehouse").count() == 1


def test_changes_of_resources_are_noted_for_every_process(cast):
    with tenant_scope(cast.acme.id), connection.cursor() as cursor:
        for change in (
            lambda: register_resource(actor=SYSTEM, **DATASET),
            lambda: Resource.objects.filter(service="warehouse").update(scopes=["x"]),
            lambda: Resource.objects.filter(service="warehouse").delete(),
        ):
            cursor.execute("SELECT count(*) FROM orgs_change WHERE kind = 'access' AND entity = %s", [cast.acme.id])
            before = cursor.fetchone()[0]
            change()
            cursor.execute("SELECT count(*) FROM orgs_change WHERE kind = 'access' AND entity = %s", [cast.acme.id])
            assert cursor.fetchone()[0] > before


def test_a_name_of_an_organization_that_never_existed_is_absent(api, cast):
    trn = f"trn:tenantry:warehouse:{public_id('org', new_id())}:dataset/x"
    assert api(cast.owner).get(f"{RESOURCES}/{trn}").status_code == 404
    assert api(cast.owner).delete(f"{RESOURCES}/{trn}").status_code == 404
