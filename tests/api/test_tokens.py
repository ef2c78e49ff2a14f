"""`/api/v1/me/tokens`: personal tokens of the caller."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from keys.uses import recorder
from tests.api.rows import everything

TOKENS = "/api/v1/me/tokens"


def test_a_token_is_shown_once_and_acts_for_its_person(api, cast):
    made = api(cast.viewer).post(TOKENS, {"name": "Laptop"})
    assert made.status_code == 201
    token = made.json()
    assert (token["organization_id"], token["permissions"], token["state"]) == (None, None, "active")
    assert api(token["token"]).get("/api/v1/whoami").json()["user"]["email"] == cast.viewer.email
    listed = api(cast.viewer).get(TOKENS)
    assert token["id"] in [row["id"] for row in listed.json()["data"]]
    assert token["token"] not in listed.content.decode()
    assert "token" not in api(cast.viewer).get(f"{TOKENS}/{token['id']}").json()


def test_a_narrowed_token_may_no_more_than_it_was_given(api, cast):
    body = {"name": "Narrow", "organization": "acme", "permissions": ["view_org"]}
    made = api(cast.owner).post(TOKENS, body).json()
    assert (made["organization_id"], made["permissions"]) == (cast.acme.public_id, ["view_org"])
    narrowed = api(made["token"])
    assert narrowed.get("/api/v1/orgs/acme").json()["permissions"] == ["view_org"]
    refused = narrowed.patch("/api/v1/orgs/acme", {"name": "x"})
    assert (refused.status_code, refused.json()["permission"]) == (403, "manage_billing")


def test_a_narrowed_token_makes_none_sees_itself_and_can_end_itself(api, cast, make):
    other = api(cast.owner).get(TOKENS).json()["data"][0]["id"]
    for options in ({"permissions": ["view_org"]}, {"organization": cast.acme}):
        narrowed = api(make.token(cast.owner, **options))
        before = everything()
        refused = narrowed.post(TOKENS, {"name": "Wider"})
        assert (refused.status_code, refused.json()["code"]) == (403, "token_narrowed")
        (own,) = narrowed.get(TOKENS).json()["data"]
        assert narrowed.delete(f"{TOKENS}/{other}").status_code == 404
        assert everything() == before
        assert narrowed.delete(f"{TOKENS}/{own['id']}").status_code == 204
        assert narrowed.get(TOKENS).status_code == 401


def test_a_revoked_token_is_refused_at_once(api, cast):
    made = api(cast.viewer).post(TOKENS, {"name": "Laptop"}).json()
    for _ in range(2):
        assert api(cast.viewer).delete(f"{TOKENS}/{made['id']}").status_code == 204
    assert api(made["token"]).get("/api/v1/whoami").status_code == 401
    assert api(cast.viewer).get(f"{TOKENS}/{made['id']}").json()["state"] == "revoked"


def test_the_last_use_of_a_token_is_told_and_is_no_part_of_its_version(api, cast):
    recorder.forget()
    made = api(cast.viewer).post(TOKENS, {"name": "Laptop"}).json()
    path = f"{TOKENS}/{made['id']}"
    assert (made["last_used_at"], made["last_used_ip"]) == (None, None)
    version = api(cast.viewer).get(path)["ETag"]
    before = everything()
    assert api(made["token"]).get("/api/v1/whoami").status_code == 200
    assert everything() == before, "a request writes nothing"
    recorder.write_all()
    told = api(cast.viewer).get(path)
    assert (told.json()["last_used_ip"], told["ETag"]) == ("127.0.0.1", version)
    assert parse_datetime(told.json()["last_used_at"]) > timezone.now() - timedelta(minutes=1)


def test_a_refused_token_is_not_used(api, cast):
    made = api(cast.viewer).post(TOKENS, {"name": "Laptop"}).json()
    api(cast.viewer).delete(f"{TOKENS}/{made['id']}")
    recorder.forget()
    assert api(made["token"]).get("/api/v1/whoami").status_code == 401
    recorder.write_all()
    assert api(cast.viewer).get(f"{TOKENS}/{made['id']}").json()["last_used_at"] is None


def test_an_expired_token_is_refused(api, cast):
    expires_at = (timezone.now() + timedelta(hours=1)).isoformat()
    made = api(cast.viewer).post(TOKENS, {"name": "Laptop", "expires_at": expires_at}).json()
    assert api(made["token"]).get("/api/v1/whoami").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert api(made["token"]).get("/api/v1/whoami").status_code == 401


def test_other_peoples_tokens_are_absent(api, cast):
    theirs = api(cast.owner).get(TOKENS).json()["data"][0]["id"]
    absent = api(cast.viewer).get(f"{TOKENS}/tok_01h455vb4pex5vsknk084sn02q")
    before = everything()
    for reference in (theirs, "nonsense"):
        assert api(cast.viewer).get(f"{TOKENS}/{reference}").content == absent.content
        assert api(cast.viewer).delete(f"{TOKENS}/{reference}").content == absent.content
    assert everything() == before


@pytest.mark.parametrize("organization", ["globex", "never-existed", "org_nonsense"])
def test_a_token_is_bound_to_organizations_of_its_person_only(api, cast, organization):
    before = everything()
    answer = api(cast.viewer).post(TOKENS, {"name": "x", "organization": organization})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert everything() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": "x", "permissions": ["keys:verify"]}, "permissions"),
        ({"name": "x", "permissions": "view_org"}, "permissions"),
        ({"name": "x", "organization": 5}, "organization"),
        ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "user": "usr_01h455vb4pex5vsknk084sn02q"}, "user"),
    ],
)
def test_a_token_that_makes_no_sense(api, cast, body, field):
    before = everything()
    answer = api(cast.viewer).post(TOKENS, body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert everything() == before


def test_keys_have_no_personal_tokens(api, cast):
    before = everything()
    client = api(cast.secret_key)
    for answer in (client.get(TOKENS), client.post(TOKENS, {"name": "x"}), client.delete(f"{TOKENS}/tok_x")):
        assert (answer.status_code, answer.json()["code"]) == (403, "people_only")
    assert everything() == before
