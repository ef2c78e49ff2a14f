"""Signs a request to Tenantry and checks the signature of the answer (RFC 9421, RFC 9530).

Python 3.11 or newer, standard library only:

    export TENANTRY_KEY_ID=sas_… TENANTRY_SECRET=…
    python signed_request.py POST https://tenantry.example/api/v1/keys/verify '{"key": "sk_live_…"}' org_…

The body and the organization may be left out. Writes the answer's body, and ends with 1 when the answer is not ours.
"""

import base64
import hashlib
import hmac
import os
import re
import secrets
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

SKEW_SECONDS = 300


def content_digest(body: bytes) -> str:
    """The Content-Digest of a body (RFC 9530, 2)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def signature_of(secret: str, covered: list[tuple[str, str]], parameters: str) -> str:
    """The signature over components, given as (identifier, value), and the serialized parameters (RFC 9421, 2.5)."""
    lines = [f"{identifier}: {value}" for identifier, value in [*covered, ('"@signature-params"', parameters)]]
    return base64.b64encode(hmac.digest(secret.encode(), "\n".join(lines).encode(), "sha256")).decode()


def signed_headers(
    key_id: str, secret: str, *, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> dict[str, str]:
    """`headers` with Content-Digest, Signature-Input and Signature added; every header that is given gets covered."""
    headers = dict(headers or {})
    if body:
        headers["Content-Digest"] = content_digest(body)
    parts = urlsplit(url)
    covered = [('"@method"', method), ('"@path"', parts.path or "/"), ('"@query"', f"?{parts.query}")]
    covered += [(f'"{name.lower()}"', value.strip()) for name, value in headers.items()]
    identifiers = " ".join(identifier for identifier, _ in covered)
    parameters = (
        f'({identifiers});created={int(time.time())};nonce="{secrets.token_urlsafe(16)}"'
        f';keyid="{key_id}";alg="hmac-sha256"'
    )
    headers["Signature-Input"] = f"sig1={parameters}"
    headers["Signature"] = f"sig1=:{signature_of(secret, covered, parameters)}:"
    return headers


def require_our_answer(
    key_id: str, secret: str, *, status: int, headers: dict[str, str], body: bytes, request_signature: str
) -> None:
    """Raises ValueError unless the answer is signed with our secret, for this very request, and not long ago.

    `headers` are the answer's by lower-case name, `request_signature` is the Signature header that was sent.
    """
    match = re.fullmatch(r"sig1=(\(([^()]*)\);(.*))", headers.get("signature-input", ""))
    signature = re.fullmatch(r"sig1=:([A-Za-z0-9+/=]+):", headers.get("signature", ""))
    if match is None or signature is None:
        raise ValueError("The answer is not signed.")
    parameters, identifiers, rest = match.groups()
    values = {
        '"@status"': str(status),
        '"signature";req': request_signature,
        '"content-digest"': headers.get("content-digest", ""),
        '"content-type"': headers.get("content-type", ""),
    }
    names = identifiers.split(" ")
    if not {'"@status"', '"signature";req', '"content-digest"'} <= set(names) <= set(values):
        raise ValueError("The answer's signature does not cover what it must.")
    expected = signature_of(secret, [(name, values[name]) for name in names], parameters)
    if not hmac.compare_digest(expected, signature[1]):
        raise ValueError("The answer's signature is wrong.")
    if not hmac.compare_digest(values['"content-digest"'], content_digest(body)):
        raise ValueError("The answer's body is not the one that was signed.")
    created = re.search(r"(?:^|;)created=(\d+)", rest)
    if f'keyid="{key_id}"' not in rest or created is None or abs(time.time() - int(created[1])) > SKEW_SECONDS:
        raise ValueError("The answer's signature is of another key or another time.")


def send(
    key_id: str, secret: str, *, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """The answer's status and body. Raises ValueError for an answer that is not ours, such as a 401."""
    headers = {**(headers or {}), **({"Content-Type": "application/json"} if body else {})}
    signed = signed_headers(key_id, secret, method=method, url=url, body=body, headers=headers)
    request = urllib.request.Request(url, data=body or None, headers=signed, method=method)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:  # an answer too, with a body of its own
        answer = error
    with answer:
        status, content = answer.status, answer.read()
        received = {name.lower(): value for name, value in answer.headers.items()}
    require_our_answer(
        key_id, secret, status=status, headers=received, body=content, request_signature=signed["Signature"]
    )
    return status, content


def main() -> None:
    """The command line."""
    method, url, body, organization = [*sys.argv[1:], "", ""][:4]
    headers = {"X-Organization-Id": organization} if organization else {}
    try:
        status, content = send(
            os.environ["TENANTRY_KEY_ID"],
            os.environ["TENANTRY_SECRET"],
            method=method,
            url=url,
            body=body.encode(),
            headers=headers,
        )
    except ValueError as error:
        raise SystemExit(str(error)) from error
    print(status, content.decode())


if __name__ == "__main__":
    main()
