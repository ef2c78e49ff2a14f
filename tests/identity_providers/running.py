"""Starting the providers, telling them what to say, and walking through their pages by HTTP."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.conf import settings
from lxml import html

from tests.node import folder_with

HERE = Path(__file__).resolve().parent
MOST_STEPS = 15


def folder() -> Path:
    """Where Node.js finds the providers and our two programs around them."""
    found = folder_with("identity-providers", manifest=HERE / "package.json")
    for program in HERE.glob("*.mjs"):
        shutil.copy(program, found / program.name)
    return found


@contextmanager
def program(name: str, *arguments: str) -> Iterator[dict[str, Any]]:
    """Runs one of our programs until the block ends. Yields what it says first."""
    place = folder()
    log = place / f"{name}.log"
    with log.open("wb") as words:
        process = subprocess.Popen(
            ["node", "--no-warnings", name, *arguments], cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=words,
        )  # fmt: skip
    try:
        said = process.stdout.readline()
        if not said:
            raise RuntimeError(log.read_text())
        yield json.loads(said)
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


def fields_of(form: Any) -> dict[str, str]:
    """What a form sends, as a browser would without anybody typing."""
    return {name: value or "" for name, value in form.form_values()}


@dataclass
class OpenIDProvider:
    """One issuer of openid_provider.mjs."""

    issuer: str
    accounts: dict[str, Any] = field(default_factory=dict)

    def say(self, *, accounts: dict[str, Any] | None = None, **knobs: Any) -> None:
        """What it knows of people (claims by subject), and how it lies."""
        self.accounts = {**self.accounts, **(accounts or {})}
        requests.post(f"{self.issuer}/_test", json={"accounts": self.accounts, "knobs": knobs}).raise_for_status()

    def register(self, client_id: str, secret: str, redirect_uris: list[str], **metadata: Any) -> None:
        """Makes a client there, by its own registration endpoint."""
        body = {"redirect_uris": redirect_uris, "token_endpoint_auth_method": "client_secret_basic", **metadata}
        headers = {"X-Client-Id": client_id, "X-Client-Secret": secret}
        answer = requests.post(f"{self.issuer}/reg", json=body, headers=headers)
        assert answer.status_code == 201, answer.text

    def walk(self, address: str, login: str, *, session: requests.Session | None = None, cancel: bool = False) -> str:
        """Goes from the authorization request through the provider's pages. Returns the address it leads back to."""
        session = session or requests.Session()
        answer = session.get(address, allow_redirects=False)
        for _ in range(MOST_STEPS):
            if answer.is_redirect:
                target = urljoin(answer.url, answer.headers["Location"])
                if target.startswith(settings.TENANTRY_URL):
                    return target
                answer = session.get(target, allow_redirects=False)
                continue
            assert answer.status_code == 200, f"{answer.status_code} {answer.url}: {answer.text[:2000]}"
            page = html.fromstring(answer.text, base_url=answer.url)
            if cancel:
                abort = next(link for link in page.iterlinks() if link[2].endswith("/abort"))[2]
                answer = session.get(urljoin(answer.url, abort), allow_redirects=False)
                continue
            form = page.forms[0]
            values = fields_of(form)
            if "login" in form.fields:
                values |= {"login": login, "password": "any"}
            answer = session.post(urljoin(answer.url, form.action), data=values, allow_redirects=False)
        raise AssertionError(f"the provider leads nowhere: {answer.url}")


@dataclass
class SamlProvider:
    """saml_provider.mjs with its key."""

    origin: str
    certificate: str
    entity_id: str = "urn:tests:identity-provider"
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def sso_url(self) -> str:
        return f"{self.origin}/sso"

    def say(self, **options: Any) -> None:
        """The options of samlp.auth, and `people`, `acs`, `error`."""
        self.said = options
        body = {"issuer": self.entity_id, "lifetimeInSeconds": 300, **options}
        requests.post(f"{self.origin}/_test", json=body).raise_for_status()

    def walk(self, address: str, login: str) -> dict[str, str]:
        """Signs in there. Returns the fields that its page posts to us."""
        session = requests.Session()
        page = html.fromstring(session.get(address).text)
        values = fields_of(page.forms[0]) | {"login": login}
        answer = session.post(self.sso_url, data=values)
        assert answer.status_code == 200, answer.text
        form = html.fromstring(answer.text).forms[0]
        return {"action": form.action, **fields_of(form)}


@contextmanager
def openid_providers() -> Iterator[tuple[OpenIDProvider, OpenIDProvider]]:
    """Two of them."""
    with program("openid_provider.mjs") as said:
        yield OpenIDProvider(said["one"]), OpenIDProvider(said["two"])


@contextmanager
def saml_provider(scratch: Path) -> Iterator[SamlProvider]:
    """One, with a fresh key in `scratch`."""
    key, certificate = key_and_certificate("Tests' identity provider")
    (scratch / "key.pem").write_text(key)
    (scratch / "certificate.pem").write_text(certificate)
    with program("saml_provider.mjs", str(scratch / "key.pem"), str(scratch / "certificate.pem")) as said:
        yield SamlProvider(said["origin"], certificate)


def key_and_certificate(name: str, *, days: int = 30) -> tuple[str, str]:
    """A private key and a certificate signed by itself, both in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    who, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()
