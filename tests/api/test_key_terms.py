"""What a key may, how often and until when: at its making, by PATCH, through rotation, and by the policy."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditEvent
from config.kernel.tenancy.scope import tenant_scope
from keys.models import Key, KeyUse
from tests.api.rows import everything

KEYS = "/api/v1/orgs/acme/projects/rocket/keys"
POLICY = "/api/v1/orgs/acme/key-policy"
RATE = {"limit": 100, "window_seconds": 60}
TERMS = {
    "permissions": ["keys:verify"],
    "allowed_ips": ["203.0.113.0/24"],
    "rate_limit": RATE,
    "remaining": 1000,
    "metadata": {"team": "blue"},
}


def made(client, **body):
    answer = client.post(KEYS, {"kind": "secret", "mode": "live", "name": "Backend", **body})
    assert answer.status_code == 201, answer.content
    return answer.json()


def in_days(number):
    return (timezone.now() + timedelta(days=number)).isoformat().replace("+00:00", "Z")


def last_event(name):
    return AuditEvent.objects.filter(event=name).order_by("-id").first()


def test_limits_are_set_at_the_making_and_go_over_to_the_replacement(api, cast):
    key = made(api(cast.developer), **TERMS)
    assert {name: key[name] for name in TERMS} == TERMS
    new = api(cast.developer).post(f"{KEYS}/{key['id']}/rotate", {"overlap_seconds": 0}).json()
    assert {name: new[name] for name in TERMS} == TERMS
    bare = made(api(cast.developer))
    assert (bare["rate_limit"], bare["remaining"], bare["is_imported"]) == (None, None, False)


def test_a_rotation_never_multiplies_the_uses_that_are_left(api, cast):
    client = api(cast.owner)
    path = f"{KEYS}/{made(client, remaining=1000)['id']}"
    before = everything()
    for body in ({"overlap_seconds": 1}, {"overlap_seconds": 2592000}, {}):
        refused = client.post(f"{path}/rotate", body)
        assert (refused.status_code, list(refused.json()["errors"])) == (400, ["overlap_seconds"])
        assert "Choose 0" in refused.content.decode()
    assert everything() == before
    new = client.post(f"{path}/rotate", {"overlap_seconds": 0}).json()
    old = client.get(path).json()
    assert (old["state"], old["remaining"], new["state"], new["remaining"]) == ("revoked", 0, "active", 1000)


def test_a_key_that_was_replaced_is_rotated_again_only_when_its_replacement_has_ended(api, cast):
    client, path = api(cast.owner), f"{KEYS}/{cast.key.public_id}"
    new = client.post(f"{path}/rotate", {"overlap_seconds": 3600}).json()
    before = everything()
    for overlap in (0, 3600):
        refused = client.post(f"{path}/rotate", {"overlap_seconds": overlap})
        assert (refused.status_code, refused.json()["code"]) == (409, "key_replaced")
    assert everything() == before
    assert client.post(f"{KEYS}/{new['id']}/revoke").status_code == 200
    assert client.post(f"{path}/rotate", {"overlap_seconds": 3600}).status_code == 201


def test_a_rotation_may_give_the_new_key_an_end_of_its_own(api, cast):
    key = made(api(cast.owner), expires_at=in_days(5))
    path = f"{KEYS}/{key['id']}/rotate"
    refused = api(cast.owner).post(path, {"overlap_seconds": 60, "expires_at": "2020-01-01T00:00:00Z"})
    assert list(refused.json()["errors"]) == ["expires_at"]
    new = api(cast.owner).post(path, {"overlap_seconds": 60, "expires_at": in_days(50)}).json()
    assert new["expires_at"][:10] == in_days(50)[:10]


def test_everything_but_what_a_key_is_can_be_changed_and_taken_away_again(api, cast):
    path = f"{KEYS}/{made(api(cast.owner))['id']}"
    changed = api(cast.developer).patch(path, {**TERMS, "expires_at": in_days(9), "name": "Renamed"})
    assert changed.status_code == 200
    assert {name: changed.json()[name] for name in TERMS} == TERMS
    with tenant_scope(cast.acme.id):
        told = last_event("key.updated").data["changes"]
    assert set(told) == {*TERMS, "expires_at", "name"}
    assert told["rate_limit"] == [None, RATE]
    assert told["metadata"] == [[], ["team"]]
    bare = {"rate_limit": None, "remaining": None, "expires_at": None, "allowed_ips": [], "metadata": {}}
    answer = api(cast.developer).patch(path, bare).json()
    assert {name: answer[name] for name in bare} == bare


def test_what_changes_nothing_is_no_event(api, cast):
    path = f"{KEYS}/{made(api(cast.owner), **TERMS)['id']}"
    before = everything()
    assert api(cast.owner).patch(path, TERMS).status_code == 200
    assert everything() == before


def test_a_value_of_metadata_is_changed_under_the_name_that_it_has(api, cast):
    path = f"{KEYS}/{made(api(cast.owner), metadata={'team': 'blue', 'seats': 1})['id']}"
    for metadata in ({"team": "red", "seats": 1}, {"team": "red", "seats": True}):
        assert api(cast.owner).patch(path, {"metadata": metadata}).json()["metadata"] == metadata
        kept = api(cast.owner).get(path).json()["metadata"]
        assert (kept, type(kept["seats"])) == (metadata, type(metadata["seats"]))
        with tenant_scope(cast.acme.id):
            assert last_event("key.updated").data["changes"] == {"metadata": [["seats", "team"]] * 2}


def test_nobody_widens_a_key_beyond_themselves(api, cast, make):
    powerful, _ = make.secret_key("manage_env")
    narrowed = make.token(cast.owner, permissions=["manage_keys", "view_org"])
    small = made(api(cast.owner), permissions=["view_org"])["id"]
    before = everything()
    for key, body in (
        (powerful, {"allowed_ips": []}),
        (powerful, {"allowed_ips": ["10.0.0.0/8"]}),
        (powerful, {"rate_limit": RATE}),
        (powerful, {"permissions": []}),
        (small, {"permissions": ["manage_env"]}),
        (small, {"permissions": "admin"}),
    ):
        answer = api(narrowed).patch(f"{KEYS}/{key}", body)
        expected = 200 if body == {"allowed_ips": []} else 403  # it has none: nothing would change
        assert answer.status_code == expected, body
    assert api(cast.viewer).patch(f"{KEYS}/{small}", {"remaining": 1}).status_code == 403
    assert api(cast.outsider).patch(f"{KEYS}/{small}", {"remaining": 1}).status_code == 404
    assert everything() == before
    assert api(narrowed).patch(f"{KEYS}/{powerful}", {"name": "Renamed"}).status_code == 200


def test_a_key_that_has_ended_is_not_brought_back(api, cast):
    path = f"{KEYS}/{made(api(cast.owner))['id']}"
    api(cast.owner).post(f"{path}/revoke")
    before = everything()
    for body in ({"expires_at": in_days(5)}, {"remaining": 5}, {"permissions": []}):
        answer = api(cast.owner).patch(path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "key_inactive")
    assert everything() == before
    assert api(cast.owner).patch(path, {"note": "Gone"}).status_code == 200


def test_publishable_keys_have_limits_but_neither_permissions_nor_addresses(api, cast):
    path = f"{KEYS}/{made(api(cast.owner), kind='publishable')['id']}"
    assert api(cast.owner).patch(path, {"rate_limit": RATE}).json()["rate_limit"] == RATE
    for field, value in (("permissions", ["view_org"]), ("allowed_ips", ["10.0.0.0/8"])):
        answer = api(cast.owner).patch(path, {field: value})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_use_is_shown_and_is_no_new_version_of_the_key(api, cast):
    key = made(api(cast.owner))["id"]
    path = f"{KEYS}/{key}"
    first = api(cast.viewer).get(path)
    assert first.json()["last_used_at"] is None
    with tenant_scope(cast.acme.id):
        row = Key.objects.by_reference(key)
        KeyUse.objects.create(key=row, last_used_at=timezone.now(), last_ip="203.0.113.9", count=7)
    shown = api(cast.viewer).get(path)
    assert (shown.json()["last_used_ip"], shown.json()["use_count"]) == ("203.0.113.9", 7)
    assert shown["ETag"] == first["ETag"]
    assert api(cast.owner).patch(path, {"name": "New"}, HTTP_IF_MATCH=first["ETag"]).status_code == 200
    assert api(cast.owner).patch(path, {"name": "Newer"}, HTTP_IF_MATCH=first["ETag"]).status_code == 412
    listed = {row["id"]: row for row in api(cast.viewer).get(KEYS).json()["data"]}
    assert listed[key]["use_count"] == 7


# -- the policy ------------------------------------------------------------------------------------------------------
def test_without_a_policy_nothing_is_demanded(api, cast):
    policy = api(cast.viewer).get(POLICY).json()
    assert policy == {
        "longest_lifetime_days": None, "is_expiry_required": False, "on_leak": "quarantine", "unfit_keys": [],
    }  # fmt: skip


def test_owners_and_admins_set_it_and_everybody_reads_it(api, cast, make):
    before = everything()
    for credential in (cast.developer, cast.viewer, cast.secret_key):
        assert api(credential).patch(POLICY, {"on_leak": "revoke"}).status_code == 403
    assert api(cast.outsider).patch(POLICY, {"on_leak": "revoke"}).status_code == 404
    for field, value in (("longest_lifetime_days", 0), ("longest_lifetime_days", 3651), ("on_leak", "shrug")):
        assert list(api(cast.owner).patch(POLICY, {field: value}).json()["errors"]) == [field]
    assert everything() == before
    for person in (cast.owner, cast.admin):
        assert api(person).patch(POLICY, {"longest_lifetime_days": 90, "on_leak": "revoke"}).status_code == 200
    assert api(cast.viewer).get(POLICY).json()["longest_lifetime_days"] == 90
    with tenant_scope(cast.acme.id):
        rows = AuditEvent.objects.filter(event="key_policy.changed")
        assert [row.data["changes"] for row in rows] == [
            {"longest_lifetime_days": [None, 90], "on_leak": ["quarantine", "revoke"]}
        ]


def test_a_tightened_policy_names_the_keys_that_do_not_keep_it(api, cast):
    kept = made(api(cast.owner), expires_at=in_days(30))
    long = made(api(cast.owner), expires_at=in_days(300))
    revoked = made(api(cast.owner))
    api(cast.owner).post(f"{KEYS}/{revoked['id']}/revoke")

    def unfit(**demands):
        rows = api(cast.owner).patch(POLICY, demands).json()["unfit_keys"]
        return {row["id"] for row in rows}

    endless = unfit(is_expiry_required=True)
    assert cast.key.public_id in endless
    assert not endless & {kept["id"], long["id"], revoked["id"]}
    assert unfit(longest_lifetime_days=90) == endless | {long["id"]}
    assert unfit(is_expiry_required=False, longest_lifetime_days=None) == set()


@pytest.mark.parametrize("expires_at", [None, 91], ids=["no end", "too late"])
def test_a_key_beyond_the_policy_is_refused_by_every_door(api, cast, expires_at):
    old = made(api(cast.owner))
    fitting = made(api(cast.owner), expires_at=in_days(60))
    api(cast.owner).patch(POLICY, {"longest_lifetime_days": 90})
    body = {"expires_at": in_days(expires_at) if expires_at else None}
    before = everything()
    answers = [
        api(cast.owner).post(KEYS, {"kind": "secret", "mode": "live", "name": "x", **body}),
        api(cast.owner).patch(f"{KEYS}/{fitting['id']}", body),
        api(cast.owner).post(f"{KEYS}/{old['id']}/rotate", {k: v for k, v in body.items() if v}),
    ]
    for answer in answers:
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["expires_at"])
        assert "at most 90 days" in answer.json()["detail"]
    assert everything() == before
    assert made(api(cast.owner), expires_at=in_days(89))["expires_at"]
    assert api(cast.owner).post(f"{KEYS}/{old['id']}/rotate", {"expires_at": in_days(89)}).status_code == 201


def test_an_end_that_is_required_may_be_any(api, cast):
    api(cast.owner).patch(POLICY, {"is_expiry_required": True})
    refused = api(cast.owner).post(KEYS, {"kind": "publishable", "mode": "live", "name": "x"})
    assert "must have an end" in refused.json()["detail"]
    assert made(api(cast.owner), expires_at=in_days(900))


def test_keys_from_before_go_on_working_and_are_called_otherwise(api, cast):
    api(cast.owner).patch(POLICY, {"longest_lifetime_days": 1})
    assert api(cast.secret_key).get("/api/v1/whoami").status_code == 200
    assert api(cast.owner).patch(f"{KEYS}/{cast.key.public_id}", {"name": "Old one"}).status_code == 200


def test_another_organization_is_not_bound(api, cast):
    api(cast.owner).patch(POLICY, {"is_expiry_required": True})
    keys = "/api/v1/orgs/globex/projects/freight/keys"
    assert api(cast.outsider).post(keys, {"kind": "secret", "mode": "live", "name": "x"}).status_code == 201
    assert api(cast.outsider).get("/api/v1/orgs/globex/key-policy").json()["is_expiry_required"] is False


# -- quarantine ------------------------------------------------------------------------------------------------------
def test_a_key_in_quarantine_is_refused_until_somebody_releases_it(api, cast, make):
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(quarantined_at=timezone.now(), leaked_at=timezone.now())
    path = f"{KEYS}/{cast.key.public_id}"
    assert api(cast.viewer).get(path).json()["state"] == "quarantined"
    assert [row["id"] for row in api(cast.viewer).get(f"{KEYS}?state=quarantined").json()["data"]] == [
        cast.key.public_id
    ]
    assert cast.key.public_id not in str(api(cast.viewer).get(f"{KEYS}?state=active").json())
    assert api(cast.secret_key).get("/api/v1/whoami").status_code == 401
    before = everything()
    narrowed = make.token(cast.owner, permissions=["manage_keys", "view_org"])
    before = everything()
    assert api(cast.viewer).post(f"{path}/release").status_code == 403
    assert api(narrowed).post(f"{path}/release").status_code == 403
    assert everything() == before
    assert api(cast.developer).post(f"{path}/release").json()["state"] == "active"
    assert api(cast.developer).post(f"{path}/release").status_code == 200
    assert api(cast.secret_key).get("/api/v1/whoami").status_code == 200
    with tenant_scope(cast.acme.id):
        assert AuditEvent.objects.filter(event="key.released").count() == 1


def test_a_key_in_quarantine_can_be_rotated_and_revoked(api, cast):
    with tenant_scope(cast.acme.id):
        Key.objects.filter(id=cast.key.id).update(quarantined_at=timezone.now())
    path = f"{KEYS}/{cast.key.public_id}"
    new = api(cast.owner).post(f"{path}/rotate", {"overlap_seconds": 3600}).json()
    assert new["state"] == "active"
    assert api(cast.secret_key).get("/api/v1/whoami").status_code == 401
    assert api(new["key"]).get("/api/v1/whoami").status_code == 200
    assert api(cast.owner).post(f"{path}/revoke").json()["state"] == "revoked"
    assert api(cast.owner).post(f"{path}/release").json()["code"] == "key_inactive"


def test_a_policy_changed_meanwhile_is_not_overwritten(api, cast):
    first = api(cast.owner).get(POLICY)["ETag"]
    made(api(cast.owner))
    assert api(cast.owner).patch(POLICY, {"on_leak": "report"}, HTTP_IF_MATCH=first).status_code == 200
    before = everything()
    assert api(cast.owner).patch(POLICY, {"on_leak": "revoke"}, HTTP_IF_MATCH=first).status_code == 412
    assert everything() == before
