"""`/api/v1/orgs/{org}/projects/{project}/domains` and `…/seen-domains`."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.errors import Forbidden
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import tenant_scope
from orgs.models import Organization
from orgs.plans import plans
from orgs.services.organizations import change_plan
from projects.models import Domain, Project, SeenDomain
from projects.services.domains import MOST_SEEN, note_seen
from projects.services.projects import create_project, set_system
from tests.api.rows import everything
from tests.at_once import at_once
from tests.conftest import JSONClient

DOMAINS = "/api/v1/orgs/acme/projects/rocket/domains"
SEEN = "/api/v1/orgs/acme/projects/rocket/seen-domains"


def registered(cast) -> list[str]:
    with tenant_scope(cast.acme.id):
        return sorted(Domain.objects.values_list("pattern", flat=True))


def seen_hosts(cast) -> list[str]:
    with tenant_scope(cast.acme.id):
        return sorted(SeenDomain.objects.values_list("host", flat=True))


def see(cast, *hosts: str, project=None) -> None:
    with tenant_scope(cast.acme.id):
        for host in hosts:
            note_seen(actor=SYSTEM, project_id=(project or cast.project).id, host=host)


@pytest.fixture
def second(cast):
    with tenant_scope(cast.acme.id):
        return create_project(actor=cast.principal(cast.owner), name="Second", slug="second")


def test_a_domain_is_registered_normalised_listed_and_removed(api, cast):
    made = api(cast.developer).post(DOMAINS, {"domain": "https://*.MÜNCHEN.de:8443/"})
    assert (made.status_code, made.json()["domain"], made.json()["test_only"]) == (201, "*.xn--mnchen-3ya.de", False)
    assert made.json()["created_by"] == cast.developer.public_id
    assert made.json()["project_id"] == cast.project.public_id
    assert api(cast.viewer).get(DOMAINS).json()["data"] == [made.json()]
    path = f"{DOMAINS}/{made.json()['id']}"
    assert api(cast.developer).delete(path).status_code == 204
    assert api(cast.developer).delete(path).status_code == 404
    assert api(cast.viewer).get(DOMAINS).json() == {"data": [], "next": None}
    with tenant_scope(cast.acme.id):
        told = (
            AuditEvent.objects.filter(event__startswith="domain.").order_by("id").values_list("event", "target_label")
        )
        assert list(told) == [("domain.registered", "*.xn--mnchen-3ya.de"), ("domain.removed", "*.xn--mnchen-3ya.de")]


@pytest.mark.parametrize(
    ("domain", "words"),
    [
        ("*.com", "would let in everybody"), ("com", "belongs to everybody"), ("github.io", "belongs to everybody"),
        ("*.github.io", "would let in everybody"), ("*", "at the very beginning"), ("a b.example", "Write a host"),
        ("http://", "Write a host"), ("x" * 64 + ".example", "Write a host"),
    ],
)  # fmt: skip
def test_what_cannot_be_registered_is_refused_in_words(api, cast, domain, words):
    before = everything()
    answer = api(cast.owner).post(DOMAINS, {"domain": domain})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert words in answer.json()["errors"]["domain"][0]
    assert everything() == before


@pytest.mark.parametrize("body", [{}, {"domain": None}, {"domain": 1}, {"domain": ""}, {"domain": "x" * 301}])
def test_a_body_without_a_domain_is_refused(api, cast, body):
    before = everything()
    assert api(cast.owner).post(DOMAINS, body).status_code == 400
    assert everything() == before


def test_the_same_domain_twice_is_a_conflict_and_another_projects_own_affair(api, cast, second):
    assert api(cast.owner).post(DOMAINS, {"domain": "shop.example.com"}).status_code == 201
    before = everything()
    again = api(cast.owner).post(DOMAINS, {"domain": "SHOP.example.com."})
    assert (again.status_code, again.json()["code"]) == (409, "domain_registered")
    assert everything() == before
    other = api(cast.owner).post("/api/v1/orgs/acme/projects/second/domains", {"domain": "shop.example.com"})
    assert other.status_code == 201
    foreign = api(cast.outsider).post("/api/v1/orgs/globex/projects/freight/domains", {"domain": "shop.example.com"})
    assert foreign.status_code == 201


def test_viewers_see_domains_and_change_none(api, cast):
    made = api(cast.owner).post(DOMAINS, {"domain": "shop.example.com"}).json()
    see(cast, "other.example.com")
    seen = api(cast.viewer).get(SEEN).json()["data"][0]["id"]
    before = everything()
    viewer = api(cast.viewer)
    for answer in (
        viewer.post(DOMAINS, {"domain": "a.example.com"}),
        viewer.delete(f"{DOMAINS}/{made['id']}"),
        viewer.delete(SEEN),
        viewer.delete(f"{SEEN}/{seen}"),
    ):
        assert (answer.status_code, answer.json()["permission"]) == (403, "manage_keys")
    assert everything() == before


def test_a_domain_of_another_project_is_absent(api, cast, second):
    made = api(cast.owner).post(DOMAINS, {"domain": "shop.example.com"}).json()
    foreign = api(cast.outsider).post("/api/v1/orgs/globex/projects/freight/domains", {"domain": "a.example"}).json()
    before = everything()
    for reference in (made["id"], foreign["id"], "dom_x", cast.key.public_id):
        answer = api(cast.owner).delete(f"/api/v1/orgs/acme/projects/second/domains/{reference}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert everything() == before


def test_a_projects_own_key_manages_its_domains(api, cast):
    assert api(cast.secret_key).post(DOMAINS, {"domain": "shop.example.com"}).json()["created_by"] == cast.key.public_id


def test_this_machines_names_are_marked_and_cost_nothing(api, cast):
    for domain in ("localhost", "127.0.0.1", "[::1]", "app.localhost", "localhost.example.com"):
        assert api(cast.owner).post(DOMAINS, {"domain": domain}).status_code == 201
    marks = {row["domain"]: row["test_only"] for row in api(cast.owner).get(DOMAINS).json()["data"]}
    assert marks == {
        "localhost": True, "127.0.0.1": True, "[::1]": True, "app.localhost": True, "localhost.example.com": False,
    }  # fmt: skip


# -- the plan's limit ------------------------------------------------------------------------------------------------
def test_registering_beyond_the_plan_is_refused(api, cast, second):
    owner = api(cast.owner)
    for number in range(3):
        assert owner.post(DOMAINS, {"domain": f"shop{number}.example.com"}).status_code == 201
    # The same host in another project is no host more.
    other = "/api/v1/orgs/acme/projects/second/domains"
    assert owner.post(other, {"domain": "shop0.example.com"}).status_code == 201
    before = everything()
    for path in (DOMAINS, other):
        refused = owner.post(path, {"domain": "shop3.example.com"})
        assert (refused.status_code, refused.json()["code"], refused.json()["limit"]) == (403, "domain_cap_exceeded", 3)
    assert everything() == before
    with tenant_scope(cast.acme.id):
        change_plan(actor=cast.staff_principal(), plan="pro")
    assert owner.post(DOMAINS, {"domain": "shop3.example.com"}).status_code == 201


def test_seen_hosts_count_until_they_are_registered_or_forgotten(api, cast):
    owner = api(cast.owner)
    see(cast, "a.example.com", "b.example.com", "c.example.org")
    assert owner.post(DOMAINS, {"domain": "d.example.com"}).json()["code"] == "domain_cap_exceeded"
    assert owner.post(DOMAINS, {"domain": "a.example.com"}).status_code == 201
    assert seen_hosts(cast) == ["b.example.com", "c.example.org"]
    assert owner.post(DOMAINS, {"domain": "*.example.com"}).status_code == 201
    assert seen_hosts(cast) == ["c.example.org"]
    row = owner.get(SEEN).json()["data"][0]
    assert owner.delete(f"{SEEN}/{row['id']}").status_code == 204
    assert owner.delete(f"{SEEN}/{row['id']}").status_code == 404
    assert owner.post(DOMAINS, {"domain": "d.example.com"}).status_code == 201


def test_a_smaller_plan_takes_nothing_away_and_lets_nothing_in(api, cast):
    with tenant_scope(cast.acme.id):
        change_plan(actor=cast.staff_principal(), plan="pro")
    owner = api(cast.owner)
    for number in range(5):
        owner.post(DOMAINS, {"domain": f"shop{number}.example.com"})
    see(cast, "seen.example.com")
    with tenant_scope(cast.acme.id):
        change_plan(actor=cast.staff_principal(), plan="free")
    assert owner.post(DOMAINS, {"domain": "new.example.com"}).json()["code"] == "domain_cap_exceeded"
    assert owner.post(DOMAINS, {"domain": "seen.example.com"}).status_code == 201  # no host more than before
    assert len(registered(cast)) == 6


def test_hosts_of_system_projects_do_not_count(api, cast, second):
    with tenant_scope(cast.acme.id):
        set_system(actor=cast.staff_principal(), project_id=cast.project.id, is_system=True)
    owner = api(cast.owner)
    for number in range(5):
        assert owner.post(DOMAINS, {"domain": f"shop{number}.example.com"}).status_code == 201
    for number in range(3):
        path = "/api/v1/orgs/acme/projects/second/domains"
        assert owner.post(path, {"domain": f"other{number}.example.com"}).status_code == 201
    assert owner.post(path, {"domain": "other3.example.com"}).json()["code"] == "domain_cap_exceeded"


def test_only_staff_make_a_project_one_of_the_system(api, cast):
    before = everything()
    with tenant_scope(cast.acme.id), pytest.raises(Forbidden):
        set_system(actor=cast.principal(cast.owner), project_id=cast.project.id, is_system=True)
    answer = api(cast.owner).patch("/api/v1/orgs/acme/projects/rocket", {"is_system": True})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["is_system"])
    assert everything() == before


def test_at_most_so_many_of_fifty_registrations_at_once_succeed(committed_cast):
    cast = committed_cast
    token = cast.token(cast.owner)
    answers = at_once(
        [
            lambda number=number: JSONClient(token).post(DOMAINS, {"domain": f"shop{number}.example.com"})
            for number in range(50)
        ]
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [403] * 47
    assert len(registered(cast)) == 3


def test_at_most_so_many_of_fifty_sightings_at_once_are_noted(committed_cast):
    cast = committed_cast

    def sighting(number):
        def run():
            try:
                see(cast, f"shop{number % 25}.example.com")
            except Forbidden as error:
                return error.code
            return "noted"

        return run

    outcomes = at_once([sighting(number) for number in range(50)])
    assert len(seen_hosts(cast)) == 3
    assert outcomes.count("noted") >= 3
    assert set(outcomes) == {"noted", "domain_cap_exceeded"}
    with tenant_scope(cast.acme.id):
        assert AuditEvent.objects.filter(event="domain.seen").count() == 3


# -- hosts that were seen --------------------------------------------------------------------------------------------
def test_a_host_is_noted_once_in_a_while(cast, django_assert_num_queries):
    see(cast, "a.example.com")
    with django_assert_num_queries(1):
        see(cast, "a.example.com")
    with tenant_scope(cast.acme.id):
        row = SeenDomain.objects.get()
        assert row.count == 1
        first = row.created_at
        SeenDomain.objects.update(last_seen_at=timezone.now() - timedelta(minutes=11))
    see(cast, "a.example.com")
    see(cast, "a.example.com")
    with tenant_scope(cast.acme.id):
        row = SeenDomain.objects.get()
        assert (row.count, row.created_at) == (2, first)
        assert timezone.now() - row.last_seen_at < timedelta(minutes=1)


def test_a_host_that_was_registered_meanwhile_is_not_noted(api, cast):
    api(cast.owner).post(DOMAINS, {"domain": "*.example.com"})
    see(cast, "shop.example.com")
    assert seen_hosts(cast) == []


def test_seen_hosts_are_listed_and_all_forgotten_at_once(api, cast):
    see(cast, "a.example.com", "b.example.com")
    rows = api(cast.viewer).get(SEEN).json()["data"]
    assert [(row["host"], row["count"]) for row in rows] == [("b.example.com", 1), ("a.example.com", 1)]
    assert api(cast.developer).delete(SEEN).status_code == 204
    assert seen_hosts(cast) == []
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.get(event="domain.forgotten")
        assert event.data["hosts"] == ["a.example.com", "b.example.com"]
        count = AuditEvent.objects.count()
    assert api(cast.developer).delete(SEEN).status_code == 204
    with tenant_scope(cast.acme.id):
        assert AuditEvent.objects.count() == count


def test_a_plan_without_a_limit_does_not_fill_the_database_with_invented_hosts(cast):
    with tenant_scope(cast.acme.id):
        change_plan(actor=cast.staff_principal(), plan="enterprise")
        now = timezone.now()
        SeenDomain.objects.bulk_create(
            SeenDomain(project=cast.project, host=f"h{n}.example", is_loopback=False, last_seen_at=now)
            for n in range(MOST_SEEN - 1)
        )
    see(cast, "one-more.example", "and-another.example")
    assert len(seen_hosts(cast)) == MOST_SEEN
    assert "and-another.example" not in seen_hosts(cast)


def test_the_end_of_noting_hosts_is_no_way_past_a_smaller_plan(cast):
    with tenant_scope(cast.acme.id):
        change_plan(actor=cast.staff_principal(), plan="enterprise")
        now = timezone.now()
        SeenDomain.objects.bulk_create(
            SeenDomain(project=cast.project, host=f"h{n}.example", is_loopback=False, last_seen_at=now)
            for n in range(MOST_SEEN)
        )
        change_plan(actor=cast.staff_principal(), plan="free")
    page, before = JSONClient(cast.publishable_key), everything()
    for path, body in (("licenses/verify", {}), ("track", {"events": [{"name": "page_view"}]})):
        refused = page.post(f"/api/v1/{path}", body, HTTP_ORIGIN="https://new.example")
        assert (refused.status_code, refused.json()["code"]) == (403, "domain_cap_exceeded"), path
        assert everything() == before, path
    known = page.post("/api/v1/licenses/verify", {}, HTTP_ORIGIN="https://h1.example")
    assert known.status_code == 200, "a host that was noted before goes on"


def test_the_operator_can_change_how_many_domains_a_plan_includes(api, cast):
    with override_settings(TENANTRY_PLANS={"free": {"domains": 1}}):
        plans.cache_clear()
        try:
            assert api(cast.owner).post(DOMAINS, {"domain": "a.example.com"}).status_code == 201
            assert api(cast.owner).post(DOMAINS, {"domain": "b.example.com"}).json()["limit"] == 1
        finally:
            plans.cache_clear()


# -- the setting of a project ----------------------------------------------------------------------------------------
def test_a_project_says_what_unregistered_domains_get(api, cast):
    rocket = "/api/v1/orgs/acme/projects/rocket"
    assert api(cast.viewer).get(rocket).json()["unregistered_domains"] == "downgrade"
    assert api(cast.viewer).get(rocket).json()["is_system"] is False
    changed = api(cast.developer).patch(rocket, {"unregistered_domains": "reject"})
    assert (changed.status_code, changed.json()["unregistered_domains"]) == (200, "reject")
    before = everything()
    assert api(cast.developer).patch(rocket, {"unregistered_domains": "ignore"}).status_code == 400
    assert everything() == before
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.filter(event="project.updated").get()
        assert event.data["changes"] == {"unregistered_domains": ["downgrade", "reject"]}


def test_changes_of_domains_are_noted_for_whoever_keeps_them_in_memory(api, cast):
    made = api(cast.owner).post(DOMAINS, {"domain": "a.example.com"}).json()
    api(cast.owner).delete(f"{DOMAINS}/{made['id']}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orgs_change WHERE kind = 'project' AND entity = %s", [cast.project.id])
        assert cursor.fetchone()[0] >= 2
    assert Organization.objects.count() == 2
    with tenant_scope(cast.acme.id):
        assert Project.objects.count() == 1
