"""Identity providers as far as making connections needs them: a real server of documents, and certificates."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from django.utils import timezone

ENTITY_ID = "https://idp.acme.example/saml"
SSO_URL = "https://idp.acme.example/saml/sso"


@cache
def signing_key(number: int = 1, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key of the provider's; `number` tells several apart."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate(number: int = 1, *, days: float = 400, since: float = -10, bits: int = 2048, kind: str = "rsa") -> str:
    """A certificate in PEM that ends in `days` and began `since` days from now."""
    now = timezone.now()  # which time_machine moves
    keys: dict[str, Any] = {
        "rsa": lambda: signing_key(number, bits),
        "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }
    key = keys[kind]()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"idp {number}")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(now + timedelta(days=since))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, None if kind == "ed25519" else hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def private_key() -> str:
    """What nobody should send us."""
    return (
        signing_key()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def bare(pem: str) -> str:
    """The base64 of a certificate, as metadata have it."""
    return "".join(pem.strip().splitlines()[1:-1])


def metadata(*pems: str, entity_id: str = ENTITY_ID, sso_url: str = SSO_URL, extra: str = "", role: str = "IDP") -> str:
    """Metadata of a provider with these certificates."""
    keys = "".join(
        f'<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{bare(pem)}'
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        for pem in pems
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
        f'xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="{entity_id}"{extra}>'
        f'<md:{role}SSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{keys}'
        '<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" '
        'Location="https://idp.acme.example/post"/>'
        '<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" '
        f'Location="{sso_url}"/></md:{role}SSODescriptor></md:EntityDescriptor>'
    )


class Documents(http.server.ThreadingHTTPServer):
    """Serves `documents` by path: a status and a body each. `asked` are the paths that were asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.documents: dict[str, tuple[int, str]] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"

    def discovery(self, **changes: Any) -> None:
        """Offers a discovery document, by default one of a provider that can be used; None leaves a field out."""
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            **changes,
        }
        kept = {name: value for name, value in document.items() if value is not None}
        self.documents["/.well-known/openid-configuration"] = (200, json.dumps(kept))


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Documents

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        status, text = self.server.documents.get(self.path, (404, "nothing here"))
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if 300 <= status < 400:
            self.send_header("Location", text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not to the terminal."""


@contextmanager
def documents() -> Iterator[Documents]:
    """A running server with a discovery document."""
    server = Documents()
    server.discovery()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
