"""`…/projects/{project}/keys`: make, list, change, rotate, revoke."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from config.kernel.permissions import KEY_PRESETS
from config.kernel.tenancy.scope import system_scope, tenant_scope
from keys.credentials import prefix_of
from keys.models import Key
from projects.services.projects import create_project
from tests.api.rows import everything

KEYS = "/api/v1/orgs/acme/projects/rocket/keys"
WHOAMI = "/api/v1/whoami"
SECRET = {"kind": "secret", "mode": "live", "name": "Backend"}


def make_key(client, **body):
    return client.post(KEYS, {**SECRET, **body})


def test_a_secret_key_is_shown_once_and_works(api, cast):
    made = make_key(api(cast.developer), permissions=["view_org", "keys:verify"], metadata={"team": "blue", "n": 1})
    assert made.status_code == 201
    key = made.json()
    assert (key["permissions"], key["metadata"]) == (["keys:verify", "view_org"], {"team": "blue", "n": 1})
    assert (key["publishable_key"], key["created_by"]) == (None, cast.developer.public_id)
    assert prefix_of(key["key"]) == "sk_live_"
    assert key["key"].startswith(key["start"])
    assert api(key["key"]).get(WHOAMI).json()["key"]["id"] == key["id"]
    shown = api(cast.viewer).get(f"{KEYS}/{key['id']}")
    assert "key" not in shown.json()
    assert key["key"] not in shown.content.decode() + api(cast.viewer).get(KEYS).content.decode()


def test_a_publishable_key_is_public_and_has_no_permissions(api, cast):
    key = api(cast.developer).post(KEYS, {"kind": "publishable", "mode": "test", "name": "Shop"}).json()
    assert (key["permissions"], key["publishable_key"]) == ([], key["key"])
    assert prefix_of(key["key"]) == "pk_test_"
    assert api(cast.viewer).get(f"{KEYS}/{key['id']}").json()["publishable_key"] == key["key"]
    assert api(key["key"]).get(WHOAMI).status_code == 401


@pytest.mark.parametrize("preset", [None, "runner", "admin"])
def test_a_preset_names_its_permissions(api, cast, preset):
    body = {} if preset is None else {"permissions": preset}
    assert make_key(api(cast.owner), **body).json()["permissions"] == sorted(KEY_PRESETS[preset or "runner"])


ODD_KEYS = [
    ({"kind": "private"}, "kind"),
    ({"kind": None}, "kind"),
    ({"mode": "staging"}, "mode"),
    ({"mode": 1}, "mode"),
    ({"name": ""}, "name"),
    ({"name": "x" * 121}, "name"),
    ({"name": ["x"]}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"permissions": "owner"}, "permissions"),
    ({"permissions": ["fly"]}, "permissions"),
    ({"permissions": ["delete_org"]}, "permissions"),
    ({"permissions": {"a": 1}}, "permissions"),
    ({"permissions": 5}, "permissions"),
    ({"kind": "publishable", "permissions": ["keys:verify"]}, "permissions"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
    ({"expires_at": "2030-01-01"}, "expires_at"),
    ({"expires_at": "9999-12-31T23:59:59-12:00"}, "expires_at"),
    ({"expires_at": "0001-01-01T00:00:00+14:00"}, "expires_at"),
    ({"expires_at": "2030-02-30T00:00:00Z"}, "expires_at"),
    ({"expires_at": "2030-01-01T00:00:00+99:99"}, "expires_at"),
    ({"expires_at": 1893456000}, "expires_at"),
    ({"expires_at": True}, "expires_at"),
    ({"allowed_ips": ["300.1.1.1"]}, "allowed_ips"),
    ({"allowed_ips": ["fe80::1%eth0-and-much-longer"]}, "allowed_ips"),
    ({"allowed_ips": "10.0.0.1"}, "allowed_ips"),
    ({"allowed_ips": [1]}, "allowed_ips"),
    ({"allowed_ips": ["10.0.0.1"] * 51}, "allowed_ips"),
    ({"kind": "publishable", "allowed_ips": ["10.0.0.1"]}, "allowed_ips"),
    ({"metadata": {"a": {"b": 1}}}, "metadata"),
    ({"metadata": {"a": "\x00"}}, "metadata"),
    ({"metadata": {"a\x00": "b"}}, "metadata"),
    ({"metadata": {"a": 10**15}}, "metadata"),
    ({"metadata": {"a": 10**400}}, "metadata"),
    ({"metadata": {"": "b"}}, "metadata"),
    ({"metadata": {str(n): n for n in range(51)}}, "metadata"),
    ({"metadata": ["a"]}, "metadata"),
    ({"metadata": {"a": "x" * 501}}, "metadata"),
    ({"note": "x" * 501}, "note"),
    ({"remaining": -1}, "remaining"),
    ({"remaining": "5"}, "remaining"),
    ({"remaining": 10**15 + 1}, "remaining"),
    ({"rate_limit": {"limit": 0, "window_seconds": 1}}, "rate_limit"),
    ({"rate_limit": {"limit": 1}}, "rate_limit"),
    ({"rate_limit": {"limit": 1, "window_seconds": 30 * 86400 + 1}}, "rate_limit"),
    ({"rate_limit": {"limit": 1, "window_seconds": 1, "burst": 2}}, "rate_limit"),
    ({"rate_limit": 5}, "rate_limit"),
]


def test_a_key_that_makes_no_sense_is_refused(api, cast):
    before = everything()
    for change, field in ODD_KEYS:
        answer = make_key(api(cast.owner), **change)
        assert (answer.status_code, answer.json().get("code")) == (400, "invalid"), change
        assert field in answer.json()["errors"]
    assert everything() == before


def test_nobody_gives_a_key_what_they_lack(api, cast, make):
    narrowed = make.token(cast.owner, permissions=["manage_keys", "view_org"])
    _, manager = make.secret_key("manage_keys", "view_org")
    before = everything()
    for credential in (narrowed, manager):
        answer = make_key(api(credential), permissions=["manage_env"])
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert make_key(api(cast.viewer)).json()["permission"] == "manage_keys"
    assert everything() == before


def test_a_key_makes_keys_of_its_own_project_only(api, cast):
    with tenant_scope(cast.acme.id):
        create_project(actor=cast.principal(cast.owner), name="Second", slug="second")
    assert make_key(api(cast.secret_key), permissions=["view_org"]).status_code == 201
    before = everything()
    for path in ("/api/v1/orgs/acme/projects/second/keys", "/api/v1/orgs/globex/projects/freight/keys"):
        assert api(cast.secret_key).post(path, SECRET).status_code == 404
    assert everything() == before


def test_keys_are_listed_by_kind_mode_and_state(api, cast, make):
    revoked, _ = make.secret_key("view_org", mode="test")
    ending, _ = make.secret_key("view_org", expires_at=timezone.now() + timedelta(hours=1))
    api(cast.owner).post(f"{KEYS}/{revoked}/revoke")

    def listed(query):
        return {row["id"] for row in api(cast.viewer).get(f"{KEYS}?{query}").json()["data"]}

    assert listed("kind=publishable") | {cast.key.public_id, revoked, ending} == listed("limit=100")
    assert listed("mode=test") == {revoked}
    assert listed("state=revoked&kind=secret") == {revoked}
    assert listed("state=active&kind=secret") == {cast.key.public_id, ending}
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert listed("state=expired") == {ending}
        assert listed("state=active&kind=secret") == {cast.key.public_id}


def test_a_key_is_looked_for_under_its_own_project(api, cast):
    with tenant_scope(cast.acme.id):
        create_project(actor=cast.principal(cast.owner), name="Second", slug="second")
    elsewhere = f"/api/v1/orgs/acme/projects/second/keys/{cast.key.public_id}"
    foreign = f"{KEYS}/{cast.foreign_key.public_id}"
    absent = api(cast.owner).get(f"{KEYS}/key_01h455vb4pex5vsknk084sn02q")
    before = everything()
    for path in (elsewhere, foreign, f"{KEYS}/nonsense", f"{KEYS}/{cast.project.public_id}"):
        assert api(cast.owner).get(path).content == absent.content
        assert api(cast.owner).patch(path, {"name": "x"}).content == absent.content
        assert api(cast.owner).post(f"{path}/rotate", {}).content == absent.content
        assert api(cast.owner).post(f"{path}/revoke").content == absent.content
    assert everything() == before


def test_name_and_note_change(api, cast):
    path = f"{KEYS}/{cast.key.public_id}"
    changed = api(cast.developer).patch(path, {"name": "New", "note": "First line\nsecond line"}).json()
    assert (changed["name"], changed["note"]) == ("New", "First line\nsecond line")
    before = everything()
    for field, value in (("mode", "test"), ("kind", "secret"), ("project_id", None), ("state", "active")):
        answer = api(cast.owner).patch(path, {field: value})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert everything() == before


def test_a_rotated_key_lives_on_for_its_overlap(api, cast):
    rotated = api(cast.owner).post(f"{KEYS}/{cast.key.public_id}/rotate", {"overlap_seconds": 3600})
    assert rotated.status_code == 201
    new = rotated.json()
    assert (new["replaces"], new["name"]) == (cast.key.public_id, cast.key.name)
    assert new["key"] != cast.secret_key
    for key in (cast.secret_key, new["key"]):
        assert api(key).get(WHOAMI).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(seconds=3601)):
        assert api(cast.secret_key).get(WHOAMI).status_code == 401
        assert api(new["key"]).get(WHOAMI).status_code == 200


def test_without_overlap_the_old_key_ends_at_once(api, cast):
    new = api(cast.owner).post(f"{KEYS}/{cast.key.public_id}/rotate", {"overlap_seconds": 0}).json()
    assert api(cast.secret_key).get(WHOAMI).status_code == 401
    assert api(new["key"]).get(WHOAMI).status_code == 200
    again = api(cast.owner).post(f"{KEYS}/{cast.key.public_id}/rotate", {"overlap_seconds": 0})
    assert (again.status_code, again.json()["code"]) == (409, "key_inactive")


def test_nothing_said_leaves_the_old_key_a_day(api, cast):
    api(cast.owner).post(f"{KEYS}/{cast.key.public_id}/rotate")
    ends = datetime.fromisoformat(api(cast.owner).get(f"{KEYS}/{cast.key.public_id}").json()["expires_at"])
    assert abs(ends - datetime.now(UTC) - timedelta(days=1)) < timedelta(minutes=1)


ODD_OVERLAPS = [-1, 2592001, 10**30, 1.5, "60", None, True, []]


def test_an_overlap_that_cannot_be(api, cast):
    before = everything()
    for overlap in ODD_OVERLAPS:
        answer = api(cast.owner).post(f"{KEYS}/{cast.key.public_id}/rotate", {"overlap_seconds": overlap})
        assert (answer.status_code, list(answer.json().get("errors", []))) == (400, ["overlap_seconds"]), overlap
    assert everything() == before


def test_a_revoked_key_is_refused_at_once_and_stays_on_record(api, cast):
    for _ in range(2):
        revoked = api(cast.developer).post(f"{KEYS}/{cast.key.public_id}/revoke")
        assert (revoked.status_code, revoked.json()["state"]) == (200, "revoked")
    assert api(cast.secret_key).get(WHOAMI).status_code == 401
    assert api(cast.viewer).get(f"{KEYS}/{cast.key.public_id}").json()["state"] == "revoked"


def test_a_repeated_creation_gives_the_same_key_which_the_database_never_holds_in_clear(api, cast):
    first = api(cast.owner).post(KEYS, SECRET, HTTP_IDEMPOTENCY_KEY="deploy-1")
    again = api(cast.owner).post(KEYS, SECRET, HTTP_IDEMPOTENCY_KEY="deploy-1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert (again["Idempotency-Replayed"], again["ETag"]) == ("true", first["ETag"])
    with tenant_scope(cast.acme.id):
        assert Key.objects.filter(name="Backend", project=cast.project).count() == 2  # the cast's and this one
    plaintext = first.json()["key"]
    with system_scope("tests read all tables"), connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" AS r WHERE r::text LIKE %s', [f"%{plaintext}%"])
            assert cursor.fetchone()[0] == 0, table
            cursor.execute(
                f'SELECT count(*) FROM "{table}" AS r WHERE r::text LIKE %s', [f"%{plaintext.encode().hex()}%"]
            )
            assert cursor.fetchone()[0] == 0, table


def test_the_same_idempotency_key_with_another_body_is_refused(api, cast):
    api(cast.owner).post(KEYS, SECRET, HTTP_IDEMPOTENCY_KEY="deploy-1")
    before = everything()
    other = api(cast.owner).post(KEYS, {**SECRET, "name": "Other"}, HTTP_IDEMPOTENCY_KEY="deploy-1")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    rotated = api(cast.owner).post(f"{KEYS}/{cast.key.public_id}/rotate", {}, HTTP_IDEMPOTENCY_KEY="deploy-1")
    assert rotated.status_code == 422
    assert everything() == before
    mine = api(cast.developer).post(KEYS, SECRET, HTTP_IDEMPOTENCY_KEY="deploy-1")
    assert (mine.status_code, mine.json()["created_by"]) == (201, cast.developer.public_id)


def test_a_refused_creation_may_be_tried_again_with_its_key(api, cast):
    api(cast.owner).post("/api/v1/orgs/acme/projects/rocket/archive")
    assert api(cast.owner).post(KEYS, SECRET, HTTP_IDEMPOTENCY_KEY="later").status_code == 409
    api(cast.owner).post("/api/v1/orgs/acme/projects/rocket/restore")
    assert api(cast.owner).post(KEYS, SECRET, HTTP_IDEMPOTENCY_KEY="later").status_code == 201


def test_a_replay_is_refused_to_whoever_lost_the_permission(api, cast):
    developer = api(cast.developer)
    assert developer.post(KEYS, SECRET, HTTP_IDEMPOTENCY_KEY="mine").status_code == 201
    api(cast.owner).patch(f"/api/v1/orgs/acme/members/{cast.developer.public_id}", {"role": "viewer"})
    assert developer.post(KEYS, SECRET, HTTP_IDEMPOTENCY_KEY="mine").status_code == 403


@pytest.mark.parametrize("given", ["", "x" * 256, "tab\there", "é"])
def test_an_idempotency_key_that_cannot_be(api, cast, given):
    before = everything()
    answer = api(cast.owner).post(KEYS, SECRET, HTTP_IDEMPOTENCY_KEY=given)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["Idempotency-Key"])
    assert everything() == before
