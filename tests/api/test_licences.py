"""`/api/v1/licenses/verify`: what pages with a publishable key get, by the host that their browser names."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys import signing
from keys.models import Key
from keys.services.keys import create_key, revoke_key
from keys.signing import Purpose
from orgs.services.organizations import change_plan, disable_organization
from projects.models import SeenDomain
from projects.services.domains import register_domain
from projects.services.projects import archive_project, set_system, update_project
from tests.api.rows import everything
from tests.at_once import at_once
from tests.conftest import JSONClient

VERIFY = "/api/v1/licenses/verify"
TRACK = "/api/v1/track"
SHOP = "https://shop.example.com"
AUTH_FAILURE = {"type": "about:blank", "title": "auth failure", "status": 401}


def key_of(cast, *, kind="publishable", mode="live", **options) -> tuple[Key, str]:
    with tenant_scope(cast.acme.id):
        return create_key(
            actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=cast.project.id,
            kind=kind, mode=mode, name="Page", **options,
        )  # fmt: skip


def register(cast, *domains: str) -> None:
    with tenant_scope(cast.acme.id):
        for domain in domains:
            register_domain(actor=cast.principal(cast.owner), project_id=cast.project.id, domain=domain)


def rejecting(cast) -> None:
    with tenant_scope(cast.acme.id):
        update_project(actor=cast.principal(cast.owner), project_id=cast.project.id, unregistered_domains="reject")


def on_plan(cast, plan: str) -> None:
    with tenant_scope(cast.acme.id):
        change_plan(actor=cast.staff_principal(), plan=plan)


def ask(key: str, origin: str | None = SHOP, **extra):
    headers = {"HTTP_ORIGIN": origin} if origin is not None else {}
    return JSONClient(key).post(VERIFY, {}, **headers, **extra)


def code_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def seen_hosts(cast) -> list[str]:
    with tenant_scope(cast.acme.id):
        return sorted(SeenDomain.objects.values_list("host", flat=True))


def test_a_registered_page_gets_the_plan_and_its_features(cast):
    on_plan(cast, "pro")
    register(cast, "shop.example.com")
    ask(cast.publishable_key)  # the first token of an installation makes its signing keys
    before = everything()
    answer = ask(cast.publishable_key, "https://SHOP.example.com:8443")
    assert answer.status_code == 200
    body = answer.json()
    token = body.pop("token")
    expires_at = datetime.fromisoformat(body.pop("expires_at"))
    assert body == {
        "domain": "shop.example.com", "plan": "pro", "features": ["core", "pro"], "downgraded": False,
        "limits": {"domains": 50, "events": 1_000_000},
    }  # fmt: skip
    assert timedelta(minutes=14) < expires_at - timezone.now() <= timedelta(minutes=15)
    assert answer.headers["Cache-Control"] == "no-store"
    assert everything() == before
    claims = signing.read(token, purpose=Purpose.ENTITLEMENT, audience=cast.project.public_id)
    assert datetime.fromtimestamp(claims.pop("exp"), UTC) == expires_at
    assert claims.pop("iat") == (expires_at - timedelta(minutes=15)).timestamp()
    del claims["jti"]
    with tenant_scope(cast.acme.id):
        key = Key.objects.get(kind="publishable")
    assert claims == {
        "iss": settings.TENANTRY_URL, "aud": cast.project.public_id, "sub": key.public_id, "org": cast.acme.public_id,
        "domain": "shop.example.com", "mode": "live", "plan": "pro", "features": ["core", "pro"],
        "limits": {"domains": 50, "events": 1_000_000}, "downgraded": False, "purpose": "ENTITLEMENT",
    }  # fmt: skip


def test_the_token_verifies_with_the_published_keys_alone(cast):
    register(cast, "shop.example.com")
    token = ask(cast.publishable_key).json()["token"]
    published = jwt.PyJWKSet.from_dict(Client().get("/.well-known/jwks.json").json())
    kid = jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, published[kid], algorithms=["EdDSA"], audience=cast.project.public_id)
    assert claims["domain"] == "shop.example.com"
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, published[kid], algorithms=["EdDSA"], audience=cast.foreign_project.public_id)


def test_a_wildcard_stands_for_what_is_below_it(cast):
    register(cast, "*.example.com")
    assert ask(cast.publishable_key, "https://a.b.example.com").json()["downgraded"] is False
    assert ask(cast.publishable_key, "https://example.com").json()["downgraded"] is True
    assert ask(cast.publishable_key, "https://badexample.com").json()["downgraded"] is True


def test_another_page_is_downgraded_and_its_host_noted(cast):
    on_plan(cast, "enterprise")
    register(cast, "shop.example.com")
    answer = ask(cast.publishable_key, "https://other.example.org:444").json()
    assert (answer["plan"], answer["features"], answer["downgraded"]) == ("free", ["core"], True)
    assert answer["limits"] == {"domains": 3, "events": 10_000}
    claims = signing.read(answer["token"], purpose=Purpose.ENTITLEMENT, audience=cast.project.public_id)
    assert (claims["plan"], claims["downgraded"], claims["domain"]) == ("free", True, "other.example.org")
    assert seen_hosts(cast) == ["other.example.org"]
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.get(event="domain.seen")
        key = Key.objects.get(kind="publishable")
    assert (event.actor_kind, event.actor_id, event.target_label) == (
        "publishable_key", key.public_id, "other.example.org",
    )  # fmt: skip


def test_a_project_that_rejects_gives_other_pages_nothing(cast):
    register(cast, "shop.example.com")
    rejecting(cast)
    before = everything()
    assert code_of(ask(cast.publishable_key, "https://other.example.org")) == (403, "origin_not_allowed")
    assert everything() == before
    assert ask(cast.publishable_key).json()["downgraded"] is False


def test_one_host_more_than_the_plan_includes_is_refused(cast):
    register(cast, "shop.example.com")
    for host in ("a.example.org", "b.example.org"):
        assert ask(cast.publishable_key, f"https://{host}").status_code == 200
    before = everything()
    refused = ask(cast.publishable_key, "https://c.example.org")
    assert (*code_of(refused), refused.json()["limit"]) == (403, "domain_cap_exceeded", 3)
    assert everything() == before
    assert ask(cast.publishable_key, "https://a.example.org").json()["downgraded"] is True
    assert ask(cast.publishable_key).json()["downgraded"] is False


def test_hosts_of_a_system_project_are_not_limited(cast):
    with tenant_scope(cast.acme.id):
        set_system(actor=cast.staff_principal(), project_id=cast.project.id, is_system=True)
    for number in range(5):
        assert ask(cast.publishable_key, f"https://h{number}.example.org").status_code == 200
    assert len(seen_hosts(cast)) == 5


def test_fifty_new_pages_at_once_never_pass_the_limit(committed_cast):
    cast = committed_cast
    answers = at_once(
        [lambda number=number: ask(cast.publishable_key, f"https://h{number}.example.org") for number in range(50)]
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [403] * 47
    assert {code_of(answer)[1] for answer in answers if answer.status_code == 403} == {"domain_cap_exceeded"}
    assert len(seen_hosts(cast)) == 3


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "file://", "data:text/html,x", "chrome-extension://abcdef", "https://shop.example.com/",
        "https://shop.example.com, https://evil.example", "ftp://shop.example.com", "shop.example.com",
        "https://shop.example.com@evil.example", "https://" + "a" * 400,
    ],
)  # fmt: skip
@pytest.mark.parametrize("setting", ["downgrade", "reject"])
def test_what_is_no_page_of_a_host_gets_nothing(cast, origin, setting):
    register(cast, "shop.example.com", "*.example.com")
    if setting == "reject":
        rejecting(cast)
    before = everything()
    answer = ask(cast.publishable_key, origin)
    assert code_of(answer) == (403, "origin_not_allowed")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert everything() == before


def test_without_an_origin_there_is_no_page(cast):
    before = everything()
    assert code_of(ask(cast.publishable_key, None)) == (403, "origin_required")
    assert everything() == before


def test_on_ones_own_machine_only_test_keys_work(cast):
    register(cast, "localhost", "127.0.0.1")
    _, test_key = key_of(cast, mode="test")
    for origin in ("http://localhost:3000", "http://127.0.0.1:3000"):
        answer = ask(test_key, origin)
        assert (answer.status_code, answer.json()["downgraded"]) == (200, False)
        before = everything()
        assert code_of(ask(cast.publishable_key, origin)) == (403, "origin_not_allowed")
        assert everything() == before
    assert ask(test_key, "http://[::1]:3000").json()["downgraded"] is True  # not registered
    claims = jwt.decode(ask(test_key, "http://localhost").json()["token"], options={"verify_signature": False})
    assert claims["mode"] == "test"


def test_a_test_key_works_on_registered_hosts_too(cast):
    register(cast, "staging.example.com")
    _, test_key = key_of(cast, mode="test")
    assert ask(test_key, "https://staging.example.com").json()["downgraded"] is False


def test_ended_keys_and_what_is_above_them_at_rest_are_refused_alike(cast):
    register(cast, "shop.example.com")
    revoked, revoked_key = key_of(cast)
    expired, expired_key = key_of(cast)
    with tenant_scope(cast.acme.id):
        revoke_key(actor=cast.principal(cast.owner), project_id=cast.project.id, key=revoked.public_id)
        Key.objects.filter(id=expired.id).update(expires_at=timezone.now() - timedelta(seconds=1))
    token = cast.token(cast.owner)
    before = everything()
    for credential in (revoked_key, expired_key, cast.secret_key, "pk_live_" + "0" * 32, token):
        answer = JSONClient(credential).post(VERIFY, {}, HTTP_ORIGIN=SHOP)
        assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE)
        assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert everything() == before


@pytest.mark.parametrize("rest", ["project", "organization"])
def test_keys_of_what_is_at_rest_are_refused(cast, rest):
    register(cast, "shop.example.com")
    assert ask(cast.publishable_key).status_code == 200
    with tenant_scope(cast.acme.id):
        if rest == "project":
            archive_project(actor=cast.principal(cast.owner), project_id=cast.project.id)
        else:
            disable_organization(actor=cast.staff_principal(), reason="unpaid")
    before = everything()
    answer = ask(cast.publishable_key)
    assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE)
    assert everything() == before


def test_the_key_goes_into_one_header_and_never_into_the_address(cast):
    register(cast, "shop.example.com")
    by_header = JSONClient().post(VERIFY, {}, HTTP_X_API_KEY=cast.publishable_key, HTTP_ORIGIN=SHOP)
    assert by_header.status_code == 200
    both = ask(cast.publishable_key, HTTP_X_API_KEY=cast.publishable_key)
    in_address = JSONClient().post(f"{VERIFY}?key={cast.publishable_key}", {}, HTTP_ORIGIN=SHOP)
    with_header = JSONClient(cast.publishable_key).post(f"{VERIFY}?key={cast.publishable_key}", {}, HTTP_ORIGIN=SHOP)
    for answer in (both, in_address, with_header):
        assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE)


@pytest.mark.parametrize("body", [b"{", {"key": "x"}, [], b"\xff"])
def test_a_body_of_something_is_refused_and_readable(cast, body):
    register(cast, "shop.example.com")
    answer = JSONClient(cast.publishable_key).post(VERIFY, body, HTTP_ORIGIN=SHOP)
    assert answer.status_code == 400
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP


def test_another_tenants_domains_do_not_count(cast):
    with tenant_scope(cast.globex.id):
        register_domain(
            actor=cast.principal(cast.outsider), project_id=cast.foreign_project.id, domain="shop.example.com"
        )
    assert ask(cast.publishable_key).json()["downgraded"] is True


def test_a_removed_domain_is_downgraded_at_once(api, cast):
    made = api(cast.owner).post("/api/v1/orgs/acme/projects/rocket/domains", {"domain": "shop.example.com"}).json()
    assert ask(cast.publishable_key).json()["downgraded"] is False
    api(cast.owner).delete(f"/api/v1/orgs/acme/projects/rocket/domains/{made['id']}")
    assert ask(cast.publishable_key).json()["downgraded"] is True


@pytest.mark.parametrize(("origin", "most"), [(SHOP, 3), ("https://seen.example.org", 4)])
def test_a_known_page_costs_few_queries_and_no_write(cast, origin, most):
    register(cast, "shop.example.com")
    ask(cast.publishable_key, origin)  # makes signing keys, notes the host
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert ask(cast.publishable_key, origin).status_code == 200
    statements = [query["sql"].rsplit("; ", 1)[-1] for query in captured]
    reads = [sql for sql in statements if sql.startswith("SELECT") and "signing_key" not in sql]
    assert len(reads) <= most, reads
    assert not [sql for sql in statements if sql.startswith(("INSERT", "UPDATE", "DELETE"))]


# -- other origins in the browser (CORS) -----------------------------------------------------------------------------
def preflight(path: str, origin: str | None = "https://any.example", method: str = "POST", **extra):
    headers = {"HTTP_ORIGIN": origin} if origin else {}
    return Client().options(path, HTTP_ACCESS_CONTROL_REQUEST_METHOD=method, **headers, **extra)


@pytest.mark.parametrize("path", [VERIFY, TRACK])
def test_any_page_may_ask_whether_it_may_ask(cast, path):
    answer = preflight(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://any.example"
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, x-api-key, content-type"
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["null", "file://", "chrome-extension://x", "https://a.example/", "*", None])
def test_only_pages_are_answered_to(cast, origin):
    for answer in (preflight(VERIFY, origin), ask(cast.publishable_key, origin)):
        assert answer.status_code in (401, 403, 405)
        assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("status", [200, 401, 403, 405, 413, 415, 400])
def test_every_answer_to_a_page_can_be_read_by_it_alone(cast, status):
    register(cast, "shop.example.com")
    client = JSONClient(cast.publishable_key)
    answer = {
        200: lambda: ask(cast.publishable_key),
        401: lambda: ask("pk_live_" + "0" * 32),
        403: lambda: client.post(VERIFY, {}, HTTP_ORIGIN=SHOP, HTTP_AUTHORIZATION=f"Bearer {live_here(cast)}"),
        405: lambda: client.get(VERIFY, HTTP_ORIGIN=SHOP),
        413: lambda: client.post(VERIFY, b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1), HTTP_ORIGIN=SHOP),
        415: lambda: client.post(VERIFY, b"{}", HTTP_ORIGIN=SHOP, content_type="text/plain"),
        400: lambda: client.post(VERIFY, b"{", HTTP_ORIGIN=SHOP),
    }[status]()
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


def live_here(cast) -> str:
    """A key whose project rejects the shop."""
    with tenant_scope(cast.globex.id):
        update_project(
            actor=cast.principal(cast.outsider), project_id=cast.foreign_project.id, unregistered_domains="reject"
        )
        return create_key(
            actor=cast.principal(cast.outsider), holder=ROLE_PERMISSIONS[Role.OWNER],
            project_id=cast.foreign_project.id, kind="publishable", mode="live", name="Page",
        )[1]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/whoami", "/api/v1/keys/verify", "/api/v1/orgs", "/api/v1/orgs/acme/projects/rocket/domains",
        "/api/schema", "/health/live", "/login", "/api/v1/nothing",
    ],
)  # fmt: skip
def test_no_other_route_answers_other_origins(cast, path):
    for answer in (preflight(path), Client().get(path, HTTP_ORIGIN=SHOP), JSONClient().post(path, HTTP_ORIGIN=SHOP)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


# -- tracking from a page --------------------------------------------------------------------------------------------
EVENTS = {"events": [{"id": "e1", "name": "page.viewed"}]}


def test_a_page_tracks_by_the_same_rules(committed_cast):
    cast = committed_cast
    register(cast, "shop.example.com")
    page = JSONClient(cast.publishable_key)
    answer = page.post(TRACK, EVENTS, HTTP_ORIGIN=SHOP)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "duplicates": 0})
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert page.post(TRACK, EVENTS, HTTP_ORIGIN="https://other.example").json() == {"accepted": 0, "duplicates": 1}
    assert seen_hosts(cast) == ["other.example"]
    assert code_of(page.post(TRACK, EVENTS)) == (403, "origin_required")
    assert code_of(page.post(TRACK, EVENTS, HTTP_ORIGIN="null")) == (403, "origin_not_allowed")
    rejecting(cast)
    before = everything()
    assert code_of(page.post(TRACK, EVENTS, HTTP_ORIGIN="https://third.example")) == (403, "origin_not_allowed")
    assert everything() == before
    with tenant_scope(cast.acme.id), connection.cursor() as cursor:
        cursor.execute("SELECT domain, count FROM projects_usage_day")
        assert cursor.fetchall() == [("shop.example.com", 1)]


def test_a_body_that_cannot_be_read_notes_no_host(cast):
    before = everything()
    answer = JSONClient(cast.publishable_key).post(TRACK, {"events": []}, HTTP_ORIGIN="https://other.example")
    assert answer.status_code == 400
    assert everything() == before
