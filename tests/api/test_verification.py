"""`/api/v1/keys/verify` and `verify-batch`: what other programs ask us."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from config.kernel.tenancy.scope import tenant_scope
from keys.services.keys import revoke_key
from orgs.services.organizations import disable_organization
from projects.services.domains import register_domain
from projects.services.projects import archive_project, create_project
from tests.api.rows import everything

VERIFY = "/api/v1/keys/verify"
BATCH = "/api/v1/keys/verify-batch"
FIELDS = {
    "valid", "code", "key_id", "organization_id", "project_id", "kind", "mode", "permissions", "plan", "metadata",
    "expires_at", "ratelimit", "remaining",
}  # fmt: skip


@pytest.fixture
def asker(api, make):
    return api(make.secret_key("keys:verify")[1])


def ask(client, key, **more):
    answer = client.post(VERIFY, {"key": key, **more})
    assert answer.status_code == 200
    assert set(answer.json()) == FIELDS
    return answer.json()


def test_a_good_key_passes_with_all_that_is_known_of_it(asker, cast, make):
    key_id, key = make.secret_key("view_org", metadata={"team": "blue"})
    assert ask(asker, key) == {
        "valid": True,
        "code": "valid",
        "key_id": key_id,
        "organization_id": cast.acme.public_id,
        "project_id": cast.project.public_id,
        "kind": "secret",
        "mode": "live",
        "permissions": ["view_org"],
        "plan": "free",
        "metadata": {"team": "blue"},
        "expires_at": None,
        "ratelimit": None,
        "remaining": None,
    }
    assert ask(asker, cast.publishable_key)["kind"] == "publishable"


@pytest.mark.parametrize("key", ["", "nonsense", "sk_live_" + "0" * 32, "x" * 1000])
def test_of_a_key_that_is_none_nothing_is_told(asker, key):
    answer = ask(asker, key)
    assert (answer["valid"], answer["code"]) == (False, "not_found")
    empty = {"permissions": [], "metadata": {}}
    assert {name: answer[name] for name in FIELDS - {"valid", "code"}} == {
        name: empty.get(name) for name in FIELDS - {"valid", "code"}
    }


def test_another_tenants_key_is_answered_like_none(asker, cast):
    assert ask(asker, cast.foreign_secret_key) == ask(asker, "nonsense")


def test_a_personal_token_is_no_key(asker, cast):
    assert ask(asker, cast.token(cast.owner)) == ask(asker, "nonsense")


def test_a_key_of_another_project_of_the_organization_is_known(asker, api, cast):
    with tenant_scope(cast.acme.id):
        create_project(actor=cast.principal(cast.owner), name="Second", slug="second")
    made = (
        api(cast.owner)
        .post("/api/v1/orgs/acme/projects/second/keys", {"kind": "secret", "mode": "test", "name": "x"})
        .json()
    )
    assert ask(asker, made["key"])["project_id"] == made["project_id"]


def test_each_cause_has_its_code(asker, cast, make):
    key_id, key = make.secret_key("view_org", allowed_ips=["203.0.113.0/24"], expires_at=timezone.now() + timedelta(1))
    assert ask(asker, key, ip="203.0.113.9")["code"] == "valid"
    assert ask(asker, key, ip="::ffff:203.0.113.9")["code"] == "valid"
    assert ask(asker, key, ip="198.51.100.1")["code"] == "ip_not_allowed"
    assert ask(asker, key)["code"] == "ip_not_allowed"
    assert ask(asker, key, ip="203.0.113.9", permission="view_org")["code"] == "valid"
    assert ask(asker, key, ip="203.0.113.9", permission="manage_keys")["code"] == "permission_missing"
    assert ask(asker, key, ip="203.0.113.9", origin="https://shop.example")["code"] == "origin_not_allowed"
    assert ask(asker, cast.publishable_key, origin="https://shop.example")["code"] == "origin_not_allowed"
    with tenant_scope(cast.acme.id):
        register_domain(actor=cast.principal(cast.owner), project_id=cast.project.id, domain="shop.example")
    assert ask(asker, cast.publishable_key, origin="https://shop.example")["code"] == "valid"
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        assert ask(asker, key, ip="203.0.113.9")["code"] == "expired"
    with tenant_scope(cast.acme.id):
        revoke_key(actor=cast.staff_principal(), project_id=cast.project.id, key=key_id)
    answer = ask(asker, key, ip="203.0.113.9")
    assert (answer["valid"], answer["code"], answer["key_id"]) == (False, "revoked", key_id)


def test_a_key_of_an_archived_project_is_disabled(api, cast):
    with tenant_scope(cast.acme.id):
        create_project(actor=cast.principal(cast.owner), name="Second", slug="second")
    path = "/api/v1/orgs/acme/projects/second/keys"
    asker = api(cast.owner).post(path, {"kind": "secret", "mode": "live", "name": "x"}).json()["key"]
    with tenant_scope(cast.acme.id):
        archive_project(actor=cast.staff_principal(), project_id=cast.project.id)
    assert ask(api(asker), cast.secret_key)["code"] == "disabled"


def test_a_disabled_organization_asks_nothing_any_more(asker, cast):
    with tenant_scope(cast.acme.id):
        disable_organization(actor=cast.staff_principal(), reason="unpaid")
    assert asker.post(VERIFY, {"key": cast.secret_key}).status_code == 401


def test_many_keys_are_answered_in_order(asker, cast):
    keys = [{"key": cast.secret_key}, "nonsense", {"key": cast.publishable_key, "origin": "https://a.example"}]
    answer = asker.post(BATCH, {"keys": keys})
    assert answer.status_code == 200
    assert [row["code"] for row in answer.json()["data"]] == ["valid", "not_found", "origin_not_allowed"]
    assert all(set(row) == FIELDS for row in answer.json()["data"])
    hundred = asker.post(BATCH, {"keys": [cast.secret_key] * 100}).json()["data"]
    assert len(hundred) == 100


ODD_BATCHES = [[], ["x"] * 101, "x", None, {"key": "x"}, [1], [None], [{"key": 5}], [{}]]


def test_a_batch_of_the_wrong_shape(asker):
    for keys in ODD_BATCHES:
        answer = asker.post(BATCH, {"keys": keys})
        assert (answer.status_code, list(answer.json().get("errors", []))) == (400, ["keys"]), keys


ODD_QUESTIONS = [
    ({"key": None}, "key"),
    ({"key": 5}, "key"),
    ({"key": "x" * 1001}, "key"),
    ({"ip": "localhost"}, "ip"),
    ({"ip": 1}, "ip"),
    ({"ip": ""}, "ip"),
    ({"origin": 1}, "origin"),
    ({"permission": "fly"}, "permission"),
    ({"cost": 0}, "cost"),
    ({"cost": -1}, "cost"),
    ({"cost": 1.5}, "cost"),
    ({"cost": "1"}, "cost"),
    ({"cost": 10**40}, "cost"),
    ({"kye": "x"}, "kye"),
]


def test_a_question_of_the_wrong_shape(asker):
    before = everything()
    for change, field in ODD_QUESTIONS:
        answer = asker.post(VERIFY, {"key": "x", **change})
        assert (answer.status_code, list(answer.json().get("errors", []))) == (400, [field]), change
    assert everything() == before


def test_a_cost_may_be_named_and_what_is_null_counts_as_unsaid(asker, cast):
    answer = ask(asker, cast.secret_key, cost=3, ip=None, origin=None, permission=None)
    assert answer["code"] == "valid"


def test_only_keys_with_the_permission_ask(api, cast, make):
    body = {"key": cast.secret_key}
    refusals = [api(make.secret_key("view_org")[1]).post(VERIFY, body), api(cast.owner).post(VERIFY, body)]
    for answer in refusals:
        assert (answer.status_code, answer.json()["permission"]) == (403, "keys:verify")
    assert api(None).post(VERIFY, body).status_code == 401
    assert api(cast.publishable_key).post(VERIFY, body).status_code == 401


def test_a_key_that_comes_from_a_browser_is_refused(asker, cast):
    answer = asker.post(VERIFY, {"key": cast.secret_key}, HTTP_ORIGIN="https://shop.example")
    assert (answer.status_code, answer.json()["title"]) == (401, "auth failure")
