"""Two requests at the same instant, over two real connections."""

import pytest
from django.test import override_settings

from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key
from tests.at_once import at_once
from tests.conftest import JSONClient

ROCKET = "/api/v1/orgs/acme/projects/rocket"


def test_the_same_creation_twice_at_once_makes_one_key(committed_cast):
    cast = committed_cast
    token = cast.token(cast.owner)
    body = {"kind": "secret", "mode": "test", "name": "Twice"}
    answers = at_once(
        [lambda: JSONClient(token).post(f"{ROCKET}/keys", body, HTTP_IDEMPOTENCY_KEY="twice") for _ in range(4)]
    )
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["key"] for answer in answers}) == 1
    with tenant_scope(cast.acme.id):
        assert Key.objects.filter(name="Twice").count() == 1


@pytest.mark.parametrize(
    ("path", "bodies"),
    [
        (ROCKET, [{"name": "One"}, {"name": "Two"}]),
        ("/api/v1/orgs/acme", [{"name": "One"}, {"name": "Two"}]),
        ("/api/v1/orgs/acme/members/VIEWER", [{"role": "developer"}, {"role": "admin"}]),
    ],
)
def test_of_two_changes_of_the_same_version_one_is_refused(committed_cast, path, bodies):
    cast = committed_cast
    token, path = cast.token(cast.owner), path.replace("VIEWER", cast.viewer.public_id)
    etag = JSONClient(token).get(path)["ETag"]
    answers = at_once([lambda body=body: JSONClient(token).patch(path, body, HTTP_IF_MATCH=etag) for body in bodies])
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    kept = next(answer for answer in answers if answer.status_code == 200)
    assert JSONClient(token).get(path).json() == kept.json()


def test_a_replay_outlives_the_change_of_the_secret_key(api, cast, settings):
    body = {"kind": "secret", "mode": "test", "name": "Kept"}
    first = api(cast.owner).post(f"{ROCKET}/keys", body, HTTP_IDEMPOTENCY_KEY="kept")
    with override_settings(SECRET_KEY="a new one", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert api(cast.owner).post(f"{ROCKET}/keys", body, HTTP_IDEMPOTENCY_KEY="kept").json() == first.json()
    with override_settings(SECRET_KEY="a new one", SECRET_KEY_FALLBACKS=[]):
        lost = api(cast.owner).post(f"{ROCKET}/keys", body, HTTP_IDEMPOTENCY_KEY="kept")
    assert (lost.status_code, lost.json()["code"]) == (422, "idempotency_mismatch")
