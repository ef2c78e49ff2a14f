"""A key's rate limit binds the requests that come with it to our own API, like its verifications."""

import json
from functools import partial
from typing import Any

import pytest
from django.core.wsgi import get_wsgi_application

from config.kernel.hot import opened
from config.kernel.permissions import ROLE_PERMISSIONS, Role
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key
from keys.services.keys import create_key
from keys.services.terms import RateLimit
from orgs import plans
from orgs.changes import feed
from projects.models import UsageMonth
from tests.api.rows import everything
from tests.at_once import at_once
from tests.cast import Cast
from tests.conftest import JSONClient
from tests.keys.doors import FellThrough, environ_of, forget_everything, through_django, through_the_door

WHOAMI, VERIFY, TRACK, EVALUATE = "/api/v1/whoami", "/api/v1/keys/verify", "/api/v1/track", "/access/v1/evaluation"
EVENTS = {"events": [{"name": "order.placed"}]}


@pytest.fixture(autouse=True)
def _nothing_in_memory() -> None:
    forget_everything()


def limited(cast: Cast, limit: int, *, kind: str = "secret", window: int = 600) -> tuple[Key, str]:
    with tenant_scope(cast.acme.id):
        return create_key(
            actor=cast.principal(cast.owner), holder=ROLE_PERMISSIONS[Role.OWNER], project_id=cast.project.id,
            kind=kind, mode="live", name="Limited", rate_limit=RateLimit(limit, window),
            permissions=None if kind == "publishable" else "runner",
        )  # fmt: skip


def question(key: Key) -> dict[str, Any]:
    """About the key itself, which only the full path answers."""
    subject = {"type": "key", "id": key.public_id}
    return {"subject": subject, "action": {"name": "keys:verify"}, "resource": {"type": "project", "id": "prj_x"}}


def body_of(path: str, cast: Cast) -> dict[str, Any]:
    about = {**question(cast.key), "resource": {"type": "project", "id": cast.project.public_id}}
    return {VERIFY: {"key": cast.publishable_key}, TRACK: EVENTS, EVALUATE: about}[path]


def test_beyond_its_limit_a_key_is_told_when_to_come_back(cast: Cast):
    client = JSONClient(limited(cast, 3)[1])
    assert [client.get(WHOAMI).status_code for _ in range(3)] == [200] * 3
    before = everything()
    refused = client.post(TRACK, EVENTS)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused["Retry-After"]) <= 600
    assert everything() == before
    assert JSONClient(cast.secret_key).get(WHOAMI).status_code == 200, "others have a limit of their own, or none"


def test_verifications_and_requests_share_the_limit(cast: Cast):
    _, key = limited(cast, 3)
    asker, client = JSONClient(cast.secret_key), JSONClient(key)
    assert asker.post(VERIFY, {"key": key, "cost": 2}).json()["ratelimit"]["remaining"] == 1
    assert client.get(WHOAMI).status_code == 200
    assert client.get(WHOAMI).status_code == 429
    assert asker.post(VERIFY, {"key": key}).json()["code"] == "rate_limited"


def test_requests_leave_the_remaining_uses(cast: Cast):
    key, plaintext = limited(cast, 3)
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=key.id).update(remaining=1)
        assert [JSONClient(plaintext).get(WHOAMI).status_code for _ in range(2)] == [200] * 2
        assert Key.objects.get(id=key.id).remaining == 1


@pytest.mark.parametrize("path", [VERIFY, TRACK, EVALUATE])
def test_the_fast_path_counts_with_the_full_one(cast: Cast, path: str):
    credential = {"HTTP_AUTHORIZATION": f"Bearer {limited(cast, 3)[1]}"}
    body = json.dumps(body_of(path, cast)).encode()
    for door in (through_the_door, through_django, through_the_door):
        assert door(path, body, **credential)[0] in (200, 202)
    with pytest.raises(FellThrough):
        through_the_door(path, body, **credential)
    status, headers, told = through_django(path, body, **credential)
    assert (status, json.loads(told)["code"]) == (429, "rate_limited")
    assert headers["Retry-After"]


def test_a_page_may_read_that_its_key_is_used_up(cast: Cast):
    client = JSONClient(limited(cast, 1, kind="publishable")[1])
    answers = [client.post(TRACK, EVENTS, HTTP_ORIGIN="https://shop.example.com") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 429]
    assert answers[1]["Access-Control-Allow-Origin"] == "https://shop.example.com"


@pytest.mark.parametrize(
    ("path", "passed"),
    [(EVALUATE, "200"), ("/access/v1/evaluations", "200"), (TRACK, "429")],
    ids=["about itself", "itself in a batch", "beyond the quota"],
)
def test_a_request_that_the_fast_path_leaves_to_the_full_one_counts_once(
    committed_cast: Cast, monkeypatch: pytest.MonkeyPatch, path: str, passed: str
):
    small = {**plans.DEFAULTS, "free": plans.Plan("free", ("core",), domains=3, events=0, audit_days=90)}
    monkeypatch.setattr(plans, "plans", lambda: small)
    key, plaintext = limited(committed_cast, 2)
    bodies = {EVALUATE: question(key), "/access/v1/evaluations": {"evaluations": [question(key)] * 2}, TRACK: EVENTS}
    application, answers = opened(get_wsgi_application()), []
    feed.read()
    for _ in range(3):
        sent = environ_of(path, json.dumps(bodies[path]).encode(), {"HTTP_AUTHORIZATION": f"Bearer {plaintext}"})
        told = b"".join(application(sent, lambda status, headers: answers.append(status[:3])))
    assert answers == [passed, passed, "429"]
    assert json.loads(told)["code"] == "rate_limited"


def test_of_many_at_once_exactly_as_many_pass_as_may(committed_cast: Cast):
    client = JSONClient(limited(committed_cast, 13)[1])
    answers = at_once([partial(client.post, TRACK, EVENTS)] * 30)
    assert sorted(answer.status_code for answer in answers) == [202] * 13 + [429] * 17
    with tenant_scope(committed_cast.acme.id):
        assert UsageMonth.objects.get().count == 13
