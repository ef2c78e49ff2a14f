"""Google and GitHub as far as we speak to them: a real HTTP server on this machine, which can be told to lie.

It keeps what the standards ask of a provider: codes work once, for the client that they were made for, with its secret
and the verifier of their challenge.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

BROWSER, BROWSER_SECRET = "browser-client", "browser-secret"
CLI, CLI_SECRET = "cli-client", "cli-secret"


@dataclass
class Person:
    """Who consents at the provider."""

    uid: str = "1001"
    name: str = "Olivia Okafor"
    email: str | None = "olivia@acme.example"
    verified: bool = True


@dataclass
class Provider:
    """The server's memory. `lies` change an ID token's claims; `down` breaks every answer."""

    url: str
    person: Person = field(default_factory=Person)
    lies: dict[str, Any] = field(default_factory=dict)
    wrong_key: bool = False
    down: bool = False
    says_no: bool = False
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: dict[str, tuple[str, Person, datetime]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    def id_token(self, audience: str, **claims: Any) -> str:
        """What Google signs about the person."""
        now = int(time.time())
        payload = {
            "iss": self.url,
            "aud": audience,
            "sub": self.person.uid,
            "email": self.person.email,
            "email_verified": self.person.verified,
            "name": self.person.name,
            "iat": now,
            "exp": now + 3600,
            **claims,
            **self.lies,
        }
        key = rsa.generate_private_key(65537, 2048) if self.wrong_key else self.key
        return jwt.encode(payload, key, algorithm="RS256", headers={"kid": "one"})

    def access_token(self, client: str, *, made: datetime | None = None) -> str:
        """What GitHub gives out for the person."""
        token = "gho_" + secrets.token_hex(18)
        self.tokens[token] = (client, self.person, made or datetime.now(UTC))
        return token


class Handler(BaseHTTPRequestHandler):
    """The addresses of both."""

    provider: Provider

    def log_message(self, *_arguments: Any) -> None:
        """Nothing to the terminal."""

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        self.provider.requests.append((split.path, query))
        provider = self.provider
        if provider.down:
            return self._answer({"error": "down"}, 503)
        if split.path == "/.well-known/openid-configuration":
            return self._answer(
                {
                    "issuer": provider.url,
                    "authorization_endpoint": f"{provider.url}/authorize",
                    "token_endpoint": f"{provider.url}/token",
                    "jwks_uri": f"{provider.url}/keys",
                }
            )
        if split.path == "/keys":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(provider.key.public_key()))
            return self._answer({"keys": [{**key, "kid": "one", "use": "sig", "alg": "RS256"}]})
        if split.path in ("/authorize", "/login/oauth/authorize"):
            return self._authorize(query)
        return self._person(split.path)

    def _person(self, path: str) -> None:
        """GitHub's interface about whoever the token is of."""
        provider = self.provider
        _, person, _ = provider.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "), (None,) * 3)
        if person is None:
            return self._answer({"message": "Bad credentials"}, 401)
        if path == "/api/v3/user":
            return self._answer({"id": int(person.uid), "login": "olivia", "name": person.name})
        emails = [{"email": "old@elsewhere.example", "primary": False, "verified": True}]
        if person.email:
            emails.append({"email": person.email, "primary": True, "verified": person.verified})
        return self._answer(emails)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        path = urlsplit(self.path).path
        if self.provider.down:
            return self._answer({"error": "down"}, 503)
        if path.startswith("/api/v3/applications/"):
            return self._check(path.split("/")[4], json.loads(body)["access_token"])
        given = {name: values[0] for name, values in parse_qs(body).items()}
        self.provider.requests.append((path, given))
        asked = self.provider.codes.pop(given.get("code", ""), None)
        challenge = hashlib.sha256(given.get("code_verifier", "").encode()).digest()
        if (
            asked is None
            or given.get("client_secret") != BROWSER_SECRET
            or given.get("client_id") != asked["client_id"]
            or given.get("redirect_uri") != asked["redirect_uri"]
            or base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != asked["code_challenge"]
        ):
            return self._answer({"error": "invalid_grant"}, 200 if path.startswith("/login/") else 400)
        if path == "/token":
            claims = {"nonce": asked["nonce"]}
            return self._answer({"id_token": self.provider.id_token(asked["client_id"], **claims), "access_token": "x"})
        return self._answer({"access_token": self.provider.access_token(asked["client_id"]), "token_type": "bearer"})

    def _authorize(self, query: dict[str, str]) -> None:
        if self.provider.says_no:
            back = {"error": "access_denied", "state": query["state"]}
        else:
            code = secrets.token_hex(8)
            self.provider.codes[code] = query
            back = {"code": code, "state": query["state"]}
        self.send_response(302)
        self.send_header("Location", f"{query['redirect_uri']}?{urlencode(back)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _check(self, client: str, token: str) -> None:
        """GitHub's own check of whose token it is."""
        expected = base64.b64encode(f"{client}:{CLI_SECRET}".encode()).decode()
        made_for, person, made = self.provider.tokens.get(token, (None,) * 3)
        if self.headers.get("Authorization") != f"Basic {expected}" or made_for != client or person is None:
            return self._answer({"message": "Not Found"}, 404)
        return self._answer(
            {
                "app": {"client_id": client},
                "created_at": made.isoformat().replace("+00:00", "Z"),
                "user": {"id": int(person.uid)},
            }
        )

    def _answer(self, body: Any, status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def running() -> Iterator[Provider]:
    """A provider on a free port."""
    handler = type("BoundHandler", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.provider = Provider(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield handler.provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
