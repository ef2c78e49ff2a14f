"""The dashboard and the REST interface are two doors to the same services: the same cases run through both."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from audit.models import AuditEvent
from config.kernel.tenancy.scope import tenant_scope
from keys.credentials import PATTERN
from keys.models import Agent, Key
from orgs.models import Invitation, Membership, Organization, ServiceGrant, User
from projects.models import Domain, Project
from tests.browsers import saved
from tests.cast import Cast
from tests.gateway import make_gateway
from webhooks.models import Delivery, Endpoint

REST, PAGES = "/api/v1/orgs/acme", "/orgs/acme"


class Door:
    """What somebody does, through one of the two doors; `answer.status_code` tells how it ended."""

    def __init__(self, cast: Cast, api: Callable, browse: Callable) -> None:
        self.cast, self.api, self.browse = cast, api, browse


class RestDoor(Door):
    def create_project(self, who: User, slug: str) -> Any:
        return self.api(who).post(f"{REST}/projects", {"name": "New", "slug": slug})

    def archive_project(self, who: User) -> Any:
        return self.api(who).post(f"{REST}/projects/rocket/archive")

    def rename(self, who: User, slug: str) -> Any:
        return self.api(who).patch(REST, {"name": "Acme", "slug": slug})

    def delete(self, who: User, confirm: str) -> Any:
        return self.api(who).delete(REST, {"confirm": confirm})

    def invite(self, who: User, email: str, role: str) -> Any:
        return self.api(who).post(f"{REST}/invitations", {"email": email, "role": role})

    def change_role(self, who: User, member: User, role: str) -> Any:
        return self.api(who).patch(f"{REST}/members/{member.public_id}", {"role": role})

    def remove(self, who: User, member: User) -> Any:
        return self.api(who).delete(f"{REST}/members/{member.public_id}")

    def create_key(self, who: User, name: str) -> Any:
        body = {"kind": "secret", "mode": "test", "name": name, "permissions": "admin"}
        return self.api(who).post(f"{REST}/projects/rocket/keys", body)

    def revoke_key(self, who: User, key: Key) -> Any:
        return self.api(who).post(f"{REST}/projects/rocket/keys/{key.public_id}/revoke")

    def create_agent(self, who: User, name: str) -> Any:
        return self.api(who).post(f"{REST}/projects/rocket/agents", {"name": name, "permissions": "admin"})

    def enrol_again(self, who: User, agent: Agent) -> Any:
        return self.api(who).post(f"{REST}/projects/rocket/agents/{agent.public_id}/enrolment-token")

    def revoke_agent(self, who: User, agent: Agent) -> Any:
        return self.api(who).post(f"{REST}/projects/rocket/agents/{agent.public_id}/revoke")

    def grant(self, who: User, account: str, permissions: list[str], project: str | None = None) -> Any:
        body = {"service_account": account, "permissions": permissions, "project": project}
        return self.api(who).post(f"{REST}/service-grants", body)

    def withdraw(self, who: User, grant: ServiceGrant) -> Any:
        return self.api(who).delete(f"{REST}/service-grants/{grant.public_id}")

    def register_domain(self, who: User, domain: str) -> Any:
        return self.api(who).post(f"{REST}/projects/rocket/domains", {"domain": domain})

    def remove_domain(self, who: User, domain: Domain) -> Any:
        return self.api(who).delete(f"{REST}/projects/rocket/domains/{domain.public_id}")

    def create_endpoint(self, who: User, url: str) -> Any:
        return self.api(who).post(f"{REST}/webhook-endpoints", {"url": url, "events": ["key.*"]})

    def send_test(self, who: User, endpoint: Endpoint) -> Any:
        return self.api(who).post(f"{REST}/webhook-endpoints/{endpoint.public_id}/test")

    def delete_endpoint(self, who: User, endpoint: Endpoint) -> Any:
        return self.api(who).delete(f"{REST}/webhook-endpoints/{endpoint.public_id}")


class PageDoor(Door):
    def create_project(self, who: User, slug: str) -> Any:
        return self.browse(who).post(f"{PAGES}/projects/new/", {"name": "New", "slug": slug})

    def archive_project(self, who: User) -> Any:
        return self.browse(who).post(f"{PAGES}/projects/rocket/archive/")

    def rename(self, who: User, slug: str) -> Any:
        return saved(self.browse(who), f"{PAGES}/settings/", {"name": "Acme", "slug": slug})

    def delete(self, who: User, confirm: str) -> Any:
        return self.browse(who).post(f"{PAGES}/settings/delete/", {"confirm": confirm})

    def invite(self, who: User, email: str, role: str) -> Any:
        return self.browse(who).post(f"{PAGES}/invitations/new/", {"email": email, "role": role})

    def change_role(self, who: User, member: User, role: str) -> Any:
        return self.browse(who).post(f"{PAGES}/members/{member.public_id}/role/", {"role": role})

    def remove(self, who: User, member: User) -> Any:
        return self.browse(who).post(f"{PAGES}/members/{member.public_id}/remove/")

    def create_key(self, who: User, name: str) -> Any:
        browser = self.browse(who)
        once = browser.get(f"{PAGES}/projects/rocket/keys/new/").context["form"]["once"].value()
        form = {"once": once, "kind": "secret", "mode": "test", "name": name, "preset": "admin", "expires": "never"}
        return browser.post(f"{PAGES}/projects/rocket/keys/new/", form)

    def revoke_key(self, who: User, key: Key) -> Any:
        return self.browse(who).post(f"{PAGES}/projects/rocket/keys/{key.public_id}/revoke/")

    def create_agent(self, who: User, name: str) -> Any:
        browser = self.browse(who)
        once = browser.get(f"{PAGES}/projects/rocket/agents/new/").context["form"]["once"].value()
        form = {"once": once, "name": name, "preset": "admin", "token_lifetime_seconds": "3600"}
        return browser.post(f"{PAGES}/projects/rocket/agents/new/", form)

    def enrol_again(self, who: User, agent: Agent) -> Any:
        browser, page = self.browse(who), f"{PAGES}/projects/rocket/agents/{agent.public_id}/enrol/"
        return browser.post(page, {"once": browser.get(page).context["form"]["once"].value()})

    def revoke_agent(self, who: User, agent: Agent) -> Any:
        return self.browse(who).post(f"{PAGES}/projects/rocket/agents/{agent.public_id}/revoke/")

    def grant(self, who: User, account: str, permissions: list[str], project: str | None = None) -> Any:
        form = {"service_account": account, "permissions": permissions, "project": project or ""}
        return self.browse(who).post(f"{PAGES}/service-grants/new/", form)

    def withdraw(self, who: User, grant: ServiceGrant) -> Any:
        return self.browse(who).post(f"{PAGES}/service-grants/{grant.public_id}/withdraw/")

    def register_domain(self, who: User, domain: str) -> Any:
        return self.browse(who).post(f"{PAGES}/projects/rocket/domains/", {"domain": domain})

    def remove_domain(self, who: User, domain: Domain) -> Any:
        return self.browse(who).post(f"{PAGES}/projects/rocket/domains/{domain.public_id}/remove/")

    def create_endpoint(self, who: User, url: str) -> Any:
        browser, page = self.browse(who), f"{PAGES}/webhooks/new/"
        shown = browser.get(page)
        once = shown.context["form"]["once"].value() if shown.status_code == 200 else ""
        return browser.post(page, {"once": once, "url": url, "which": "chosen", "events": ["key.*"]})

    def send_test(self, who: User, endpoint: Endpoint) -> Any:
        return self.browse(who).post(f"{PAGES}/webhooks/{endpoint.public_id}/test/")

    def delete_endpoint(self, who: User, endpoint: Endpoint) -> Any:
        return self.browse(who).post(f"{PAGES}/webhooks/{endpoint.public_id}/delete/", {"confirm": endpoint.host})


@pytest.fixture(params=[RestDoor, PageDoor], ids=["rest", "pages"])
def door(request: pytest.FixtureRequest, cast: Cast, api: Callable, browse: Callable) -> Door:
    return request.param(cast, api, browse)


@pytest.fixture
def recorded(cast: Cast) -> Callable[[], list[str]]:
    """What was done since the test began, the oldest first. Of refusals tests/projects/test_denials.py tells."""
    with tenant_scope(cast.acme.id):
        before = set(AuditEvent.objects.values_list("id", flat=True))

    def since() -> list[str]:
        with tenant_scope(cast.acme.id):
            done = AuditEvent.objects.exclude(event="access.denied")
            return [row.event for row in done.exclude(id__in=before).order_by("id")]

    return since


def done(answer: Any) -> bool:
    return answer.status_code in (200, 201, 204, 302)


def test_a_project_is_created_once(door, cast, recorded):
    assert done(door.create_project(cast.developer, "launcher"))
    assert door.create_project(cast.developer, "launcher").status_code == 409
    with tenant_scope(cast.acme.id):
        assert Project.objects.filter(slug="launcher").count() == 1
    assert recorded() == ["project.created"]


@pytest.mark.parametrize("slug", ["Launcher", "-x", "new", "a_b"])
def test_a_bad_slug_creates_nothing(door, cast, recorded, slug):
    assert door.create_project(cast.developer, slug).status_code in (400, 422)
    assert recorded() == []


def test_an_organization_does_not_take_a_slug_that_another_has_or_had(door, cast, recorded):
    assert door.rename(cast.owner, "globex").status_code == 409
    assert recorded() == []
    cast.acme.refresh_from_db()
    assert cast.acme.slug == "acme"


def test_a_rename_is_recorded_with_old_and_new(door, cast, recorded):
    assert done(door.rename(cast.admin, "acme-two"))
    assert recorded() == ["organization.updated"]
    assert Organization.objects.by_reference("acme").slug == "acme-two"


def test_deleting_needs_the_slug(door, cast, recorded):
    assert door.delete(cast.owner, "globex").status_code == 400
    assert recorded() == []
    assert done(door.delete(cast.owner, "acme"))
    assert recorded() == ["organization.deleted"]


def test_nobody_invites_above_themselves_or_twice(door, cast, recorded):
    assert door.invite(cast.admin, "new@x.example", "owner").status_code == 403
    assert recorded() == []
    assert done(door.invite(cast.admin, "New@x.example", "admin"))
    assert door.invite(cast.admin, "new@x.example", "viewer").status_code == 409
    assert door.invite(cast.admin, cast.viewer.email, "viewer").status_code == 409
    with tenant_scope(cast.acme.id):
        assert Invitation.objects.get().email == "new@x.example"
    assert recorded() == ["invitation.created"]


def test_the_last_owner_stays_an_owner(door, cast, recorded):
    answer = door.change_role(cast.owner, cast.owner, "admin")
    assert answer.status_code == 409, answer.content
    assert recorded() == []
    with tenant_scope(cast.acme.id):
        assert Membership.objects.owners().get().user == cast.owner


def test_an_admin_neither_changes_nor_removes_an_owner(door, cast, recorded):
    assert door.change_role(cast.admin, cast.owner, "viewer").status_code == 403
    assert door.remove(cast.admin, cast.owner).status_code == 403
    assert recorded() == []


def test_a_removed_member_is_out_on_the_next_request(door, cast, recorded):
    assert done(door.remove(cast.admin, cast.developer))
    assert recorded() == ["member.removed"]
    assert door.create_project(cast.developer, "late").status_code == 404


def test_a_demoted_member_may_less_on_the_next_request(door, cast):
    assert done(door.change_role(cast.owner, cast.developer, "viewer"))
    assert door.create_project(cast.developer, "late").status_code == 403


def test_a_key_is_made_shown_and_revoked(door, cast, recorded):
    answer = door.create_key(cast.developer, "Probe")
    assert done(answer)
    with tenant_scope(cast.acme.id):
        key = Key.objects.get(name="Probe")
    assert answer.content.decode().count(key.start) >= 1
    assert done(door.revoke_key(cast.developer, key))
    assert recorded() == ["key.created", "key.revoked"]
    with tenant_scope(cast.acme.id):
        assert Key.objects.get(id=key.id).state == Key.State.REVOKED


def test_an_agent_is_made_enrolled_anew_and_revoked(door, cast, recorded):
    answer = door.create_agent(cast.developer, "Probe")
    assert done(answer)
    assert re.search(PATTERN, answer.content.decode())
    assert door.create_agent(cast.developer, "Probe").status_code == 409
    with tenant_scope(cast.acme.id):
        agent = Agent.objects.get()
    assert done(door.enrol_again(cast.developer, agent))
    assert done(door.revoke_agent(cast.developer, agent))
    assert door.enrol_again(cast.developer, agent).status_code == 409
    assert recorded() == ["agent.created", "agent.enrolment_issued", "agent.revoked"]
    with tenant_scope(cast.acme.id):
        assert Agent.objects.get().state == Agent.State.REVOKED


def test_an_archived_project_makes_no_keys_and_no_agents(door, cast, recorded):
    assert done(door.create_agent(cast.developer, "Probe"))
    with tenant_scope(cast.acme.id):
        agent = Agent.objects.get()
    assert done(door.archive_project(cast.developer))
    assert door.create_key(cast.developer, "Late").status_code == 409
    assert door.create_agent(cast.developer, "Late").status_code == 409
    assert door.enrol_again(cast.developer, agent).status_code == 409
    assert recorded() == ["agent.created", "project.archived"]


def test_a_product_is_granted_permissions_and_loses_them(door, cast, recorded):
    gateway = make_gateway(cast)
    account = gateway.account.public_id
    assert door.grant(cast.developer, account, ["view_org"]).status_code == 403
    assert recorded() == []
    assert done(door.grant(cast.admin, account, ["view_org"], "rocket"))
    assert door.grant(cast.admin, account, ["keys:verify"], "rocket").status_code == 409
    assert gateway.ask("GET", f"{REST}/projects/rocket").status_code == 200
    with tenant_scope(cast.acme.id):
        grant = ServiceGrant.objects.get()
    assert door.withdraw(cast.viewer, grant).status_code == 403
    assert done(door.withdraw(cast.admin, grant))
    assert recorded() == ["service_grant.created", "service_grant.withdrawn"]
    assert gateway.ask("GET", f"{REST}/projects/rocket").status_code == 404


def test_a_domain_is_registered_once_within_the_plan_and_removed(door, cast, recorded):
    assert door.register_domain(cast.viewer, "shop.example.com").status_code == 403
    assert door.register_domain(cast.developer, "*.com").status_code == 400
    assert recorded() == []
    for domain in ("Shop.example.com", "*.example.org", "example.net"):
        assert done(door.register_domain(cast.developer, domain))
    assert door.register_domain(cast.developer, "shop.example.com").status_code == 409
    assert door.register_domain(cast.developer, "one-more.example.com").status_code == 403
    with tenant_scope(cast.acme.id):
        domain = Domain.objects.get(pattern="shop.example.com")
    assert door.remove_domain(cast.viewer, domain).status_code == 403
    assert done(door.remove_domain(cast.developer, domain))
    assert door.remove_domain(cast.developer, domain).status_code == 404
    assert recorded() == ["domain.registered"] * 3 + ["domain.removed"]


def test_an_endpoint_is_made_tested_and_deleted_by_who_manages_webhooks(door, cast, recorded):
    assert door.create_endpoint(cast.developer, "http://127.0.0.1:9/").status_code == 403
    assert door.create_endpoint(cast.admin, "https://10.0.0.1/").status_code in (400, 422)
    assert recorded() == []
    answer = door.create_endpoint(cast.admin, "http://127.0.0.1:9/")
    assert done(answer)
    assert "whsec_" in answer.content.decode()
    with tenant_scope(cast.acme.id):
        endpoint = Endpoint.objects.get()
    assert door.send_test(cast.developer, endpoint).status_code == 403
    assert done(door.send_test(cast.admin, endpoint))
    assert door.delete_endpoint(cast.viewer, endpoint).status_code == 403
    with tenant_scope(cast.acme.id):
        assert Delivery.objects.get().event == "webhook_endpoint.tested"
    assert done(door.delete_endpoint(cast.admin, endpoint))
    assert recorded() == ["webhook_endpoint.created", "webhook_endpoint.tested", "webhook_endpoint.deleted"]
