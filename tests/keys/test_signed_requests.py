"""Requests that service accounts sign: what passes, what it may, and how it is answered."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.http import StreamingHttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.exceptions import RedisError

from audit.models import AuditEvent
from config.kernel.tenancy.scope import tenant_scope
from keys import tidying
from keys.services.keys import create_key
from keys.services.service_accounts import (
    rotate_service_account_secret,
)
from keys.services.service_grants import withdraw_grant
from orgs.models import ServiceAccountSecret
from projects.models import Project
from tests.cast import Cast
from tests.gateway import Gateway, causes, make_gateway, send, state

PROJECTS = "/api/v1/orgs/acme/projects"
NEW = {"name": "Launcher", "slug": "launcher"}


@pytest.fixture
def gateway(cast: Cast) -> Gateway:
    """May see Acme and make projects there."""
    gateway = make_gateway(cast)
    gateway.grant(cast.acme, "view_org", "manage_apps", "keys:verify")
    return gateway


def test_a_signed_request_acts_by_its_grant_and_gets_a_signed_answer(cast: Cast, gateway: Gateway):
    assert gateway.ask("GET", f"{PROJECTS}?limit=1").json()["data"][0]["slug"] == "rocket"
    created = gateway.ask("POST", PROJECTS, NEW)
    assert created.status_code == 201
    with tenant_scope(cast.acme.id):
        event = AuditEvent.objects.get(event="project.created", target_id=created.json()["id"])
    assert (event.actor_kind, event.actor_id, event.actor_label) == ("service", gateway.account.public_id, "Gateway")
    assert causes(cast) == ([], [])


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/orgs/globex/projects", None, 404),
        ("POST", PROJECTS, {"name": "No slug"}, 400),
        ("POST", PROJECTS, b"{", 400),
        ("DELETE", PROJECTS, None, 405),
        ("GET", "/api/v1/orgs/acme/members/nobody", None, 404),
        ("GET", "/api/v1/orgs/acme/audit-events", None, 403),
        ("HEAD", PROJECTS, None, 200),
    ],
)
def test_every_answer_after_a_right_signature_is_signed(
    gateway: Gateway, method: str, path: str, body: Any, status: int
):
    assert gateway.ask(method, path, body).status_code == status


def test_a_fault_of_ours_is_answered_with_a_signature(cast: Cast, gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    def broken(self: Any, request: Any, organization: str) -> None:
        raise RuntimeError

    monkeypatch.setattr("projects.api.projects.Projects.get", broken)
    monkeypatch.setattr("django.test.client.Client.store_exc_info", lambda self, **kwargs: None)
    assert gateway.ask("GET", PROJECTS).status_code == 500


@pytest.mark.parametrize("size", [0, 1000, 3 * 1024 * 1024])
def test_what_is_streamed_is_signed_whole(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, size: int):
    def streamed(self: Any, request: Any, organization: str) -> StreamingHttpResponse:
        return StreamingHttpResponse((b"x" * 1000 for _ in range(size // 1000)), content_type="text/csv")

    monkeypatch.setattr("projects.api.projects.Projects.get", streamed)
    signed = gateway.sign("GET", PROJECTS)
    answer = send("GET", PROJECTS, None, signed)
    content = b"".join(answer.streaming_content)
    assert len(content) == size // 1000 * 1000
    answer.streaming_content = [content]
    gateway.require_ours(answer, signed["Signature"])
    assert gateway.ask("HEAD", PROJECTS).status_code == 200


def test_an_earlier_secret_works_through_the_overlap_and_not_after(cast: Cast, gateway: Gateway):
    new, plaintext = rotate_service_account_secret(
        actor=cast.staff_principal(), account_id=gateway.account.id, overlap=timedelta(days=1)
    )
    rotated = Gateway(cast, gateway.account, new.key_id, plaintext)
    for caller in (gateway, rotated):
        assert caller.ask("GET", PROJECTS).status_code == 200
    ServiceAccountSecret.objects.exclude(id=new.id).update(expires_at=timezone.now())
    before = state()
    nonces = before.pop("keys_used_nonce")
    answer = gateway.ask("GET", PROJECTS)
    after = state()
    assert after.pop("keys_used_nonce") == nonces
    assert (answer.status_code, after) == (401, before)
    assert causes(cast) == (["secret_ended"], ["secret_ended"])
    assert rotated.ask("GET", PROJECTS).status_code == 200


def test_a_withdrawn_grant_is_over_with_the_next_request(cast: Cast, gateway: Gateway):
    grant = gateway.grant(cast.globex, "view_org", "manage_apps")
    assert gateway.ask("GET", "/api/v1/orgs/globex").status_code == 200
    with tenant_scope(cast.globex.id):
        withdraw_grant(actor=cast.staff_principal(), grant_id=grant.id)
    answer = gateway.ask("POST", "/api/v1/orgs/globex/projects", NEW)
    assert answer.status_code == 404
    assert answer.content == gateway.ask("POST", "/api/v1/orgs/nobody/projects", NEW).content
    with tenant_scope(cast.globex.id):
        refused = AuditEvent.objects.get(event="service_account.refused")
        assert not Project.objects.filter(slug="launcher").exists()
    assert (refused.data, refused.actor_id) == ({"cause": "no_grant"}, gateway.account.public_id)
    assert causes(cast) == (["no_grant", "no_grant"], [])
    assert gateway.ask("GET", PROJECTS).status_code == 200


def test_a_grant_for_one_project_admits_to_that_project_alone(cast: Cast):
    gateway = make_gateway(cast)
    gateway.grant(cast.acme, "view_org", project=cast.project)
    assert gateway.ask("GET", f"{PROJECTS}/rocket").status_code == 200
    assert gateway.ask("GET", PROJECTS).status_code == 403
    assert gateway.ask("PATCH", f"{PROJECTS}/rocket", {"name": "Taken"}).status_code == 403
    with tenant_scope(cast.acme.id):
        other = Project.objects.create(name="Other", slug="other")
    assert gateway.ask("GET", f"{PROJECTS}/{other.slug}").status_code == 404


def test_an_answer_that_was_exchanged_is_detected(cast: Cast, gateway: Gateway):
    first, second = gateway.sign("GET", f"{PROJECTS}?limit=1"), gateway.sign("GET", f"{PROJECTS}?limit=1")
    answers = [send("GET", f"{PROJECTS}?limit=1", None, headers) for headers in (first, second)]
    gateway.require_ours(answers[0], first["Signature"])
    with pytest.raises(ValueError, match="signature is wrong"):
        gateway.require_ours(answers[0], second["Signature"])
    answers[1].status_code = 404
    with pytest.raises(ValueError, match="signature is wrong"):
        gateway.require_ours(answers[1], second["Signature"])
    answers[0].content = b"{}"
    with pytest.raises(ValueError, match="body is not"):
        gateway.require_ours(answers[0], first["Signature"])


def test_nothing_of_a_secret_is_in_what_a_principal_or_a_signature_shows(cast: Cast, gateway: Gateway):
    from keys.signatures import RequestParts, Verified

    shown = repr(
        Verified(gateway.key_id, gateway.account, RequestParts("GET", "http://x/", {}), gateway.secret.encode())
    )
    assert gateway.secret not in shown


def test_secrets_are_forgotten_long_after_their_end(cast: Cast, gateway: Gateway):
    rotate_service_account_secret(actor=cast.staff_principal(), account_id=gateway.account.id, overlap=timedelta(0))
    assert tidying.tidy() == 0
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        assert tidying.tidy() == 1
    assert ServiceAccountSecret.objects.count() == 1


VERIFY = "/api/v1/keys/verify"


def code(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    return answer.json()["code"]


def test_whose_key_it_is_is_told_of_granted_organizations_alone(cast: Cast):
    gateway = make_gateway(cast)
    keys = [{"key": cast.secret_key}, {"key": cast.foreign_secret_key}]
    assert [code(gateway.ask("POST", VERIFY, key)) for key in keys] == ["not_found", "not_found"]
    gateway.grant(cast.acme, "keys:verify")
    gateway.grant(cast.globex, "view_org")
    found, hidden = (gateway.ask("POST", VERIFY, key).json() for key in keys)
    assert (found["code"], found["organization_id"]) == ("valid", cast.acme.public_id)
    assert hidden["code"] == "not_found"


def test_a_grant_for_one_project_verifies_its_keys_and_no_others(cast: Cast):
    gateway = make_gateway(cast)
    gateway.grant(cast.acme, "keys:verify", project=cast.project)
    with tenant_scope(cast.acme.id):
        other = Project.objects.create(name="Other", slug="other")
        _, hidden = create_key(
            actor=cast.principal(cast.owner), holder=frozenset(), project_id=other.id, kind="secret", mode="live",
            name="Hidden", permissions=["keys:verify"],
        )  # fmt: skip
    for headers in ({}, {"X_Organization_Id": cast.acme.public_id}):
        assert code(gateway.ask("POST", VERIFY, {"key": cast.secret_key}, **headers)) == "valid"
        assert code(gateway.ask("POST", VERIFY, {"key": hidden}, **headers)) == "not_found"
    foreign = {"X_Organization_Id": cast.globex.public_id}
    assert gateway.ask("POST", VERIFY, {"key": cast.secret_key}, **foreign).status_code == 404


def test_without_the_permission_a_granted_account_verifies_nothing(cast: Cast):
    gateway = make_gateway(cast)
    gateway.grant(cast.acme, "view_org")
    refused = gateway.ask("POST", VERIFY, {"key": cast.secret_key}, X_Organization_Id=cast.acme.public_id)
    assert (refused.status_code, refused.json()["permission"]) == (403, "keys:verify")
    assert code(gateway.ask("POST", VERIFY, {"key": cast.secret_key})) == "not_found"


def test_a_service_account_knows_itself_and_the_organizations_that_granted_it(cast: Cast, gateway: Gateway):
    gateway.grant(cast.globex, "keys:verify", project=cast.foreign_project)
    other = make_gateway(cast, "Other")
    other.grant(cast.acme, "view_org")
    expected = [("globex", []), ("acme", ["keys:verify", "manage_apps", "view_org"])]
    caller = gateway.ask("GET", "/api/v1/whoami").json()
    assert (caller["kind"], caller["id"]) == ("service", gateway.account.public_id)
    listed = gateway.ask("GET", "/api/v1/orgs").json()
    for rows in (caller["organizations"], listed["data"]):
        assert [(row["slug"], row["permissions"]) for row in rows] == expected
    first = gateway.ask("GET", "/api/v1/orgs?limit=1").json()
    second = gateway.ask("GET", f"/api/v1/orgs?limit=1&cursor={first['next']}").json()
    assert [first["data"][0]["slug"], second["data"][0]["slug"]] == ["globex", "acme"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/orgs", {"name": "Mine", "slug": "mine"}),
        ("GET", "/api/v1/me/tokens", None),
        ("POST", "/api/v1/me/tokens", {"name": "Mine"}),
    ],
)
def test_what_is_for_people_is_not_for_service_accounts(gateway: Gateway, method: str, path: str, body: Any):
    before = state()
    before.pop("keys_used_nonce")
    assert gateway.ask(method, path, body).status_code == 403
    after = state()
    after.pop("keys_used_nonce")
    assert after == before


def test_a_signed_request_takes_few_queries(cast: Cast, gateway: Gateway):
    gateway.ask("GET", "/api/v1/orgs/acme")
    with CaptureQueriesContext(connection) as queries:
        assert gateway.ask("GET", "/api/v1/orgs/acme").status_code == 200
    # The secret with its account, the nonce, the organization, its grants; and the installation's data key, which a
    # process remembers once the transaction that made it has ended, as it never does here. Of what is answered, the
    # organization's policy of sign-in and its pilots.
    assert len(queries) == 7, [query["sql"] for query in queries]


def test_an_idempotency_key_answers_a_request_that_is_signed_anew(gateway: Gateway):
    first = gateway.ask("POST", PROJECTS, NEW, Idempotency_Key="once")
    again = gateway.ask("POST", PROJECTS, NEW, Idempotency_Key="once")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again["Idempotency-Replayed"] == "true"


def test_requests_are_answered_also_while_nobody_can_note_their_use(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    def unreachable(*_args: Any, **_kwargs: Any) -> None:
        raise RedisError

    monkeypatch.setattr("orgs.service_uses.cache.set", unreachable)
    assert gateway.ask("GET", PROJECTS).status_code == 200
