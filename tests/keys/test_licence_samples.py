"""The programs of docs/samples that verify entitlement tokens, run as an integrator would, against a real key set."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings

from keys import signing
from keys.signing import Purpose
from tests.api.test_licences import SHOP, ask, register
from tests.cast import Cast
from tests.keys.test_signing import forged, own_key, part
from tests.keys.test_signing_node import changed, node, of_another_algorithm

__all__ = ["node"]

pytestmark = pytest.mark.xdist_group("jose")

SAMPLES = Path(settings.BASE_DIR) / "docs" / "samples"
Check = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tenantry(cast: Cast) -> Iterator[str]:
    """The address at which our key set is served, and nothing else: verifying needs no more."""

    class KeySet(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the standard library's name
            content = published if self.path == "/.well-known/jwks.json" else b"{}"
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: Any) -> None:
            """Says nothing."""

    published = Client().get("/.well-known/jwks.json").content
    server = ThreadingHTTPServer(("127.0.0.1", 0), KeySet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    with override_settings(TENANTRY_URL=address):
        yield address
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["python", "node"])
def check(request: pytest.FixtureRequest) -> Check:
    """`check(token, address, project, domain)` runs the sample of that language."""
    if request.param == "python":
        command, folder = [sys.executable, str(SAMPLES / "licence_check.py")], SAMPLES
    else:
        folder = request.getfixturevalue("node")
        shutil.copy(SAMPLES / "licence-check.mjs", folder)
        command = ["node", "licence-check.mjs"]

    def run(token: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *arguments], check=False, cwd=folder, input=token, capture_output=True, text=True, timeout=60
        )

    return run


def test_a_token_is_believed_for_its_project_and_domain(cast: Cast, tenantry: str, check: Check):
    register(cast, "shop.example.com")
    token = ask(cast.publishable_key).json()["token"]
    ended = check(token, tenantry, cast.project.public_id, "shop.example.com")
    assert ended.returncode == 0, ended.stderr
    claims = json.loads(ended.stdout)
    assert (claims["org"], claims["plan"], claims["downgraded"]) == (cast.acme.public_id, "free", False)


def test_what_is_not_to_be_believed_is_refused(cast: Cast, tenantry: str, check: Check):
    register(cast, "shop.example.com")
    answer = ask(cast.publishable_key, SHOP).json()
    token, project = answer["token"], cast.project.public_id
    head, body, signature = token.split(".")
    claims = {"sub": "key_x", "org": "org_x", "domain": "shop.example.com", "plan": "pro", "features": []}
    lifetime = signing.LONGEST_LIFETIME
    for refused, for_project, domain in (
        (token, cast.foreign_project.public_id, "shop.example.com"),
        (token, project, "other.example.com"),
        (f"{head}.{body}.{'A' * len(signature)}", project, "shop.example.com"),
        ("nonsense", project, "shop.example.com"),
        (signing.sign(Purpose.ACCESS, {**claims, "limits": {}, "downgraded": False}, lifetime=lifetime,
                      audience=project), project, "shop.example.com"),
        (signing.sign(Purpose.ENTITLEMENT, claims, lifetime=lifetime, audience=project), project, "shop.example.com"),
    ):  # fmt: skip
        ended = check(refused, tenantry, for_project, domain)
        assert (ended.returncode, ended.stdout) == (1, ""), ended
        assert ended.stderr.startswith("Refused: ")


def test_other_algorithms_and_what_has_expired_are_refused(cast: Cast, tenantry: str, check: Check):
    register(cast, "shop.example.com")
    token = ask(cast.publishable_key).json()["token"]
    claims, now = part(token, 1), int(time.time())
    in_time, expired = (
        forged(own_key(), "EdDSA", **{**claims, "iat": now - 900, "exp": now + seconds}) for seconds in (60, -60)
    )
    arguments = (tenantry, cast.project.public_id, "shop.example.com")
    assert check(in_time, *arguments).returncode == 0, "what is refused below is refused for its end alone"
    others = of_another_algorithm(token, Client().get("/.well-known/jwks.json").json())
    for refused in (*others, changed(token, plan="enterprise"), expired):
        ended = check(refused, *arguments)
        assert (ended.returncode, ended.stdout) == (1, ""), ended
        assert ended.stderr.startswith("Refused: ")
