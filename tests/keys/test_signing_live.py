"""Two real servers learn of a rotation and of a withdrawal that a third process makes, within a second."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import jwt
import pytest

from config.kernel.principals import SYSTEM
from keys import signing
from keys.models import SigningKey
from keys.services.sessions import open_session
from keys.services.signing_keys import rotate_signing_key, withdraw_signing_key
from orgs.models import User
from tests.browser import site
from tests.cast import Cast

pytestmark = pytest.mark.xdist_group("signing servers")

WITHIN_SECONDS = 1.0
PATIENCE_SECONDS = 15


@pytest.fixture(scope="module")
def servers(web_servers: Callable[..., list[int]]) -> list[str]:
    """The addresses of two web servers. One installation has one address, whichever of its servers is asked."""
    installation = {"TENANTRY_URL": "http://127.0.0.1:8000"}
    return [f"http://{site.ADDRESS}:{port}" for port in web_servers(installation, installation)]


def ask(address: str, path: str, body: dict[str, str] | None = None, token: str = "") -> tuple[int, Any]:
    """Status and body."""
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address + path, data, headers), timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Program:
    """A program that goes to one of the servers."""

    def __init__(self, address: str, user: User) -> None:
        self.address = address
        self.tokens = asdict(open_session(user=user, method="password"))

    def kid(self) -> str:
        """The key that this server signs with now."""
        _, self.tokens = ask(self.address, "/api/v1/auth/refresh", {"refresh_token": self.tokens["refresh_token"]})
        return jwt.get_unverified_header(self.tokens["access_token"])["kid"]


def seconds_of_old_answers(since: float, is_new: Callable[[], bool]) -> float:
    """How long after `since` somebody last asked and was not told what is new, however late the answer came."""
    last = 0.0
    while True:
        asked = time.monotonic() - since
        if is_new():
            return last
        assert asked < PATIENCE_SECONDS
        last = asked
        time.sleep(0.02)


def test_every_server_learns_of_a_rotation_and_of_a_withdrawal_in_time(committed_cast: Cast, servers: list[str]):
    programs = [Program(address, committed_cast.developer) for address in servers]
    kept = jwt.PyJWKSet.from_dict(ask(servers[0], "/.well-known/jwks.json")[1])
    before = {program.kid() for program in programs}
    assert len(before) == 1
    old_tokens = [program.tokens["access_token"] for program in programs]

    following = rotate_signing_key(actor=SYSTEM)
    done = time.monotonic()
    for program in programs:
        signs_anew = lambda: program.kid() == following.kid  # noqa: B023, E731 - called here
        assert seconds_of_old_answers(done, signs_anew) < WITHIN_SECONDS
        token = program.tokens["access_token"]
        jwt.decode(token, kept[following.kid], algorithms=["EdDSA"], audience=signing.ourselves())
        for address in servers:
            assert ask(address, "/api/v1/whoami", token=token)[0] == 200
            assert ask(address, "/api/v1/whoami", token=old_tokens[0])[0] == 200

    old = SigningKey.objects.get(kid=before.pop())
    withdraw_signing_key(actor=SYSTEM, key=old.public_id, reason="copied")
    done = time.monotonic()
    for address, token in zip(servers, old_tokens, strict=True):
        refused = lambda: ask(address, "/api/v1/whoami", token=token)[0] == 401  # noqa: B023, E731 - called here
        assert seconds_of_old_answers(done, refused) < WITHIN_SECONDS
        assert all(
            ask(address, "/api/v1/whoami", token=program.tokens["access_token"])[0] == 200 for program in programs
        )
