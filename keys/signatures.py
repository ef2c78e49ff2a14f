"""Signed requests of service accounts: HTTP Message Signatures (RFC 9421) by HMAC-SHA256 over a shared secret.

A request is refused unless exactly one signature covers everything that gives it its meaning, it was made within five
minutes of now, and its nonce was never used. The answer is signed with the same secret and names the request's own
signature (RFC 9421, 2.4), so that it cannot be exchanged for another one.
"""

import base64
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django.utils.encoding import escape_uri_path
from http_message_signatures import (
    ContentDigest,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    InvalidSignature,
)
from http_message_signatures.algorithms import HMAC_SHA256

from config.kernel.errors import AuthFailure
from config.kernel.principals import ServicePrincipal
from config.kernel.tenancy.scope import tenant_scope
from keys.models import UsedNonce
from orgs.encryption import unseal
from orgs.models import Organization, ServiceAccount, ServiceAccountSecret, ServiceGrant
from orgs.refusals import note_refusal

SKEW = timedelta(minutes=5)
# A nonce outlives every moment at which its signature could be accepted, also by a server whose clock is behind.
NONCE_LIFETIME = 3 * SKEW
LONGEST_NONCE = 255
ALWAYS_COVERED = ("@method", "@path", "@query")
# What else changes the meaning of a request must be covered when it is sent. The body is covered by its digest.
COVERED_IF_SENT = ("x-organization-id", "x-organization-name", "idempotency-key", "if-match")
OTHER_CREDENTIALS = ("Authorization", "X-API-Key", "Origin")
LABEL = "sig1"
ATTRIBUTE = "tenantry_signature"
DECOY = os.urandom(32)
KEPT_IN_MEMORY = 1024 * 1024
CHUNK = 64 * 1024


class Cause(StrEnum):
    """Why a request was refused, in the order in which causes are looked for. For the ledger, never for the caller."""

    MIXED = "mixed"  # another credential, or a browser
    MALFORMED = "malformed"  # not exactly one signature with created, nonce and keyid
    UNKNOWN_KEY = "unknown_key"
    WRONG_SIGNATURE = "wrong_signature"
    INCOMPLETE = "incomplete"  # a part that must be covered is not
    STALE = "stale"
    FUTURE = "future"
    SECRET_ENDED = "secret_ended"  # noqa: S105 - no secret
    ACCOUNT_DISABLED = "account_disabled"
    BODY = "body"  # not the one that was signed
    REPLAYED = "replayed"


# What only somebody with the secret can cause.
PROVEN = frozenset(
    {
        Cause.INCOMPLETE,
        Cause.STALE,
        Cause.FUTURE,
        Cause.SECRET_ENDED,
        Cause.ACCOUNT_DISABLED,
        Cause.BODY,
        Cause.REPLAYED,
    }
)


class Refused(Exception):
    """A signature that is not accepted."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(frozen=True)
class RequestParts:
    """A request as the library reads it."""

    method: str
    url: str
    headers: Any

    @classmethod
    def of(cls, request: HttpRequest) -> "RequestParts":
        """The path is the one that views see, percent-encoded anew: what is checked is what is obeyed."""
        query = request.META.get("QUERY_STRING", "")
        path = escape_uri_path(request.path)
        url = f"{request.scheme}://{request.get_host()}{path}{'?' if query else ''}{query}"
        return cls(request.method or "", url, request.headers)


@dataclass(frozen=True)
class AnswerParts:
    """An answer as the library reads and signs it."""

    status_code: int
    headers: Any
    request: RequestParts


@dataclass(frozen=True)
class Verified:
    """The signature that a request was accepted by. Its answer is signed with the same secret."""

    key_id: str
    account: ServiceAccount
    request: RequestParts
    secret: bytes = field(repr=False)


class _Secrets(HTTPSignatureKeyResolver):
    """The secret of the signature in hand, and what is wrong if it does not verify.

    A keyid that nobody has takes as long as one whose signature is wrong.
    """

    def __init__(self) -> None:
        self.row: ServiceAccountSecret | None = None
        self.plaintext = DECOY
        self.cause = Cause.MALFORMED

    def find(self, key_id: str) -> None:
        """Reads the secret. Raises UnreadableError when its master key is gone."""
        self.row, self.cause = ServiceAccountSecret.objects.by_key_id(key_id), Cause.UNKNOWN_KEY
        if self.row is not None:
            self.plaintext, self.cause = unseal(self.row, "sealed").encode(), Cause.WRONG_SIGNATURE

    def resolve_public_key(self, key_id: str) -> bytes:
        return self.plaintext

    resolve_private_key = resolve_public_key


class _Verifier(HTTPMessageVerifier):
    """The library's verifier, which calls this before it looks at the signature itself."""

    def __init__(self, secrets: _Secrets) -> None:
        super().__init__(signature_algorithm=HMAC_SHA256, key_resolver=secrets)
        self.secrets = secrets

    def validate_created_and_expires(self, sig_input: Any, max_age: Any = None) -> None:
        parameters = sig_input.params
        nonce = parameters.get("nonce", "")
        if not {"created", "keyid"} <= set(parameters) or not 0 < len(nonce) <= LONGEST_NONCE:
            raise Refused(Cause.MALFORMED)
        self.secrets.find(parameters["keyid"])


def is_signed(request: HttpRequest) -> bool:
    """Whether somebody claims to have signed the request."""
    return "Signature" in request.headers or "Signature-Input" in request.headers


def service_behind(request: HttpRequest) -> ServicePrincipal:
    """The service account that signed a request. Raises AuthFailure, whatever the cause, which is recorded."""
    secrets = _Secrets()
    try:
        verified = _verified(request, secrets)
    except Refused as refusal:
        _note(refusal.cause, secrets, request)
        raise AuthFailure from None
    setattr(request, ATTRIBUTE, verified)
    return _principal(verified.account)


def _verified(request: HttpRequest, secrets: _Secrets) -> Verified:
    if any(header in request.headers for header in OTHER_CREDENTIALS):
        raise Refused(Cause.MIXED)
    parts, verifier = RequestParts.of(request), _Verifier(secrets)
    try:
        (result,) = verifier.verify(parts, max_age=None)
    except InvalidSignature:
        raise Refused(secrets.cause) from None
    row = secrets.row
    if row is None:
        raise Refused(Cause.UNKNOWN_KEY)
    # Whatever is refused from here on came from somebody who has the secret, or is what they once sent.
    sent = [f'"{name}"' for name in COVERED_IF_SENT if name in request.headers]
    if not {*(f'"{name}"' for name in ALWAYS_COVERED), *sent} <= set(result.covered_components):
        raise Refused(Cause.INCOMPLETE)
    _require_time(result.parameters)
    if row.expires_at is not None and row.expires_at <= timezone.now():
        raise Refused(Cause.SECRET_ENDED)
    if not row.account.is_active:
        raise Refused(Cause.ACCOUNT_DISABLED)
    try:
        verifier.verify_body(parts, [result], request.body)
    except InvalidSignature:
        raise Refused(Cause.BODY) from None
    # Last, so that only whoever has the secret uses nonces up.
    if not UsedNonce.objects.spend(_digest(row, str(result.nonce)), expires_at=timezone.now() + NONCE_LIFETIME):
        raise Refused(Cause.REPLAYED)
    return Verified(row.key_id, row.account, parts, secrets.plaintext)


def _require_time(parameters: Mapping[str, int | str]) -> None:
    age = time.time() - int(parameters["created"])
    if age > SKEW.total_seconds() or ("expires" in parameters and time.time() >= int(parameters["expires"])):
        raise Refused(Cause.STALE)
    if age < -SKEW.total_seconds():
        raise Refused(Cause.FUTURE)


def _digest(secret: ServiceAccountSecret, nonce: str) -> bytes:
    return hashlib.sha256(secret.account_id.bytes + nonce.encode()).digest()


def _note(cause: Cause, secrets: _Secrets, request: HttpRequest) -> None:
    """Tells the organization that the request is about too, if it ever granted the account anything."""
    if secrets.row is None:
        note_refusal(cause, account=None, proven=False)
        return
    account = _principal(secrets.row.account)
    arguments = request.resolver_match.kwargs if request.resolver_match else {}
    reference = request.headers.get("X-Organization-Id") or str(arguments.get("organization", ""))
    organization = Organization.objects.by_reference(reference) if reference else None
    if organization is not None:
        with tenant_scope(organization.id):
            if not ServiceGrant.objects.of_account(account.service_account_id).exists():
                organization = None
    organization_id = organization.id if organization else None
    note_refusal(cause, account=account, proven=cause in PROVEN, organization_id=organization_id)


def _principal(account: ServiceAccount) -> ServicePrincipal:
    return ServicePrincipal.of(service_account_id=account.id, name=account.name)


def sign_answer(request: HttpRequest, response: HttpResponse | StreamingHttpResponse) -> None:
    """Signs the answer to a request that was accepted by its signature; does nothing to any other answer."""
    verified: Verified | None = getattr(request, ATTRIBUTE, None)
    if verified is None:
        return
    secrets = _Secrets()
    secrets.plaintext = verified.secret
    covered = ["@status", "content-digest", '"signature";req']
    if "Content-Type" in response.headers:
        covered.append("content-type")
    response.headers["Content-Digest"] = _content_digest(response, is_sent=request.method != "HEAD")
    HTTPMessageSigner(signature_algorithm=HMAC_SHA256, key_resolver=secrets).sign(
        AnswerParts(response.status_code, response.headers, verified.request),
        key_id=verified.key_id,
        label=LABEL,
        covered_component_ids=covered,
        use_existing_digest=True,
    )


def _content_digest(response: HttpResponse | StreamingHttpResponse, *, is_sent: bool) -> str:
    """By RFC 9530. What is streamed is written down first, since its digest goes ahead of it."""
    if not is_sent:
        return ContentDigest.create(b"")
    if isinstance(response, HttpResponse):
        return ContentDigest.create(response.content)
    digest, file = hashlib.sha256(), SpooledTemporaryFile(max_size=KEPT_IN_MEMORY)  # noqa: SIM115 - closed by _chunks
    for chunk in response:
        digest.update(chunk)
        file.write(chunk)
    file.seek(0)
    response.streaming_content = _chunks(file)
    return f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(CHUNK):
            yield chunk
