"""Uses of keys and tokens: gathered in each process, written in batches, none lost while nothing is killed."""

import http.client
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from django.core.wsgi import get_wsgi_application

from config.kernel.hot import opened
from config.kernel.tenancy.scope import tenant_scope
from keys.models import KeyUse, PersonalToken
from keys.uses import Used, UseRecorder, recorder
from orgs.changes import feed
from tests.at_once import at_once
from tests.browser import site
from tests.cast import Cast
from tests.keys.doors import FellThrough, environ_of, forget_everything, through_the_door
from tests.servers import WORKER

REQUESTS = 50
NOTED = 30_000
VERIFY = "/api/v1/keys/verify"


@contextmanager
def two_processes() -> Iterator[int]:
    """The port of one web server with two worker processes, which is stopped in order."""
    port = site.free_port()
    environment = site.environment_of(f"test_{WORKER}", port=port, home=Path(os.environ["TENANTRY_HOME"]))
    with site.web_servers([environment], threads=8, processes=2):
        yield port


def ask(port: int, method: str, path: str, credential: str, body: dict[str, str] | None = None) -> int:
    """The status of a request on a connection of its own."""
    conversation = http.client.HTTPConnection(site.ADDRESS, port, timeout=30)
    try:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {credential}"}
        conversation.request(method, path, json.dumps(body) if body else None, headers)
        return conversation.getresponse().status
    finally:
        conversation.close()


@pytest.mark.xdist_group("freshness")
def test_of_fifty_at_once_in_two_processes_none_is_lost_or_counted_twice(committed_cast: Cast):
    """Questions about a key from memory, and requests of a key and of a token on the full path."""
    cast = committed_cast
    token = cast.token(cast.owner)
    with two_processes() as port:
        question = partial(ask, port, "POST", VERIFY, cast.secret_key, {"key": cast.publishable_key})
        assert at_once([question] * REQUESTS) == [200] * REQUESTS
        requests = [partial(ask, port, "GET", "/api/v1/whoami", each) for each in (cast.secret_key, token)]
        assert at_once(requests * (REQUESTS // 2)) == [200] * REQUESTS
    with tenant_scope(cast.acme.id):
        counts = dict(KeyUse.objects.values_list("key__name", "count"))
    assert counts == {"Shop": REQUESTS, "Backend": REQUESTS + REQUESTS // 2}
    used = PersonalToken.objects.get(user=cast.owner)
    assert used.last_used_at is not None
    assert used.last_used_ip == "127.0.0.1"


def test_a_request_that_the_fast_path_leaves_to_the_full_one_is_one_use(committed_cast: Cast):
    """A question about the caller itself is such a one."""
    cast = committed_cast
    subject, resource = {"type": "key", "id": cast.key.public_id}, {"type": "project", "id": cast.project.public_id}
    body = json.dumps({"subject": subject, "resource": resource, "action": {"name": "manage_env"}}).encode()
    sent = environ_of("/access/v1/evaluation", body, {"HTTP_AUTHORIZATION": f"Bearer {cast.secret_key}"})
    with pytest.raises(FellThrough):
        through_the_door("/access/v1/evaluation", body, HTTP_AUTHORIZATION=f"Bearer {cast.secret_key}")
    forget_everything()
    feed.read()
    statuses: list[str] = []
    b"".join(opened(get_wsgi_application())(sent, lambda status, headers: statuses.append(status)))
    assert statuses == ["200 OK"]
    recorder.write_all()
    with tenant_scope(cast.acme.id):
        assert KeyUse.objects.get(key=cast.key).count == 1


def test_the_last_use_of_a_token_is_the_newest_that_any_process_noted(cast: Cast):
    cast.token(cast.owner)
    token, recorder = PersonalToken.objects.get(user=cast.owner), UseRecorder()
    unchanged = token.updated_at
    for at, ip in ((1_800_000_005.0, "203.0.113.9"), (1_800_000_001.0, "198.51.100.7"), (1_800_000_007.0, None)):
        recorder.note(Used(token.public_id), ip, at)
        recorder.write()
        token.refresh_from_db()
        assert (token.last_used_ip, token.updated_at) == ("203.0.113.9", unchanged)
    assert token.last_used_at is not None
    assert token.last_used_at.timestamp() == 1_800_000_007.0


def test_keys_and_tokens_are_written_together(cast: Cast):
    cast.token(cast.owner)
    token, recorder = PersonalToken.objects.get(user=cast.owner), UseRecorder()
    for public_id in (token.public_id, cast.key.public_id, "tok_01h455vb4pex5vsknk084sn02q"):
        recorder.note(Used(public_id), None, 1_800_000_000.0)
    recorder.write_all()
    with tenant_scope(cast.acme.id):
        assert list(KeyUse.objects.values_list("key__name", "count")) == [("Backend", 1)]
    token.refresh_from_db()
    assert token.last_used_at is not None


def test_what_is_noted_while_others_are_written_is_written_too(committed_cast: Cast):
    recorder, used = UseRecorder(), Used(committed_cast.key.public_id)
    noting = list(range(3))

    def note() -> None:
        for _ in range(NOTED):
            recorder.note(used, None, 1_800_000_000.0)
        noting.pop()

    def write() -> None:
        while noting:
            recorder.write()

    at_once([note, note, note, write])
    recorder.write()
    with tenant_scope(committed_cast.acme.id):
        assert KeyUse.objects.get().count == 3 * NOTED
