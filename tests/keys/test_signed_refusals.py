"""Signatures that are not accepted: each is refused with the one 401, recorded, and changes nothing."""

import base64
import re
import time
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.utils import timezone
from redis.exceptions import RedisError

from config.kernel.api.idempotency import HEADER as IDEMPOTENCY_KEY
from keys import tidying
from keys.models import UsedNonce
from keys.services.service_accounts import disable_service_account, enable_service_account
from keys.signatures import COVERED_IF_SENT, NONCE_LIFETIME
from tests.cast import Cast
from tests.database import ROOT
from tests.gateway import Gateway, as_bytes, causes, make_gateway, parameters, resigned, sample, send, state

AUTH_FAILURE = {"type": "about:blank", "title": "auth failure", "status": 401}
APPS = ("audit", "config", "keys", "orgs", "projects", "sso")
PROJECTS = "/api/v1/orgs/acme/projects"
COVERED = {"@method": "POST", "@path": PROJECTS, "@query": "?"}
NEW = {"name": "Launcher", "slug": "launcher"}


@pytest.fixture
def gateway(cast: Cast) -> Gateway:
    """May see Acme and make projects there."""
    gateway = make_gateway(cast)
    gateway.grant(cast.acme, "view_org", "manage_apps", "keys:verify")
    return gateway


def assert_refused(cast: Cast, answer: Any, cause: str, before: dict[str, Any], *, acme: bool = True) -> None:
    assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE)
    assert "Signature" not in answer.headers
    assert state() == before
    assert causes(cast) == ([cause], [cause] if acme else [])


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
    cache.clear()  # as after a restart of Valkey
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


def test_a_disabled_account_is_refused_until_it_is_enabled(cast: Cast, gateway: Gateway):
    disable_service_account(actor=cast.staff_principal(), account_id=gateway.account.id, reason="Leaked")
    before = state()
    assert_refused(cast, gateway.ask("GET", PROJECTS), "account_disabled", before)
    enable_service_account(actor=cast.staff_principal(), account_id=gateway.account.id)
    assert gateway.ask("GET", PROJECTS).status_code == 200


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


# Read from requests, without meaning anything for what a signed one does.
NEUTRAL = {
    "Access-Control-Request-Method",
    "Authorization",  # refused beside a signature, as are the next two
    "Origin",
    "X-API-Key",
    "Github-Public-Key-Identifier",  # of a route that service accounts do not use
    "Github-Public-Key-Signature",
    "HX-Current-URL",  # of pages, which no service asks for, as are the next two
    "HX-Request",
    "HX-Target",
    "Referer",  # of pages, too
    "Signature",
    "Signature-Input",
    "User-Agent",
    "X-Forwarded-For",
    "X-Request-Id",
}


def test_every_header_with_a_meaning_is_among_those_that_must_be_covered():
    """Whoever reads another header decides here whether an attacker could change a signed request by it."""
    sources = [file for app in APPS for file in (ROOT / app).rglob("*.py")]
    read = re.compile(r"""request\.headers(?:\.get\(|\[)"([^"]+)"|"([^"]+)" (?:not )?in (?:self\.)?request\.headers""")
    found = {name for file in sources for pair in read.findall(file.read_text()) for name in pair if name}
    assert len(found) > 5
    covered = {*COVERED_IF_SENT, "idempotency-key"}
    assert {name for name in found if name.lower() not in covered} <= NEUTRAL
    assert {"x-organization-id", "x-organization-name", "if-match", IDEMPOTENCY_KEY.lower()} <= covered
