"""keys/verify on the fast path: the same answers as the full path, for every code, kind and rule."""

import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
import time_machine
from django.core.cache import cache as store
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.kernel.permissions import KEY_PERMISSIONS, ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key
from keys.services.keys import create_key, revoke_key
from orgs.models import Organization
from projects.models import Domain
from projects.services.projects import archive_project, create_project
from tests.cast import Cast
from tests.keys.doors import FellThrough, both, forget_everything, through_django, through_the_door

VERIFY = "/api/v1/keys/verify"
EVERYTHING = ROLE_PERMISSIONS[Role.OWNER]


@pytest.fixture(autouse=True)
def _nothing_in_memory() -> None:
    forget_everything()


def made(cast: Cast, *, kind: str = "secret", mode: str = "live", **changes: Any) -> str:
    """A key of Acme's, changed in the database past the services: its plaintext."""
    with tenant_scope(cast.acme.id):
        key, plaintext = create_key(
            actor=cast.principal(cast.owner), holder=EVERYTHING, project_id=cast.project.id, kind=kind, mode=mode,
            name="K", permissions=None if kind == "publishable" else "runner",
        )  # fmt: skip
        if changes:
            Key.objects.filter(id=key.id).update(**changes)
    return plaintext


def registered(cast: Cast, *patterns: str) -> None:
    with tenant_scope(cast.acme.id):
        for pattern in patterns:
            Domain.objects.create(project=cast.project, pattern=pattern, is_loopback=False, created_by="usr_x")


def archived(cast: Cast) -> str:
    key = made(cast)
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(project=moved(cast))
        archive_project(actor=cast.principal(cast.owner), project_id=cast.project.id)
    return key


def moved(cast: Cast) -> Any:
    """Another project of Acme's, so that the asking key goes on working."""
    return create_project(actor=cast.principal(cast.owner), name="Other", slug="other")


def imported(cast: Cast, plaintext: str = "legacy-4711") -> str:
    made(cast, digest=sha256(plaintext.encode()).digest(), is_imported=True)
    return plaintext


def on_a_registered_page(cast: Cast) -> str:
    registered(cast, "shop.example", "*.acme.example")
    return made(cast, kind="publishable")


def past(seconds: int = 60) -> Any:
    return timezone.now() - timedelta(seconds=seconds)


Case = tuple[Callable[[Cast], str], dict[str, Any], str]
CASES: dict[str, Case] = {
    "good": (made, {}, "valid"),
    "publishable": (lambda cast: made(cast, kind="publishable"), {}, "valid"),
    "test mode": (lambda cast: made(cast, mode="test"), {}, "valid"),
    "with metadata": (lambda cast: made(cast, metadata={"team": "blü", "n": [1, {"x": None}]}), {}, "valid"),
    "ends later": (lambda cast: made(cast, expires_at=timezone.now() + timedelta(days=1)), {}, "valid"),
    "unknown permissions": (lambda cast: made(cast, permissions=["gone:long", "env:read"]), {}, "valid"),
    "imported": (imported, {}, "valid"),
    "imported in the spelling of ours": (lambda cast: imported(cast, "sk_live_" + "x" * 32), {}, "not_found"),
    "unknown": (lambda cast: "sk_live_" + "0" * 32, {}, "not_found"),
    "foreign": (lambda cast: cast.foreign_secret_key, {}, "not_found"),
    "empty": (lambda cast: "", {}, "not_found"),
    "of another kind": (lambda cast: "pat_" + "0" * 32, {}, "not_found"),
    "revoked": (lambda cast: made(cast, revoked_at=past()), {}, "revoked"),
    "expired": (lambda cast: made(cast, expires_at=past()), {}, "expired"),
    "revoked and expired": (lambda cast: made(cast, revoked_at=past(), expires_at=past()), {}, "revoked"),
    "quarantined": (lambda cast: made(cast, quarantined_at=past()), {}, "disabled"),
    "archived project": (archived, {}, "disabled"),
    "address allowed": (lambda cast: made(cast, allowed_ips=["203.0.113.0/24"]), {"ip": "203.0.113.9"}, "valid"),
    "mapped address": (lambda cast: made(cast, allowed_ips=["203.0.113.0/24"]), {"ip": "::ffff:203.0.113.9"}, "valid"),
    "other address": (lambda cast: made(cast, allowed_ips=["203.0.113.0/24"]), {"ip": "8.8.8.8"}, "ip_not_allowed"),
    "no address": (lambda cast: made(cast, allowed_ips=["203.0.113.0/24"]), {}, "ip_not_allowed"),
    "secret from a page": (made, {"origin": "https://shop.example"}, "origin_not_allowed"),
    "registered page": (on_a_registered_page, {"origin": "https://shop.example"}, "valid"),
    "registered page with port": (on_a_registered_page, {"origin": "http://shop.example:8443"}, "valid"),
    "page below a wildcard": (on_a_registered_page, {"origin": "https://a.b.acme.example"}, "valid"),
    "unregistered page": (on_a_registered_page, {"origin": "https://evil.example"}, "origin_not_allowed"),
    "no page": (on_a_registered_page, {"origin": "null"}, "origin_not_allowed"),
    "may": (made, {"permission": "keys:verify"}, "valid"),
    "may not": (made, {"permission": "delete_org"}, "permission_missing"),
    "under its rate": (lambda cast: made(cast, rate_limit=5, rate_window_seconds=60), {}, "valid"),
    "over its rate": (lambda cast: made(cast, rate_limit=5, rate_window_seconds=60), {"cost": 6}, "rate_limited"),
    "uses left": (lambda cast: made(cast, remaining=10), {"cost": 5}, "valid"),
    "no uses left": (lambda cast: made(cast, remaining=4), {"cost": 5}, "usage_exceeded"),
    "rate before uses": (
        lambda cast: made(cast, remaining=4, rate_limit=1, rate_window_seconds=60), {"cost": 5}, "rate_limited",
    ),
}  # fmt: skip


def ask(cast: Cast, key: str, question: dict[str, Any]) -> tuple[Any, Any]:
    """Both answers, each from a limit that nothing was taken of."""
    sent = json.dumps({"key": key, **question}).encode()
    credential = {"HTTP_AUTHORIZATION": f"Bearer {cast.secret_key}"}
    with tenant_scope(cast.acme.id):
        before = dict(Key.objects.exclude(remaining=None).values_list("id", "remaining"))
    full = through_django(VERIFY, sent, **credential)
    store.clear()
    forget_everything()
    with tenant_scope(cast.acme.id):
        for key_id, remaining in before.items():
            Key.objects.filter(id=key_id).update(remaining=remaining)
    cold = through_the_door(VERIFY, sent, **credential)
    return (full[0], json.loads(full[2])), (cold[0], json.loads(cold[2]))


@pytest.mark.parametrize("name", CASES)
def test_both_paths_give_the_same_answer(cast: Cast, name: str):
    arrange, question, code = CASES[name]
    full, fast = ask(cast, arrange(cast), question)
    assert fast == full
    assert (full[0], full[1]["code"], full[1]["valid"]) == (200, code, code == "valid")


def test_a_warm_key_is_answered_from_memory_alone(cast: Cast, django_assert_num_queries):
    key = made(cast)
    sent = {"key": key}, {"HTTP_AUTHORIZATION": f"Bearer {cast.secret_key}"}
    assert len(set(map(str, both(VERIFY, sent[0], **sent[1])))) == 1
    body = json.dumps(sent[0]).encode()
    with django_assert_num_queries(1):  # the reading of the changes, which the tests do by hand
        assert json.loads(through_the_door(VERIFY, body, **sent[1])[2])["code"] == "valid"


def test_what_changes_is_seen_at_the_next_reading(cast: Cast):
    key, credential = made(cast), {"HTTP_AUTHORIZATION": f"Bearer {cast.secret_key}"}
    body = json.dumps({"key": key, "permission": "usage:track"}).encode()

    def code() -> str:
        return json.loads(through_the_door(VERIFY, body, **credential)[2])["code"]

    assert code() == "valid"
    with tenant_scope(cast.acme.id):
        row = Key.objects.exclude(id=cast.key.id).latest("id")
        Key.objects.filter(id=row.id).update(permissions=["keys:verify"])
    assert code() == "permission_missing"
    with tenant_scope(cast.acme.id):
        revoke_key(actor=cast.principal(cast.owner), project_id=cast.project.id, key=row.public_id)
    assert code() == "revoked"
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=row.id).delete()
    assert code() == "not_found"


def test_a_caller_that_may_no_longer_ask_falls_to_the_full_path(cast: Cast):
    body = json.dumps({"key": made(cast)}).encode()
    credential = {"HTTP_AUTHORIZATION": f"Bearer {cast.secret_key}"}
    assert through_the_door(VERIFY, body, **credential)[0] == 200
    Organization.objects.filter(id=cast.acme.id).update(status="disabled")
    with pytest.raises(FellThrough):
        through_the_door(VERIFY, body, **credential)
    assert through_django(VERIFY, body, **credential)[0] == 401


def test_an_imported_key_asks_nothing_whatever_its_spelling(cast: Cast):
    for plaintext in ("legacy-4711", "sk_other_4711", "sk_live_" + "x" * 32):
        credential = {"HTTP_AUTHORIZATION": f"Bearer {imported(cast, plaintext)}"}
        body = json.dumps({"key": plaintext}).encode()
        with pytest.raises(FellThrough):
            through_the_door(VERIFY, body, **credential)
        assert through_django(VERIFY, body, **credential)[0] == 401


def test_a_key_ends_at_its_very_second(cast: Cast):
    end = timezone.now() + timedelta(hours=1)
    key = made(cast, expires_at=end)
    for moment, code in ((end - timedelta(seconds=1), "valid"), (end, "expired")):
        with time_machine.travel(moment, tick=False):
            full, fast = ask(cast, key, {})
            assert fast == full
            assert full[1]["code"] == code


def test_the_answers_have_the_same_headers(cast: Cast):
    body = json.dumps({"key": made(cast)}).encode()
    sent = {"HTTP_AUTHORIZATION": f"Bearer {cast.secret_key}", "HTTP_X_REQUEST_ID": "given-by-us"}
    full, fast = through_django(VERIFY, body, **sent)[1], through_the_door(VERIFY, body, **sent)[1]
    full.pop("Content-Security-Policy", None)  # of pages; JSON is never shown as one
    assert {name.lower(): value for name, value in fast.items() if name != "Content-Length"} == {
        name.lower(): value for name, value in full.items() if name not in ("Content-Length", "Allow")
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"HTTP_AUTHORIZATION": "Bearer sk_live_" + "0" * 32},
        {"HTTP_AUTHORIZATION": "Basic {key}"},
        {"HTTP_AUTHORIZATION": "Bearer {key}", "HTTP_X_API_KEY": "{key}"},
        {"HTTP_AUTHORIZATION": "Bearer {key}", "HTTP_ORIGIN": "https://shop.example"},
        {"HTTP_AUTHORIZATION": "Bearer {key}", "HTTP_X_ORGANIZATION_ID": "org_00000000000000000000000000"},
        {"HTTP_AUTHORIZATION": "Bearer {publishable}"},
        {"HTTP_AUTHORIZATION": "Bearer {token}"},
        {"HTTP_AUTHORIZATION": "Bearer {key}", "QUERY_STRING": "key={key}"},
        {"HTTP_AUTHORIZATION": "Bearer {key}", "CONTENT_TYPE": "text/plain"},
        {"HTTP_AUTHORIZATION": "Bearer {key}", "HTTP_HOST": "elsewhere.example"},
        {"HTTP_AUTHORIZATION": "Bearer {key}", "REQUEST_METHOD": "PUT"},
        {"HTTP_AUTHORIZATION": "Bearer {key}", "HTTP_SIGNATURE_INPUT": "sig1=()"},
    ],
)
def test_unusual_requests_are_left_to_the_full_path(cast: Cast, headers: dict[str, str]):
    words = {"key": cast.secret_key, "publishable": cast.publishable_key, "token": cast.token(cast.owner)}
    filled = {name: value.format(**words) for name, value in headers.items()}
    with pytest.raises(FellThrough):
        through_the_door(VERIFY, json.dumps({"key": cast.secret_key}).encode(), **filled)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{}", b"null", b'{"key": 1}', b'{"key": null}', b'{"key": "a", "key": "b"}',
        b'{"key": "a", "more": 1}', b'{"key": "\\u0000"}', b'{"key": "a", "cost": 0}', b'{"key": "a", "cost": true}',
        b'{"key": "a", "cost": 1.5}', b'{"key": "a", "ip": "nowhere"}', b'{"key": "a", "ip": "fe80::1%eth0"}',
        b'{"key": "a", "permission": "fly"}', b'{"key": "a", "origin": ""}', b'{"key": "a", "origin": 5}',
        b'{"key": "\xff"}', b'{"key": "' + b"x" * 1001 + b'"}', b'{"key": {"key": "a"}}',
    ],
)  # fmt: skip
def test_malformed_questions_are_left_to_the_full_path(cast: Cast, body: bytes):
    credential = {"HTTP_AUTHORIZATION": f"Bearer {cast.secret_key}"}
    with pytest.raises(FellThrough):
        through_the_door(VERIFY, body, **credential)


networks = st.lists(st.sampled_from(["203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32"]), max_size=2, unique=True)
moments = st.sampled_from([None, -3600, -1, 1, 3600])
questions = st.fixed_dictionaries(
    {},
    optional={
        "origin": st.sampled_from(
            ["https://shop.example", "https://a.acme.example", "http://localhost:3000", "null", "https://SHOP.example."]
        ),
        "ip": st.sampled_from(["203.0.113.9", "8.8.8.8", "2001:db8::5", "::ffff:198.51.100.7"]),
        "permission": st.sampled_from(sorted(permission.value for permission in KEY_PERMISSIONS)),
        "cost": st.integers(1, 4),
    },
)
permissions = st.lists(st.sampled_from(sorted(permission.value for permission in KEY_PERMISSIONS)), unique=True)
names = st.text(max_size=8).filter(lambda text: "\x00" not in text)
rows = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["secret", "publishable"]),
        "mode": st.sampled_from(["live", "test"]),
        "permissions": st.lists(
            st.sampled_from(sorted(permission.value for permission in KEY_PERMISSIONS)), unique=True
        ),
        "allowed_ips": networks,
        "expires": moments,
        "revoked": st.booleans(),
        "quarantined": st.booleans(),
        "rate_limit": st.sampled_from([None, 1, 3, 500]),
        "remaining": st.sampled_from([None, 0, 2, 10]),
        "metadata": st.dictionaries(
            st.text(max_size=8).filter(lambda text: "\x00" not in text), st.integers(), max_size=2
        ),
    }
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=rows, question=questions, later=st.sampled_from([0, 2, 7200]))
def test_both_paths_agree_on_any_key_question_and_clock(cast: Cast, row: dict, question: dict, later: int):
    fields = {name: row[name] for name in ("mode", "permissions", "allowed_ips", "remaining", "metadata", "rate_limit")}
    fields["rate_window_seconds"] = 60 if row["rate_limit"] else None
    fields["revoked_at"] = past() if row["revoked"] else None
    fields["quarantined_at"] = past() if row["quarantined"] else None
    fields["expires_at"] = past(-row["expires"]) if row["expires"] else None
    key = made(cast, kind=row["kind"], **{**fields, "mode": row["mode"]})
    with tenant_scope(cast.acme.id):
        Domain.objects.all().delete()
    registered(cast, "shop.example", "*.acme.example")
    store.clear()
    with time_machine.travel(timezone.now() + timedelta(seconds=later), tick=False):
        full, fast = ask(cast, key, question)
    assert fast == full
