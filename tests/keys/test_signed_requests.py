"""Requests that service accounts sign: what passes, and that all else is refused, recorded and changes nothing."""

import base64
import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.http import StreamingHttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.exceptions import RedisError

from audit.models import AuditEvent
from config.kernel.tenancy.scope import INSTALLATION_ID, tenant_scope
from keys import tidying
from keys.models import UsedNonce
from keys.services.keys import create_key
from keys.services.service_accounts import (
    disable_service_account,
    enable_service_account,
    rotate_service_account_secret,
)
from keys.services.service_grants import withdraw_grant
from keys.signatures import NONCE_LIFETIME
from orgs.models import ServiceAccountSecret
from projects.models import Project
from tests.api.rows import everything
from tests.cast import Cast
from tests.gateway import Gateway, as_bytes, make_gateway, sample, send

AUTH_FAILURE = {"type": "about:blank", "title": "auth failure", "status": 401}
PROJECTS = "/api/v1/orgs/acme/projects"
NEW = {"name": "Launcher", "slug": "launcher"}
# Of the tables of our apps, these tell of a refusal.
LEDGERS = {"audit_event"}


@pytest.fixture
def gateway(cast: Cast) -> Gateway:
    """May see Acme and make projects there."""
    gateway = make_gateway(cast)
    gateway.grant(cast.acme, "view_org", "manage_apps", "keys:verify")
    return gateway


def causes(cast: Cast) -> tuple[list[str], list[str]]:
    """Of all refusals, in the installation's log and in Acme's."""
    found = []
    for ledger in (INSTALLATION_ID, cast.acme.id):
        with tenant_scope(ledger):
            rows = AuditEvent.objects.filter(event="service_account.refused", result="refused").order_by("id")
            found.append([row.data["cause"] for row in rows])
    return found[0], found[1]


def state() -> dict[str, Any]:
    """Everything but the ledger."""
    return {table: rows for table, rows in everything().items() if table not in LEDGERS}


def assert_refused(cast: Cast, answer: Any, cause: str, before: dict[str, Any], *, acme: bool = True) -> None:
    assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE)
    assert "Signature" not in answer.headers
    assert state() == before
    assert causes(cast) == ([cause], [cause] if acme else [])


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


ALTERATIONS = {
    "method": lambda method, path, body, headers: ("PUT", path, body, headers),
    "path": lambda method, path, body, headers: (method, PROJECTS.replace("acme", "globex"), body, headers),
    "query": lambda method, path, body, headers: (method, f"{path}&limit=2", body, headers),
    "query taken away": lambda method, path, body, headers: (method, path.partition("?")[0], body, headers),
    "organization": lambda method, path, body, headers: (method, path, body, {**headers, "X-Organization-Id": "org_1"}),
    "covered header": lambda method, path, body, headers: (method, path, body, {**headers, "Idempotency-Key": "two"}),
    "digest": lambda method, path, body, headers: (
        method, path, b"{}", {**headers, "Content-Digest": sample.content_digest(b"{}")},
    ),
    "created": lambda method, path, body, headers: (
        method, path, body, {**headers, "Signature-Input": altered(headers, "created=", "created=1")},
    ),
    "nonce": lambda method, path, body, headers: (
        method, path, body, {**headers, "Signature-Input": altered(headers, 'nonce="', 'nonce="x')},
    ),
    "algorithm": lambda method, path, body, headers: (
        method, path, body, {**headers, "Signature-Input": altered(headers, "hmac-sha256", "ed25519")},
    ),
    "signature": lambda method, path, body, headers: (method, path, body, {**headers, "Signature": "sig1=:AAAA:"}),
    "fewer parts": lambda method, path, body, headers: (
        method, path, body, {**headers, "Signature-Input": altered(headers, '"@query" ', "")},
    ),
}  # fmt: skip


def altered(headers: dict[str, str], old: str, new: str) -> str:
    assert old in headers["Signature-Input"]
    return headers["Signature-Input"].replace(old, new, 1)


@pytest.mark.parametrize("what", ALTERATIONS)
def test_what_is_altered_on_the_way_is_refused(cast: Cast, gateway: Gateway, what: str):
    path = f"{PROJECTS}?limit=1"
    given = {"X_Organization_Id": cast.acme.public_id, "Idempotency_Key": "one"}
    headers = gateway.sign("POST", path, NEW, **given)
    before = state()
    method, sent_path, body, sent = ALTERATIONS[what]("POST", path, as_bytes(NEW), headers)
    answer = send(method, sent_path, body, sent)
    # Acme is told unless the altered header names nobody.
    acme = what != "organization"
    assert_refused(cast, answer, "wrong_signature", before, acme=acme)


def test_an_altered_body_is_refused(cast: Cast, gateway: Gateway):
    headers, before = gateway.sign("POST", PROJECTS, NEW), state()
    answer = send("POST", PROJECTS, {**NEW, "slug": "stolen"}, headers)
    assert_refused(cast, answer, "body", before)


def resigned(gateway: Gateway, method: str, covered: list[tuple[str, str]], parameters: str) -> dict[str, str]:
    """Signed with the right secret over whatever is said."""
    whole = f"({' '.join(name for name, _ in covered)});{parameters}"
    signature = sample.signature_of(gateway.secret, covered, whole)
    return {"Signature-Input": f"sig1={whole}", "Signature": f"sig1=:{signature}:"}


def parameters(gateway: Gateway, **changes: str | int | None) -> str:
    given = {"created": int(time.time()), "nonce": "n" * 22, "keyid": gateway.key_id, "alg": "hmac-sha256", **changes}
    texts = {name: f'"{value}"' if isinstance(value, str) else value for name, value in given.items()}
    return ";".join(f"{name}={text}" for name, text in texts.items() if text is not None)


COVERED = {"@method": "POST", "@path": PROJECTS, "@query": "?"}


@pytest.mark.parametrize("missing", [*COVERED, "content-digest"])
def test_each_part_must_be_covered(cast: Cast, gateway: Gateway, missing: str):
    body = as_bytes(NEW)
    values = {**COVERED, "content-digest": sample.content_digest(body)}
    covered = [(f'"{name}"', value) for name, value in values.items() if name != missing]
    headers = resigned(gateway, "POST", covered, parameters(gateway))
    before = state()
    answer = send("POST", PROJECTS, body, {**headers, "Content-Digest": values["content-digest"]})
    assert_refused(cast, answer, "body" if missing == "content-digest" else "incomplete", before)


@pytest.mark.parametrize("header", ["X-Organization-Id", "X-Organization-Name", "Idempotency-Key", "If-Match"])
def test_headers_with_a_meaning_must_be_covered_when_they_come(cast: Cast, gateway: Gateway, header: str):
    headers = gateway.sign("GET", PROJECTS)
    before = state()
    value = cast.acme.public_id if header == "X-Organization-Id" else "Acme"
    assert_refused(cast, send("GET", PROJECTS, None, {**headers, header: value}), "incomplete", before)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"created": int(time.time()) - 100_000}, "stale"),
        ({"created": None}, "malformed"),
        ({"nonce": None}, "malformed"),
        ({"nonce": ""}, "malformed"),
        ({"nonce": "n" * 256}, "malformed"),
        ({"keyid": None}, "malformed"),
        ({"alg": "rsa-pss-sha512"}, "wrong_signature"),
        ({"expires": 1}, "stale"),
        ({"unknown": "x"}, "wrong_signature"),
    ],
)
def test_parameters_are_judged(cast: Cast, gateway: Gateway, changes: dict[str, Any], cause: str):
    covered = [(f'"{name}"', value) for name, value in {**COVERED, "@method": "GET"}.items()]
    headers, before = resigned(gateway, "GET", covered, parameters(gateway, **changes)), state()
    known = cause not in ("malformed",)
    assert_refused(cast, send("GET", PROJECTS, None, headers), cause, before, acme=known)


def test_the_algorithm_may_go_without_saying(cast: Cast, gateway: Gateway):
    covered = [(f'"{name}"', value) for name, value in {**COVERED, "@method": "GET"}.items()]
    headers = resigned(gateway, "GET", covered, parameters(gateway, alg=None))
    assert send("GET", PROJECTS, None, headers).status_code == 200


@pytest.mark.parametrize(("seconds", "cause"), [(-301, "stale"), (302, "future"), (-295, None), (295, None)])
def test_five_minutes_of_skew_are_allowed_both_ways(cast: Cast, gateway: Gateway, seconds: int, cause: str | None):
    covered = [(f'"{name}"', value) for name, value in {**COVERED, "@method": "GET"}.items()]
    headers = resigned(gateway, "GET", covered, parameters(gateway, created=int(time.time()) + seconds))
    before = state()
    answer = send("GET", PROJECTS, None, headers)
    if cause:
        assert_refused(cast, answer, cause, before)
    else:
        assert answer.status_code == 200


def test_a_replay_is_refused(cast: Cast, gateway: Gateway):
    headers = gateway.sign("POST", PROJECTS, NEW)
    assert send("POST", PROJECTS, NEW, headers).status_code == 201
    before = state()
    assert_refused(cast, send("POST", PROJECTS, NEW, headers), "replayed", before)


def test_a_nonce_is_used_up_only_by_a_right_signature(cast: Cast, gateway: Gateway):
    headers = gateway.sign("GET", PROJECTS)
    send("GET", PROJECTS, None, {**headers, "Signature": f"sig1=:{base64.b64encode(b'0' * 32).decode()}:"})
    assert not UsedNonce.objects.exists()
    assert send("GET", PROJECTS, None, headers).status_code == 200
    assert UsedNonce.objects.get().expires_at > timezone.now() + timedelta(minutes=10)


def test_the_same_nonce_of_another_account_is_another(cast: Cast, gateway: Gateway):
    other = make_gateway(cast, "Other")
    other.grant(cast.acme, "view_org")
    covered = [(f'"{name}"', value) for name, value in {**COVERED, "@method": "GET"}.items()]
    for caller in (gateway, other):
        headers = resigned(caller, "GET", covered, parameters(caller))
        assert send("GET", PROJECTS, None, headers).status_code == 200


def test_of_two_signatures_none_counts(cast: Cast, gateway: Gateway):
    one, two = gateway.sign("GET", PROJECTS), gateway.sign("GET", PROJECTS)
    before = state()
    both = {name: f"{one[name]}, {two[name].replace('sig1', 'sig2')}" for name in ("Signature", "Signature-Input")}
    assert_refused(cast, send("GET", PROJECTS, None, both), "malformed", before, acme=False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Signature": "sig1=:AAAA:"},
        {"Signature-Input": 'sig1=("@method");created=1;keyid="x";nonce="y"'},
        {"Signature": "sig1=:AAAA:", "Signature-Input": 'sig2=("@method");created=1;keyid="x";nonce="y"'},
        {"Signature": "sig1=:AAAA:, sig1=:BBBB:", "Signature-Input": "sig1=(), sig1=()"},
        {"Signature": "Ω", "Signature-Input": "☃"},
        {"Signature": "", "Signature-Input": ""},
        {"Signature": "sig1=1", "Signature-Input": "sig1=()"},
        {"Signature": "sig1=:AAAA:", "Signature-Input": 'sig1=("@method" "@method");created=1;keyid=7;nonce="y"'},
    ],
)
def test_headers_that_mean_nothing_are_refused(cast: Cast, gateway: Gateway, headers: dict[str, str]):
    before = state()
    sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    assert_refused(cast, send("GET", PROJECTS, None, sent), "malformed", before, acme=False)


@pytest.mark.parametrize(
    "key_id", ["sas_01h455vb4pex5vsknk084sn02q", "sas_x", "key_01h455vb4pex5vsknk084sn02q", "x" * 300]
)
def test_a_keyid_of_nobody_is_refused_and_told_to_the_operator_alone(cast: Cast, gateway: Gateway, key_id: str):
    headers = sample.signed_headers(key_id, gateway.secret, method="GET", url=f"http://testserver{PROJECTS}")
    before = state()
    assert_refused(cast, send("GET", PROJECTS, None, headers), "unknown_key", before, acme=False)


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key", "Origin"])
def test_no_other_credential_and_no_browser_comes_along(cast: Cast, gateway: Gateway, header: str):
    value = {"Authorization": f"Bearer {cast.secret_key}", "X-API-Key": cast.secret_key}.get(
        header, "https://acme.example"
    )
    headers, before = gateway.sign("GET", PROJECTS), state()
    assert_refused(cast, send("GET", PROJECTS, None, {**headers, header: value}), "mixed", before, acme=False)


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


def test_a_disabled_account_is_refused_until_it_is_enabled(cast: Cast, gateway: Gateway):
    disable_service_account(actor=cast.staff_principal(), account_id=gateway.account.id, reason="Leaked")
    before = state()
    assert_refused(cast, gateway.ask("GET", PROJECTS), "account_disabled", before)
    enable_service_account(actor=cast.staff_principal(), account_id=gateway.account.id)
    assert gateway.ask("GET", PROJECTS).status_code == 200


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


def test_an_attacker_cannot_flood_the_ledger(cast: Cast, gateway: Gateway):
    for _ in range(25):
        assert (
            send("GET", PROJECTS, None, {**gateway.sign("GET", PROJECTS), "Signature": "sig1=:AAAA:"}).status_code
            == 401
        )
    assert causes(cast) == (["wrong_signature"] * 10, ["wrong_signature"] * 10)
    cache.clear()


def test_refusals_are_recorded_also_while_nobody_can_count(
    cast: Cast, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
):
    def unreachable(*_args: Any, **_kwargs: Any) -> bool:
        raise RedisError

    monkeypatch.setattr("orgs.refusals.may_try", unreachable)
    assert send("GET", PROJECTS, None, {**gateway.sign("GET", PROJECTS), "Signature": "sig1=:AAAA:"}).status_code == 401
    assert causes(cast) == (["wrong_signature"], ["wrong_signature"])


def test_nothing_of_a_secret_is_in_what_a_principal_or_a_signature_shows(cast: Cast, gateway: Gateway):
    from keys.signatures import RequestParts, Verified

    shown = repr(
        Verified(gateway.key_id, gateway.account, RequestParts("GET", "http://x/", {}), gateway.secret.encode())
    )
    assert gateway.secret not in shown


def test_a_body_over_the_limit_is_refused_unread(cast: Cast, gateway: Gateway, settings: Any):
    body = b'"' + b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"'
    assert send("POST", PROJECTS, body, gateway.sign("POST", PROJECTS, body)).status_code == 413


def test_nonces_are_forgotten_when_their_signatures_are_too_old(cast: Cast, gateway: Gateway):
    headers = gateway.sign("GET", PROJECTS)
    assert send("GET", PROJECTS, None, headers).status_code == 200
    assert tidying.tidy() == 0
    with time_machine.travel(timezone.now() + NONCE_LIFETIME + timedelta(seconds=1), tick=False):
        assert send("GET", PROJECTS, None, headers).status_code == 401
        assert tidying.tidy() == 1
        assert send("GET", PROJECTS, None, headers).status_code == 401
    assert causes(cast) == (["stale", "stale"], ["stale", "stale"])


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
    # process remembers once the transaction that made it has ended, as it never does here.
    assert len(queries) == 5, [query["sql"] for query in queries]


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
