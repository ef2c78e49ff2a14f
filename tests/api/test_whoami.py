"""`/api/v1/whoami`, and credentials at the door."""

import pytest
from django.test import Client

from keys.credentials import generate
from tests.gateway import make_gateway

WHOAMI = "/api/v1/whoami"
AUTH_FAILURE = {"type": "about:blank", "title": "auth failure", "status": 401}


def test_a_person_is_told_who_they_are(api, cast):
    caller = api(cast.developer).get(WHOAMI).json()
    assert (caller["kind"], caller["id"]) == ("user", cast.developer.public_id)
    assert caller["user"] == {"id": cast.developer.public_id, "email": "dora@acme.example", "name": "Dora"}
    assert [row["slug"] for row in caller["organizations"]] == ["acme"]
    assert (caller["key"], caller["project"], caller["permissions"]) == (None, None, None)


def test_a_narrowed_token_tells_what_it_carries(api, cast, make):
    token = make.token(cast.owner, organization=cast.acme, permissions=["view_org", "view_audit"])
    caller = api(token).get(WHOAMI).json()
    assert caller["permissions"] == ["view_audit", "view_org"]
    assert caller["token"]["organization_id"] == cast.acme.public_id
    assert caller["organizations"][0]["permissions"] == ["view_audit", "view_org"]


def test_a_key_is_told_its_project_and_permissions(api, cast, make):
    key_id, key = make.secret_key("keys:verify", mode="test")
    caller = api(key).get(WHOAMI).json()
    assert (caller["kind"], caller["id"], caller["key"]["mode"]) == ("key", key_id, "test")
    assert (caller["project"]["slug"], caller["permissions"]) == ("rocket", ["keys:verify"])
    assert [row["slug"] for row in caller["organizations"]] == ["acme"]
    assert caller["user"] is None
    assert key not in str(caller)


def test_a_service_account_is_told_its_name(cast):
    gateway = make_gateway(cast)
    caller = gateway.ask("GET", WHOAMI).json()
    assert (caller["kind"], caller["id"]) == ("service", gateway.account.public_id)
    assert caller["service_account"]["name"] == gateway.account.name
    assert (caller["user"], caller["key"], caller["organizations"]) == (None, None, [])
    assert gateway.secret not in str(caller)


def test_a_person_without_organizations_is_told_so(api, cast):
    assert api(cast.staff).get(WHOAMI).json()["organizations"] == []


@pytest.mark.parametrize("path", [WHOAMI, "/api/v1/orgs", "/api/v1/orgs/acme", "/api/v1/orgs/never-existed/members"])
def test_every_bad_credential_gets_the_one_answer(cast, path):
    stranger = generate("sk_live_").plaintext
    typing_mistake = cast.secret_key[:-1] + ("A" if cast.secret_key[-1] != "A" else "B")
    headers = [
        {},
        {"HTTP_AUTHORIZATION": f"Bearer {stranger}"},
        {"HTTP_AUTHORIZATION": f"Bearer {typing_mistake}"},
        {"HTTP_AUTHORIZATION": f"Basic {cast.secret_key}"},
        {"HTTP_AUTHORIZATION": cast.secret_key},
        {"HTTP_AUTHORIZATION": "Bearer"},
        {"HTTP_AUTHORIZATION": "Bearer é"},
        {"HTTP_AUTHORIZATION": f"Bearer {cast.publishable_key}"},
        {"HTTP_X_API_KEY": ""},
        {"HTTP_X_API_KEY": cast.publishable_key},
        {"HTTP_X_API_KEY": cast.secret_key, "HTTP_AUTHORIZATION": f"Bearer {cast.secret_key}"},
        {"HTTP_X_API_KEY": cast.secret_key, "HTTP_ORIGIN": "https://shop.example"},
    ]
    answers = [Client().get(path, **sent) for sent in headers]
    answers.append(Client().get(f"{path}?key={cast.secret_key}"))
    answers.append(Client().get(f"{path}?x={cast.token(cast.owner)}", HTTP_X_API_KEY=cast.secret_key))
    for answer in answers:
        assert (answer.status_code, answer.json()) == (401, AUTH_FAILURE)
        assert answer["Content-Type"] == "application/problem+json"
        assert answer["WWW-Authenticate"] == "Bearer"
    assert len({answer.content for answer in answers}) == 1


def test_both_headers_carry_every_credential(cast):
    for credential in (cast.secret_key, cast.token(cast.viewer)):
        assert Client().get(WHOAMI, HTTP_X_API_KEY=credential).status_code == 200
        assert Client().get(WHOAMI, HTTP_AUTHORIZATION=f"bearer {credential}").status_code == 200


def test_a_disabled_person_is_out_at_once(api, cast):
    viewer = api(cast.viewer)
    cast.viewer.is_active = False
    cast.viewer.save()
    assert viewer.get(WHOAMI).json() == AUTH_FAILURE


def test_a_key_is_accepted_from_its_networks_only(api, make):
    _, key = make.secret_key("view_org", allowed_ips=["203.0.113.0/24"])
    assert api(key).get(WHOAMI, REMOTE_ADDR="203.0.113.7").status_code == 200
    assert api(key).get(WHOAMI, REMOTE_ADDR="198.51.100.1").status_code == 401
    assert api(key).get(WHOAMI, REMOTE_ADDR="198.51.100.1", HTTP_X_FORWARDED_FOR="203.0.113.7").status_code == 401


def test_an_organization_header_must_agree(api, cast):
    acme = cast.acme.public_id
    for client in (api(cast.secret_key), api(cast.owner)):
        path = "/api/v1/orgs/acme"
        assert client.get(path, HTTP_X_ORGANIZATION_ID=acme).status_code == 200
        assert client.get(path, HTTP_X_ORGANIZATION_NAME="acme").status_code == 200
        for name, value in (("ID", cast.globex.public_id), ("ID", "acme"), ("NAME", "globex"), ("ID", "")):
            assert client.get(path, **{f"HTTP_X_ORGANIZATION_{name}": value}).json() == AUTH_FAILURE
    assert api(cast.secret_key).get(WHOAMI, HTTP_X_ORGANIZATION_ID=cast.globex.public_id).json() == AUTH_FAILURE
