"""How a program may present its credential, and what must agree with it."""

import pytest

AUTH_FAILURE = {"type": "about:blank", "title": "auth failure", "status": 401}


def refused(answer) -> bool:
    return (answer.status_code, answer.json()) == (401, AUTH_FAILURE)


def test_both_headers_carry_a_credential_but_not_at_once(api, cast):
    assert api(cast.secret_key).get("/api/v1/whoami").status_code == 200
    assert api(None).get("/api/v1/whoami", headers={"X-API-Key": cast.secret_key}).status_code == 200
    assert refused(api(cast.secret_key).get("/api/v1/whoami", headers={"X-API-Key": cast.secret_key}))


@pytest.mark.parametrize("scheme", ["Basic", "Token", "", "Bearerx"])
def test_other_schemes_are_refused(api, cast, scheme):
    header = f"{scheme} {cast.secret_key}".strip()
    assert refused(api(None).get("/api/v1/whoami", headers={"Authorization": header}))


@pytest.mark.parametrize("name", ["key", "api_key", "access_token", "q"])
def test_a_key_in_the_address_is_refused_even_beside_a_good_one(api, cast, name):
    assert refused(api(None).get(f"/api/v1/whoami?{name}={cast.secret_key}"))
    assert refused(api(cast.secret_key).get(f"/api/v1/whoami?{name}={cast.secret_key}"))


def test_a_secret_key_never_comes_from_a_browser(api, cast):
    assert refused(api(cast.secret_key).get("/api/v1/whoami", headers={"Origin": "https://shop.example"}))


def test_a_publishable_key_opens_no_part_of_the_interface(api, cast):
    assert refused(api(cast.publishable_key).get("/api/v1/whoami"))


def test_a_key_is_refused_from_elsewhere_than_its_addresses(api, cast):
    body = {
        "kind": "secret",
        "mode": "live",
        "name": "Fixed",
        "permissions": "admin",
        "allowed_ips": ["203.0.113.0/24"],
    }
    key = api(cast.owner).post("/api/v1/orgs/acme/projects/rocket/keys", body).json()["key"]
    assert refused(api(key).get("/api/v1/whoami"))
    assert api(key).get("/api/v1/whoami", REMOTE_ADDR="203.0.113.7").status_code == 200
    forged = {"X-Forwarded-For": "203.0.113.7"}
    assert refused(api(key).get("/api/v1/whoami", headers=forged)), "an address that the caller claims was believed"


def test_behind_trusted_proxies_the_outermost_tells_the_address(api, cast, settings):
    body = {"kind": "secret", "mode": "live", "name": "Fixed", "permissions": "admin", "allowed_ips": ["203.0.113.7"]}
    key = api(cast.owner).post("/api/v1/orgs/acme/projects/rocket/keys", body).json()["key"]
    settings.TENANTRY_TRUSTED_PROXIES = 1
    assert api(key).get("/api/v1/whoami", headers={"X-Forwarded-For": "1.2.3.4, 203.0.113.7"}).status_code == 200
    assert refused(api(key).get("/api/v1/whoami", headers={"X-Forwarded-For": "203.0.113.7, 1.2.3.4"}))


def test_the_organization_headers_must_agree_with_the_address(api, cast):
    program = api(cast.owner)
    for headers in (
        {"X-Organization-Id": cast.acme.public_id},
        {"X-Organization-Name": "Acme"},
        {"X-Organization-Id": cast.acme.public_id, "X-Organization-Name": "acme"},
    ):
        assert program.get("/api/v1/orgs/acme", headers=headers).status_code == 200
    for headers in (
        {"X-Organization-Id": cast.globex.public_id},
        {"X-Organization-Id": "acme"},
        {"X-Organization-Id": ""},
        {"X-Organization-Name": "Globex"},
        {"X-Organization-Id": cast.acme.public_id, "X-Organization-Name": "Globex"},
    ):
        assert refused(program.get("/api/v1/orgs/acme", headers=headers)), headers
        assert refused(api(cast.secret_key).post("/api/v1/keys/verify", {"key": "x"}, headers=headers)), headers


def test_the_headers_alone_prove_nothing(api, cast):
    assert refused(api(None).get("/api/v1/orgs/acme", headers={"X-Organization-Id": cast.acme.public_id}))
    answer = api(cast.outsider).get("/api/v1/orgs/acme", headers={"X-Organization-Id": cast.acme.public_id})
    assert answer.status_code == 404
