"""Who was refused at the gates is on the record of the organization that it was about, and of no other."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from celery import current_app
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import AuditEvent
from config.kernel.models import WaitingTask
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.principals import SYSTEM
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.services.keys import create_key
from keys.services.tokens import create_token
from orgs.models import Membership, Organization
from orgs.services.members import remove_member
from projects.services import denials
from projects.services.projects import create_project
from tests.cast import Cast
from tests.conftest import JSONClient
from tests.database import closed
from tests.gateway import make_gateway, state
from webhooks.fan_out import fan_out
from webhooks.models import Delivery, OutboxEntry
from webhooks.services.addresses import FitUrl
from webhooks.services.endpoints import create_endpoint

ACME = "/api/v1/orgs/acme"
PAGES = "/orgs/acme"
ADDRESS = "https://hooks.example/"
UNNAMED = "Somebody who is no member"
# What differs between two requests for the very same, too.
VALUE, CSRF_TOKEN = re.compile(r"'[^']*'|\b\d+\b|s\d+_x\d+"), re.compile(rb"\b[0-9A-Za-z]{64}\b")
NOBODYS_ORGANIZATION = "org_01h455vb4pex5vsknk084sn02q"
NOBODYS_PROJECT = "prj_01h455vb4pex5vsknk084sn02q"


def denied(organization: Organization) -> list[AuditEvent]:
    """What is on its record, the oldest first."""
    with tenant_scope(organization.id):
        return list(AuditEvent.objects.filter(event="access.denied").order_by("id"))


def all_denied() -> int:
    with system_scope("test"):
        return AuditEvent.objects.filter(event="access.denied").count()


@pytest.fixture
def asked(delivering: Any) -> Callable[..., Any]:
    """The answer to a request; what the worker does afterwards is done."""

    def ask(client: Any, method: str, path: str, **more: Any) -> Any:
        with delivering():
            return getattr(client, method.lower())(path, **more)

    return ask


# -- members who lack a permission ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("role", "request_line", "permission"),
    [
        ("viewer", "POST /projects", "manage_apps"),
        ("viewer", "POST /projects/rocket/archive", "manage_apps"),
        ("developer", "POST /invitations", "manage_members"),
        ("admin", "DELETE ", "delete_org"),
    ],
)
def test_a_member_refused_over_rest_is_on_record(api: Any, cast: Cast, role: str, request_line: str, permission: str):
    method, path = request_line.split(" ")
    member = cast.member(role)
    client = api(member)
    before = state()
    answer = getattr(client, method.lower())(ACME + path, headers={"User-Agent": "curl"})
    assert (answer.status_code, answer.json()["permission"]) == (403, permission)
    assert state() == before
    [row] = denied(cast.acme)
    target = cast.project if "rocket" in path else cast.acme
    assert (row.actor_kind, row.actor_id, row.actor_label) == ("user", member.public_id, member.email)
    assert (row.target_id, row.target_label, row.result) == (target.public_id, target.name, "refused")
    assert row.data == {
        "cause": "permission_missing",
        "method": method,
        "route": "/api/v1/orgs/{organization}" + path.replace("rocket", "{project}"),
        "permission": permission,
        "project": cast.project.public_id if "rocket" in path else None,
    }
    assert (row.ip, row.user_agent, row.request_id) == ("127.0.0.1", "curl", answer["X-Request-Id"])


@pytest.mark.parametrize(
    ("role", "request_line", "permission"),
    [
        ("viewer", "GET /projects/new/", "manage_apps"),
        ("viewer", "POST /projects/rocket/archive/", "manage_apps"),
        ("developer", "GET /invitations/", "manage_members"),
        ("admin", "POST /settings/delete/", "delete_org"),
    ],
)
def test_a_member_refused_a_page_is_on_record(browse: Any, cast: Cast, role: str, request_line: str, permission: str):
    method, path = request_line.split(" ")
    browser, before = browse(cast.member(role)), state()
    assert getattr(browser, method.lower())(PAGES + path).status_code == 403
    assert state() == before
    [row] = denied(cast.acme)
    assert (row.actor_id, row.data["permission"]) == (cast.member(role).public_id, permission)
    route = "/orgs/{organization}" + path.replace("rocket", "{project}")
    assert (row.data["method"], row.data["route"]) == (method, route)


def test_programs_that_lack_a_permission_are_on_record(api: Any, cast: Cast):
    with tenant_scope(cast.acme.id):
        _, runner = create_key(
            actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=cast.project.id,
            kind="secret", mode="live", name="Runner", permissions="runner",
        )  # fmt: skip
    _, narrow = create_token(actor=cast.principal(cast.owner), user=cast.owner, name="narrow", permissions=["view_org"])
    made = api(cast.owner).post(f"{ACME}/projects/rocket/agents", {"name": "Builder", "permissions": "runner"}).json()
    enrolled = api(None).post("/api/v1/agents/enroll", {"enrolment_token": made["enrolment_token"]}).json()
    gateway = make_gateway(cast)
    gateway.grant(cast.acme, "view_org")
    for credential in (runner, enrolled["access_token"], narrow):
        assert api(credential).post(f"{ACME}/projects/rocket/archive").status_code == 403
    assert gateway.ask("POST", f"{ACME}/projects/rocket/archive").status_code == 403
    assert [(row.actor_kind, row.actor_label, row.data["cause"]) for row in denied(cast.acme)] == [
        ("key", f"Runner ({runner[:12]}…)", "permission_missing"),
        ("agent", "Builder", "permission_missing"),
        ("user", cast.owner.email, "permission_missing"),
        ("service", "Gateway", "permission_missing"),
    ]


def test_what_is_allowed_or_asked_without_a_credential_is_no_refused_attempt(
    api: Any, browse: Any, cast: Cast, asked: Any
):
    for client in (api(None), api("sk_live_nonsense"), api(cast.publishable_key)):
        assert asked(client, "GET", ACME).status_code == 401
    assert asked(browse(None), "GET", f"{PAGES}/").status_code == 302
    assert asked(api(cast.owner), "GET", f"{ACME}/projects/{NOBODYS_PROJECT}").status_code == 404
    assert asked(api(cast.secret_key), "GET", f"{ACME}/projects/rocket").status_code == 200
    assert all_denied() == 0


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_the_pages_ask_for_nothing_that_is_refused(browse: Any, cast: Cast, asked: Any, role: str):
    """Else everybody who only looks around would be on record as somebody who was refused."""
    browser = browse(cast.member(role))
    seen, found = set(), {f"{PAGES}/"}
    while found - seen:
        address = sorted(found - seen)[0]
        seen.add(address)
        page = asked(browser, "GET", address)
        assert page.status_code == 200, address
        for name in (b'href="', b'hx-get="'):
            addresses = [part.split(b'"')[0].decode() for part in page.getvalue().split(name)[1:]]
            found |= {each for each in addresses if each.startswith(f"{PAGES}/") and "?" not in each}
    assert len(seen) > 10
    assert all_denied() == 0


# -- people and programs of elsewhere ---------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["", "/projects/rocket", "/projects/nothing", "/members"])
def test_somebody_who_is_no_member_is_on_record_without_their_name(api: Any, cast: Cast, asked: Any, path: str):
    answer = asked(api(cast.outsider), "GET", ACME + path, headers={"User-Agent": "curl"})
    assert answer.status_code == 404
    [row] = denied(cast.acme)
    target = cast.project if "rocket" in path else cast.acme
    assert (row.actor_kind, row.actor_id, row.actor_label) == ("user", cast.outsider.public_id, UNNAMED)
    assert (row.target_id, row.result, row.data["cause"]) == (target.public_id, "refused", "not_a_member")
    assert (row.ip, row.user_agent, row.request_id) == ("127.0.0.1", "curl", answer["X-Request-Id"])
    with tenant_scope(cast.acme.id):
        assert cast.outsider.email not in str(list(AuditEvent.objects.filter(event="access.denied").values()))
    assert all_denied() == 1


def test_a_page_of_another_organization_is_on_record(browse: Any, cast: Cast, asked: Any):
    assert asked(browse(cast.outsider), "GET", f"{PAGES}/projects/rocket/").status_code == 404
    [row] = denied(cast.acme)
    assert (row.actor_id, row.actor_label) == (cast.outsider.public_id, UNNAMED)
    assert (row.data["method"], row.data["route"]) == ("GET", "/orgs/{organization}/projects/{project}/")
    assert row.data["project"] == cast.project.public_id


def test_somebody_who_was_a_member_is_called_as_the_log_knows_them(api: Any, cast: Cast, asked: Any):
    client = api(cast.viewer)
    with tenant_scope(cast.acme.id):
        remove_member(actor=cast.principal(cast.owner), user_id=cast.viewer.id)
    asked(client, "GET", ACME)
    [row] = denied(cast.acme)
    assert (row.actor_label, row.data["cause"]) == (cast.viewer.email, "not_a_member")


def test_a_program_of_another_organization_is_on_record_without_its_name(api: Any, cast: Cast, asked: Any):
    for path in ("", "/projects/rocket"):
        assert asked(api(cast.foreign_secret_key), "GET", ACME + path).status_code == 404
    rows = denied(cast.acme)
    assert [row.target_id for row in rows] == [cast.acme.public_id, cast.project.public_id]
    assert {(row.actor_kind, row.actor_id, row.actor_label, row.data["cause"]) for row in rows} == {
        ("key", cast.foreign_key.public_id, "A key of another organization", "other_organization")
    }
    assert all_denied() == 2


def test_a_token_for_one_organization_is_on_record_in_another(api: Any, cast: Cast, asked: Any):
    with tenant_scope(cast.globex.id):
        Membership.objects.create(user=cast.owner, role="viewer")
    _, narrow = create_token(actor=cast.principal(cast.owner), user=cast.owner, name="narrow", organization=cast.globex)
    assert asked(api(narrow), "GET", ACME).status_code == 404
    [row] = denied(cast.acme)
    assert (row.actor_label, row.data["cause"]) == (cast.owner.email, "other_organization")


def test_a_program_is_on_record_in_another_project_of_its_organization(api: Any, cast: Cast, asked: Any):
    with tenant_scope(cast.acme.id):
        other = create_project(actor=SYSTEM, name="Falcon", slug="falcon")
    gateway = make_gateway(cast)
    gateway.grant(cast.acme, "view_org", project=cast.project)
    assert asked(api(cast.secret_key), "GET", f"{ACME}/projects/falcon").status_code == 404
    with_grant = JSONClient()
    signed = gateway.sign("GET", f"{ACME}/projects/falcon")
    assert asked(with_grant, "GET", f"{ACME}/projects/falcon", headers=signed).status_code == 404
    assert [(row.actor_kind, row.actor_label, row.target_id, row.data["cause"]) for row in denied(cast.acme)] == [
        ("key", f"Backend ({cast.secret_key[:12]}…)", other.public_id, "other_project"),
        ("service", "Gateway", other.public_id, "no_grant"),
    ]


def test_a_service_account_without_any_grant_is_on_record_once_as_before(cast: Cast, asked: Any):
    gateway = make_gateway(cast)
    signed = gateway.sign("GET", ACME)
    assert asked(JSONClient(), "GET", ACME, headers=signed).status_code == 404
    with tenant_scope(cast.acme.id):
        assert AuditEvent.objects.filter(event="service_account.refused").count() == 1
    assert all_denied() == 0


def test_a_project_named_under_the_wrong_organization_is_on_record_where_it_belongs(api: Any, cast: Cast, asked: Any):
    address = f"{ACME}/projects/{cast.foreign_project.public_id}"
    assert asked(api(cast.viewer), "GET", address).status_code == 404
    assert denied(cast.acme) == []
    [row] = denied(cast.globex)
    assert (row.actor_id, row.actor_label, row.target_id) == (
        cast.viewer.public_id, UNNAMED, cast.foreign_project.public_id,
    )  # fmt: skip
    assert asked(api(cast.outsider), "GET", address).status_code == 404  # at home in the project, not in Acme
    assert len(denied(cast.globex)) == 1
    assert [row.actor_id for row in denied(cast.acme)] == [cast.outsider.public_id]


def test_somebody_who_follows_a_products_link_to_a_project_of_others_is_on_record(browse: Any, cast: Cast, asked: Any):
    query = f"project={cast.project.public_id}&redirect_uri=https://a.example/&state=a-secret-of-the-product"
    assert asked(browse(cast.outsider), "GET", f"/sso/handover/continue/?{query}").status_code == 404
    [row] = denied(cast.acme)
    assert (row.target_id, row.data["method"]) == (cast.project.public_id, "GET")
    assert "a-secret-of-the-product" not in str(row.data)


def test_a_task_that_comes_twice_makes_one_record(api: Any, cast: Cast):
    client = api(cast.outsider)
    for _ in range(2):
        client.get(ACME, headers={"X-Request-Id": "chosen-by-the-caller"})
    waiting = [task.arguments for task in WaitingTask.objects.filter(name="projects.record_absent")]
    outcomes = [current_app.tasks["projects.record_absent"](*arguments) for arguments in waiting * 2]
    assert outcomes == ["recorded 1", "recorded 1", "recorded 0", "recorded 0"]
    assert len(denied(cast.acme)) == 2


def test_webhooks_of_the_organization_alone_get_it(api: Any, cast: Cast, asked: Any):
    endpoints = {}
    for organization in (cast.acme, cast.globex):
        with tenant_scope(organization.id):
            endpoints[organization.id] = create_endpoint(actor=SYSTEM, url=FitUrl(ADDRESS), events=["*"])[0].id
            Delivery.objects.all().delete()
    with system_scope("test"):
        OutboxEntry.objects.all().delete()
    asked(api(cast.outsider), "GET", ACME)
    fan_out()
    with system_scope("test"):
        made = Delivery.objects.filter(event="access.denied").values_list("endpoint_id", flat=True)
        assert list(made) == [endpoints[cast.acme.id]]


# -- what the answer tells --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("existing", "missing"),
    [
        (ACME, "/api/v1/orgs/nothing"),
        (f"{ACME}/projects/rocket", f"{ACME}/projects/nothing"),
        (f"{ACME}/projects/rocket/keys", "/api/v1/orgs/nothing/projects/rocket/keys"),
        (f"{PAGES}/", "/orgs/nothing/"),
        (f"{PAGES}/projects/rocket/", "/orgs/nothing/projects/rocket/"),
    ],
)
def test_the_answer_is_the_same_whether_it_exists_or_not(
    api: Any, browse: Any, cast: Cast, existing: str, missing: str
):
    """And so is the work before it: the same statements, none of which writes to a ledger."""
    client = browse(cast.outsider) if existing.startswith(PAGES) else api(cast.outsider)
    answers = []
    for address in (existing, existing, missing):  # the first one warms what is kept in memory
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(address, headers={"X-Request-Id": "the-same-for-both"})
        texts = [VALUE.sub("", query["sql"]) for query in queries]
        content = CSRF_TOKEN.sub(b"", answer.content).replace(address.encode(), b"")  # a page says where it is
        answers.append((answer.status_code, content, {**answer.headers, "Content-Length": None}, texts))
    _, (status, content, headers, texts), missed = answers
    assert (status, content, headers) == missed[:3]
    assert texts == missed[3]
    assert status == 404
    assert not [text for text in texts if "audit_event" in text]


# -- not to be filled, and not to be relied upon ----------------------------------------------------------------------
def test_of_one_who_asks_only_so_much_is_written(
    api: Any, cast: Cast, asked: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(denials, "OF_ONE", "2/hour")
    for client, path, status in ((api(cast.viewer), "/invitations", 403), (api(cast.outsider), "", 404)):
        for _ in range(4):
            assert asked(client, "GET", ACME + path).status_code == status
    assert [row.actor_id for row in denied(cast.acme)] == [cast.viewer.public_id] * 2 + [cast.outsider.public_id] * 2
    assert len([line for line in caplog.records if "access denied" in line.getMessage()]) == 8
    asked(api(cast.developer), "GET", f"{ACME}/invitations")
    assert len(denied(cast.acme)) == 5


def test_of_all_who_ask_only_so_much_is_written(api: Any, cast: Cast, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(denials, "OF_ALL", "1/hour")
    for member in (cast.viewer, cast.developer):
        assert api(member).get(f"{ACME}/invitations").status_code == 403
    assert [row.actor_id for row in denied(cast.acme)] == [cast.viewer.public_id]


def test_nobody_fills_the_queue_with_names(api: Any, cast: Cast, asked: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(denials, "LOOK_UPS", "1/minute")
    for organization in ("nothing", "acme"):
        assert asked(api(cast.outsider), "GET", f"/api/v1/orgs/{organization}").status_code == 404
    assert all_denied() == 0


def test_without_valkey_a_refusal_stays_one_and_is_written(api: Any, cast: Cast, settings: Any, asked: Any):
    clients = [api(cast.viewer), api(cast.outsider)]
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    assert asked(clients[0], "GET", f"{ACME}/invitations").status_code == 403
    assert asked(clients[1], "GET", ACME).status_code == 404
    assert [row.actor_id for row in denied(cast.acme)] == [cast.viewer.public_id, cast.outsider.public_id]


def test_a_refusal_that_cannot_be_written_stays_one(api: Any, cast: Cast, caplog: pytest.LogCaptureFixture):
    member, outsider = api(cast.viewer), api(cast.outsider)
    with closed("audit_event"):
        assert member.get(f"{ACME}/invitations").status_code == 403
    with closed("kernel_waiting_task"):
        assert outsider.get(ACME).status_code == 404
    assert caplog.text.count("refusal could not be recorded") == 2
    assert all_denied() == 0
